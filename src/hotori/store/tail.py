"""The newest entries of a log, in memory: most consumers want what was appended a moment ago."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import TypeAlias

from hotori.store.log import Entry

_MOST_BYTES = 1024 * 1024
_Run: TypeAlias = tuple[int, Sequence[bytes]]
"""The offset of the first entry, and the entries that were added together."""


class Tail:
    """Consecutive entries up to the newest, in runs, the oldest of which go beyond a number of bytes.

    One thread adds while another reads: what is found is looked at before it is believed, and may have gone meanwhile.
    """

    def __init__(self, most_bytes: int = _MOST_BYTES) -> None:
        self._firsts: list[int] = []
        self._runs: list[_Run] = []
        self._bytes = 0
        self._most_bytes = most_bytes

    def add(self, first: int, entries: Sequence[bytes]) -> None:
        """Entries in sequence; `first` follows what was added before."""
        self._runs.append((first, entries))
        self._firsts.append(first)
        self._bytes += sum(map(len, entries))
        gone = 0
        while self._bytes > self._most_bytes:
            self._bytes -= sum(map(len, self._runs[gone][1]))
            gone += 1
        if gone:
            del self._firsts[:gone], self._runs[:gone]

    def get(self, offset: int) -> bytes | None:
        """The entry at an offset, if it is here."""
        run = self._from(offset, 1)
        return run[0] if run else None

    def read(self, start: int, count: int) -> list[Entry] | None:
        """`count` entries from `start` on (none where `count` is not positive); None where they are not all here."""
        entries: list[Entry] = []
        while count > 0:
            run = self._from(start, count)
            if not run:
                return None
            entries += map(Entry, range(start, start + len(run)), run)
            start, count = start + len(run), count - len(run)
        return entries

    def _from(self, offset: int, most: int) -> Sequence[bytes]:
        """Up to so many entries of one run, the first of which has this offset; none where it is not here."""
        at = bisect_right(self._firsts, offset) - 1
        try:
            first, entries = self._runs[at]
        except IndexError:
            return ()
        return entries[offset - first : offset - first + most] if first <= offset else ()
