"""A program that somebody runs beside a module's own: a power that a runtime may have beside the port's verbs."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

STANDARD_SHELL = ("/bin/sh", "-c", "if command -v bash >/dev/null 2>&1; then exec bash; else exec /bin/sh; fi")
"""What is run where nobody names a program."""


class Channel(IntEnum):
    """Where a program wrote; a terminal has one for both."""

    OUTPUT = 1
    ERRORS = 2


@dataclass(frozen=True, slots=True)
class ShellRequest:
    """What to run, and whether on a terminal of its own, with its size in characters and its name (`TERM`).

    Without a terminal the program has three pipes: its input can end, and its two outputs stay apart.
    """

    command: tuple[str, ...] = STANDARD_SHELL
    terminal: bool = True
    columns: int = 80
    rows: int = 24
    term: str = "xterm"


class Shell(Protocol):
    """A program that runs in a module. Its words wait where nobody reads them: then it waits, too."""

    async def read(self) -> tuple[Channel, bytes]:
        """What it writes next; no bytes at its end."""
        ...

    async def write(self, text: bytes) -> None:
        """Return when the program, or its terminal, has room for more. What has ended takes nothing."""
        ...

    async def write_end(self) -> None:
        """No more input comes. A terminal is told by the character that means it."""
        ...

    async def resize(self, columns: int, rows: int) -> None: ...

    async def wait(self) -> int:
        """The exit status, as a shell shows it, once all was read."""
        ...

    async def close(self) -> None:
        """End the program, where it still runs, with all that it started in its session."""
        ...


class ShellOpener(Protocol):
    """A runtime into whose modules one may look."""

    async def shell(self, module: str, request: ShellRequest) -> Shell:
        """Start the program in a module that runs. Raises `module-unknown`, `module-not-running`,
        `shell-program-missing`, and what else keeps it from starting."""
        ...
