"""`hotori train`: a folder of labelled photographs in, one model file out."""

from __future__ import annotations

from pathlib import Path

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from hotori.cli.options import answers
from hotori.cli.terminal import Terminal
from hotori.problems import Words

_DONE = Words(
    "{out}: {labels} labels, trained on {trained} pictures, {accuracy} right of {held_out} held out",
    "{out}: ラベル {labels} 個、学習 {trained} 枚、検証 {held_out} 枚での正解率 {accuracy}",
)


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), default="model.onnx", show_default=True)
@click.option(
    "--held-out", type=click.FloatRange(0.05, 0.9), default=0.3, show_default=True, help="Share kept to test."
)
@click.option("--seed", type=int, default=1, show_default=True, help="Which pictures are held out.")
@answers
def train(terminal: Terminal, folder: Path, out: Path, held_out: float, seed: int) -> None:
    """Train a classifier from FOLDER, one sub-folder a label, and say honestly how good it is.

    \b
    Example:  hotori train examples/pictures --out build/model.onnx
    """
    from hotori.vision.training import train as train_model

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=terminal.err, transient=True, disable=terminal.as_json) as bar:
        task = bar.add_task(terminal.say(Words("reading pictures", "写真を読み込み中")), total=None)
        report = train_model(
            folder,
            out,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
            held_out=held_out,
            seed=seed,
        )
    terminal.result(
        report.document(),
        _DONE,
        out=out,
        labels=len(report.labels),
        trained=report.trained,
        held_out=report.held_out,
        accuracy=f"{report.accuracy:.1%}",
    )
