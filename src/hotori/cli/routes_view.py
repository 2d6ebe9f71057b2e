"""How the explanation of a message's way, and the list of routes, are shown to a person."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.markup import escape

from hotori.cli.terminal import Terminal
from hotori.model.json import JsonObject
from hotori.problems import Words

_SOURCE = Words("source   {source}", "送信元   {source}")
_NOWHERE = Words("No route takes it: the message is dropped.", "どのルートにも合わないため、メッセージは破棄されます。")
_FALLBACK = Words(
    "No route takes it: the fallback brings it to {endpoint}.",
    "どのルートにも合わないため、フォールバックにより {endpoint} に届きます。",
)
_GOES = Words(
    "goes to  {endpoint}   by {route}, priority {priority}, kept for {life}",
    "宛先     {endpoint}   ルート {route}、優先度 {priority}、保持 {life}",
)
_FOR_EVER = Words("ever", "無期限")
_SECONDS = Words("{seconds} s", "{seconds} 秒")
_MATCHES = Words("matches", "一致")
_OUTRANKED = Words("matches, and another route to there decides", "一致（同じ宛先の別のルートが優先）")
_OTHER_SOURCE = Words("its source is another one", "送信元が異なる")
_NO_MATCH = Words("does not match", "不一致")

ROUTE_COLUMNS = {
    "name": Words("route", "ルート"),
    "endpoint": Words("endpoint", "宛先"),
    "accepted": Words("accepted", "受付"),
    "delivered": Words("delivered", "配信済"),
    "expired": Words("expired", "期限切れ"),
    "dropped": Words("dropped", "破棄"),
    "pending": Words("pending", "待ち"),
    "route": Words("text", "内容"),
}
"""Accepted = delivered + expired + dropped + pending."""


def show_explanation(terminal: Terminal, document: JsonObject) -> None:
    """The explanation as JSON, or in words with every condition taken apart."""
    if terminal.as_json:
        terminal.json(document)
        return
    out = terminal.out
    out.print(escape(terminal.say(_SOURCE, source=document["source"])))
    for route in _objects(document["routes"]):
        mark, colour, words = _verdict(route)
        out.print(f"[{colour}]{mark}[/] [bold]{escape(route['name'])}[/]  {terminal.say(words)}")
        out.print(f"    [dim]{escape(' '.join(route['route'].split()))}[/]")
        for depth, text, value in _parts(route["condition"]):
            out.print(f"    {'  ' * depth}{escape(text)} [bold]→ {escape(value)}[/]")
    for endpoint in _objects(document["endpoints"]):
        if endpoint.get("route") is None:
            out.print(escape(terminal.say(_FALLBACK, endpoint=endpoint["endpoint"])))
        else:
            out.print(escape(terminal.say(_GOES, **{**endpoint, "life": _life(terminal, endpoint["timeToLiveSecs"])})))
    if not document["endpoints"]:
        out.print(escape(terminal.say(_NOWHERE)))


def _verdict(route: dict[str, Any]) -> tuple[str, str, Words]:
    if route["won"]:
        return "✓", "green", _MATCHES
    if route["matches"]:
        return "✓", "yellow", _OUTRANKED
    return "✗", "red", _NO_MATCH if route["sourceMatches"] else _OTHER_SOURCE


def _parts(part: dict[str, Any] | None, depth: int = 0) -> Iterator[tuple[int, str, str]]:
    if part is not None:
        yield depth, part["text"], part["value"]
        for inner in part.get("parts", ()):
            yield from _parts(inner, depth + 1)


def _life(terminal: Terminal, seconds: int) -> str:
    return terminal.say(_FOR_EVER) if seconds < 0 else terminal.say(_SECONDS, seconds=seconds)


def _objects(value: Any) -> list[dict[str, Any]]:
    return list(value)
