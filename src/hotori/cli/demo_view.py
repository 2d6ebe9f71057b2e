"""The demo's live table: the latest pictures, what they were taken for, and the figures so far."""

from __future__ import annotations

import math

from rich.console import Group
from rich.table import Table
from rich.text import Text

from hotori.cli.score import Score, Sighting
from hotori.cli.terminal import Terminal
from hotori.problems import Words

_COLUMNS = (
    Words("picture", "写真"),
    Words("prediction", "判定"),
    Words("sure", "確からしさ"),
    Words("expected", "正解"),
    Words("delay", "遅れ"),
    Words("stored", "保存"),
)
_TITLE = Words("Pictures classified on the device, in the cloud now", "デバイス上で分類され、クラウドに届いた写真")
_SUMMARY = Words(
    "{complete} pictures with predictions · accuracy {accuracy} · {rate} pictures/s · "
    "capture to cloud: median {median}, p99 {p99}",
    "写真と判定 {complete} 件 · 正解率 {accuracy} · 毎秒 {rate} 枚 · 撮影からクラウドまで: 中央値 {median}、p99 {p99}",
)
_ROWS = 12


def view(terminal: Terminal, score: Score, footer: str) -> Group:
    """The table as it stands."""
    table = Table(box=None, pad_edge=False, title=terminal.say(_TITLE), title_justify="left", header_style="bold")
    for words in _COLUMNS:
        table.add_column(terminal.say(words))
    for sighting in list(score.sightings.values())[-_ROWS:]:
        table.add_row(*_row(sighting, stored=sighting.picture in score.stored))
    return Group(
        table,
        Text(summary(terminal, score), style="bold", overflow="fold"),
        Text(footer, style="dim", overflow="fold"),
        Text(),
    )


def summary(terminal: Terminal, score: Score) -> str:
    """The figures in one line."""
    return terminal.say(
        _SUMMARY,
        complete=score.complete,
        accuracy=_figure(score.accuracy(), "{:.1%}"),
        rate=_figure(score.rate(), "{:.2f}"),
        median=_figure(score.delay(0.5) * 1000, "{:.0f} ms"),
        p99=_figure(score.delay(0.99) * 1000, "{:.0f} ms"),
    )


def _row(sighting: Sighting, *, stored: bool) -> tuple[Text, ...]:
    colour = {True: "green", False: "red", None: ""}[sighting.right]
    return (
        Text(sighting.picture.rpartition("/")[2]),
        Text(sighting.label, style=colour),
        Text(_figure(sighting.probability, "{:.0%}")),
        Text(sighting.expected or "-"),
        Text(f"{sighting.delay * 1000:.0f} ms"),
        Text("✓" if stored else "…"),
    )


def _figure(value: float, form: str) -> str:
    return "-" if math.isnan(value) else form.format(value)
