"""The reference of the command line, in each language, made from the commands' own help."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import click
from generated import write_pages
from sphinx.application import Sphinx

from hotori.cli.main import hotori
from hotori.problems import Language

INTRODUCTION: Mapping[Language, str] = {
    Language.EN: "# The command line\n\nWhat `hotori` and its commands answer to `--help`.",
    Language.JA: (
        "# コマンドライン\n\n"
        "`hotori` と各コマンドの `--help` の内容です。"
        "ヘルプは英語ですが、結果と問題の説明は `--lang ja` で日本語になります。"
    ),
}
_WIDTH = 96


def commands(command: click.Command, name: str) -> Iterator[tuple[str, click.Context]]:
    """A command and all below it: the words to type, and the context that its help is written in.

    A command that is hidden from the help is left out here too; one that cannot be loaded is an error.
    """
    settings = {**command.context_settings, "terminal_width": _WIDTH, "max_content_width": _WIDTH}
    yield from _below(click.Context(command, info_name=name, **settings))


def _below(context: click.Context) -> Iterator[tuple[str, click.Context]]:
    yield context.command_path, context
    command = context.command
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            if child is None:
                raise LookupError(f"{context.command_path} lists {name}, and has no such command")
            if not child.hidden:
                yield from _below(click.Context(child, info_name=name, parent=context))


def cli_page(command: click.Command, name: str, language: Language) -> str:
    """One page: a heading for every command, and its help."""
    parts = [INTRODUCTION[language]]
    parts += [f"## `{path}`\n\n```text\n{context.get_help()}\n```" for path, context in commands(command, name)]
    return "\n\n".join(parts) + "\n"


def _write(app: Sphinx) -> None:
    pages = {f"{language}/cli.md": cli_page(hotori, "hotori", language) for language in Language}
    write_pages(Path(app.srcdir), "", pages)


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("builder-inited", _write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
