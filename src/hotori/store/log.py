"""The port for what streams by: append-only, read from a cursor, trimmed from the front."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from hotori.problems import Problem
from hotori.store.batch import Batch


@dataclass(frozen=True, slots=True)
class Entry:
    """One record of a log. `offset` grows by one an entry and is never used again."""

    offset: int
    data: bytes


class Log(Protocol):
    """A durable sequence of byte records.

    `append` returns once the entry is on disk (many waiting appends share one flush); entries keep the order
    of the calls. After a crash at any moment every appended entry is there and a torn tail is not. Where the disk
    has lost some, the others are served, and `problems` says which are missing.
    """

    @property
    def first(self) -> int:
        """The offset of the oldest entry that is kept (equal to `next` when empty)."""
        ...

    @property
    def next(self) -> int:
        """The offset that the next entry will get."""
        ...

    @property
    def size(self) -> int:
        """Bytes that the entries take where they are kept."""
        ...

    @property
    def problems(self) -> Sequence[Problem]:
        """What was found wrong with it since it was opened: entries that are lost, an end that a crash tore."""
        ...

    def enter(self, entries: Sequence[bytes]) -> Batch:
        """Begin to append, with what else comes in this turn of the loop: these are the last ones of the batch now.

        For those who have many in flight.
        """
        ...

    def submit(self, data: bytes) -> asyncio.Future[int]:
        """Begin to append; the future is the entry's offset, once it is durable."""
        ...

    async def append(self, data: bytes) -> int:
        """Store durably; the entry's offset. Raises the problems `disk-full` and `disk-failed`, then keeps nothing."""
        ...

    async def read(self, start: int, limit: int) -> Sequence[Entry]:
        """Up to `limit` durable entries from `start` on; fewer at the end. Offsets below `first` are skipped."""
        ...

    def recent(self, offset: int) -> bytes | None:
        """The durable entry at an offset, where it is at hand without waiting; `read` finds the others."""
        ...

    async def trim(self, before: int, keep: Sequence[int] = ()) -> None:
        """Let go of entries below `before` (whole segments, so some may stay).

        With `keep`, of all below `before` but these offsets, given in order (more may stay).
        """
        ...

    @property
    def room(self) -> int:
        """Bytes that the place where it is kept has for more."""
        ...

    async def close(self) -> None: ...
