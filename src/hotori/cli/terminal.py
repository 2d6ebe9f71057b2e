"""What the command line writes: results for people or scripts on standard output, problems on standard error."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO

from hotori.model.json import Json
from hotori.problems import Language, Problem, Severity, Words

if TYPE_CHECKING:
    from rich.console import Console

# rich is 3 MB; a device's program says two lines in its life, and neither has colours. So it is loaded for what has.

_LABELS = {
    "cause": Words("cause", "原因"),
    "remedy": Words("remedy", "対処"),
    "seen": Words("seen", "証拠"),
}


def language_of(environment: Mapping[str, str]) -> Language:
    """The reader's language by locale: HOTORI_LANG, then LC_ALL, LC_MESSAGES, LANG, as gettext does."""
    for name in ("HOTORI_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        if value := environment.get(name):
            return Language.JA if value.lower().startswith("ja") else Language.EN
    return Language.EN


@dataclass(frozen=True, slots=True)
class Terminal:
    """How this person or script wants to be answered."""

    language: Language
    as_json: bool

    @classmethod
    def open(cls, language: Language | None, as_json: bool) -> Terminal:
        return cls(language or language_of(os.environ), as_json)

    @property
    def out(self) -> Console:
        """Standard output, with colours where it can show them."""
        return _console(sys.stdout)

    @property
    def err(self) -> Console:
        """Standard error, likewise."""
        return _console(sys.stderr)

    def say(self, words: Words, **values: object) -> str:
        """The words in the reader's language."""
        return words.in_language(self.language).format_map({name: str(value) for name, value in values.items()})

    def note(self, words: Words, **values: object) -> None:
        """Tell a person what goes on; a script that reads JSON is not told."""
        if not self.as_json:
            _write(sys.stderr, self.say(words, **values))

    def result(self, value: Json, words: Words | None = None, **values: object) -> None:
        """One outcome: the value as JSON, or the words."""
        if self.as_json or words is None:
            self.json(value)
        else:
            _write(sys.stdout, self.say(words, **values))

    def json(self, value: Json) -> None:
        """One JSON value on a line of its own."""
        _write(sys.stdout, json.dumps(value, ensure_ascii=False))

    def rows(self, columns: Mapping[str, Words], rows: Sequence[Mapping[str, Json]]) -> None:
        """A list: a JSON array of all that is known, or a table of the named columns."""
        if self.as_json:
            self.json([dict(row) for row in rows])
            return
        from rich.markup import escape
        from rich.table import Table

        table = Table(box=None, pad_edge=False, header_style="bold")
        for words in columns.values():
            table.add_column(self.say(words))
        for row in rows:
            table.add_row(*(escape(_cell(row.get(name))) for name in columns))
        self.out.print(table)

    def problem(self, problem: Problem) -> None:
        """What went wrong, why, and what to do."""
        if self.as_json:
            sys.stderr.write(json.dumps({"problem": problem.document()}, ensure_ascii=False) + "\n")
            return
        from rich.markup import escape

        colour = "red" if problem.severity is Severity.ERROR else "yellow"
        self.err.print(f"[bold {colour}]{escape(problem.title(self.language))}[/] [dim]({problem.code})[/]")
        self._labelled("cause", [problem.cause(self.language)])
        self._labelled("remedy", [problem.remedy(self.language), *(f"$ {line}" for line in problem.commands())])
        self._labelled("seen", problem.evidence)

    def _labelled(self, label: str, lines: Iterable[str]) -> None:
        from rich.cells import cell_len, set_cell_size
        from rich.markup import escape

        width = max(cell_len(self.say(words)) for words in _LABELS.values())
        head = self.say(_LABELS[label])
        for line in lines:
            self.err.print(f"  [bold]{escape(set_cell_size(head, width))}[/]  {escape(line)}")
            head = ""


def _console(file: TextIO) -> Console:
    from rich.console import Console

    return Console(file=file, soft_wrap=True, highlight=False)


def _write(file: TextIO, line: str) -> None:
    file.write(f"{line}\n")
    file.flush()


def _cell(value: Json) -> str:
    if value is None:
        return "-"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
