"""What a stream is to carry: asked for by a caller, told to the device once it has come with its ticket."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from hotori.model.json import JsonObject
from hotori.problems import Problem
from hotori.problems.service import REQUEST_MALFORMED

METHOD = "OpenStream"
"""The agent's method that asks a device to come: `{"schemaVersion": "1.0", "ticket": "…"}`."""
_MOST_BYTES = 8 * 1024
_WIDEST = 10_000


class StreamKind(StrEnum):
    LOGS = "logs"
    SHELL = "shell"


@dataclass(frozen=True, slots=True)
class StreamOrder:
    """`by` is the policy, or the portal's user, that asked. `chosen` are the filters of `GetModuleLogs`. A shell
    without a command is the standard one; it has a terminal with its size in characters and its name, or pipes."""

    kind: StreamKind
    device: str
    module: str
    by: str
    chosen: JsonObject = field(default_factory=dict)
    command: tuple[str, ...] = ()
    terminal: bool = True
    columns: int = 80
    rows: int = 24
    term: str = "xterm"

    def document(self) -> JsonObject:
        return {
            "kind": self.kind.value,
            "device": self.device,
            "module": self.module,
            "by": self.by,
            "filter": self.chosen,
            "command": list(self.command),
            "terminal": self.terminal,
            "columns": self.columns,
            "rows": self.rows,
            "term": self.term,
        }

    @classmethod
    def parse(cls, kind: StreamKind, device: str, module: str, by: str, document: JsonObject) -> StreamOrder:
        """From the body of a request. Raises `request-malformed`."""
        return cls(
            kind,
            device,
            module,
            by,
            chosen=_chosen(document.get("filter")),
            command=_command(document.get("command")),
            terminal=document.get("terminal") is not False,
            columns=_number(document, "columns", 80),
            rows=_number(document, "rows", 24),
            term=_term(document.get("term")),
        )

    @classmethod
    def read(cls, document: JsonObject) -> StreamOrder:
        """As `document` writes it. Raises `request-malformed`."""
        kind, names = document.get("kind"), [document.get(name) for name in ("device", "module", "by")]
        if kind not in tuple(StreamKind) or not all(isinstance(name, str) for name in names):
            raise _malformed("the order names no kind, device, module or caller")
        device, module, by = map(str, names)
        return cls.parse(StreamKind(str(kind)), device, module, by, document)


def _chosen(value: Any) -> JsonObject:
    if value is None:
        return {}
    if not isinstance(value, dict) or len(str(value)) > _MOST_BYTES:
        raise _malformed("filter is an object with tail, since, regex or loglevel")
    return value


def _command(value: Any) -> tuple[str, ...]:
    words = [] if value is None else value
    if not isinstance(words, list) or not all(isinstance(word, str) and "\0" not in word for word in words):
        raise _malformed("command is a list of words")
    if sum(len(word.encode(errors="replace")) for word in words) > _MOST_BYTES or (words and not words[0]):
        raise _malformed(f"command has a program first, and at most {_MOST_BYTES} bytes")
    return tuple(words)


def _number(document: JsonObject, name: str, default: int) -> int:
    value = document.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= _WIDEST:
        raise _malformed(f"{name} is a whole number from 1 to {_WIDEST}")
    return value


def _term(value: Any) -> str:
    term = "xterm" if value is None else value
    if not isinstance(term, str) or not 1 <= len(term) <= 64 or not term.isascii() or not term.isprintable():
        raise _malformed("term is a terminal's name")
    return term


def _malformed(reason: str) -> Problem:
    return Problem(REQUEST_MALFORMED, reason=reason)
