"""A terminal in a module: a power that a runtime may have beside the port's verbs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class Shell(Protocol):
    """A program that runs in a module, on a terminal of its own."""

    async def read(self) -> bytes:
        """What it writes next; empty at its end."""
        ...

    async def write(self, text: bytes) -> None: ...

    async def resize(self, columns: int, rows: int) -> None: ...

    async def close(self) -> None:
        """End the connection; the program is told that its terminal has gone."""
        ...


class ShellOpener(Protocol):
    """A runtime into whose modules one may look."""

    async def shell(self, module: str, command: Sequence[str], columns: int = 80, rows: int = 24) -> Shell:
        """Start the program in a module that runs. Raises `module-unknown`, and what keeps it from starting."""
        ...
