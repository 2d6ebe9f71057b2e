"""`hotori problem`: what a code means."""

from __future__ import annotations

import click

from hotori.cli.options import answers
from hotori.cli.terminal import Terminal
from hotori.model.json import JsonObject
from hotori.problems import Kind, Words
from hotori.problems.catalogue import CATALOGUE


@click.command()
@click.argument("code", required=False, type=click.Choice(sorted(CATALOGUE)), metavar="[CODE]")
@answers
def problem(terminal: Terminal, code: str | None) -> None:
    """Explain a problem by its code, or list all that Hotori can name.

    \b
    Example:  hotori problem token-expired --lang ja
    """
    if code is None:
        columns = {"code": Words("code", "コード"), "title": Words("problem", "問題")}
        terminal.rows(columns, [_row(terminal, kind) for kind in CATALOGUE.values()])
        return
    kind = CATALOGUE[code]
    if terminal.as_json:
        terminal.json(_row(terminal, kind))
        return
    for line in (kind.title, kind.cause, kind.remedy):
        terminal.out.print(line.in_language(terminal.language), markup=False)
    for command in kind.commands:
        terminal.out.print(f"$ {command}", markup=False)


def _row(terminal: Terminal, kind: Kind) -> JsonObject:
    language = terminal.language
    return {
        "code": kind.code,
        "title": kind.title.in_language(language),
        "cause": kind.cause.in_language(language),
        "remedy": kind.remedy.in_language(language),
        "commands": list(kind.commands),
    }
