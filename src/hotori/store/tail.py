"""The newest entries of a log, in memory: most consumers want what was appended a moment ago."""

from __future__ import annotations

from collections.abc import Sequence

from hotori.store.log import Entry

_MOST_BYTES = 1024 * 1024


class Tail:
    """Consecutive entries up to the newest, dropped from the front beyond a number of bytes.

    One thread adds while another reads: an entry is looked up by its offset, and may have gone meanwhile.
    """

    def __init__(self, most_bytes: int = _MOST_BYTES) -> None:
        self._entries: dict[int, bytes] = {}
        self._first = 0
        self._bytes = 0
        self._most_bytes = most_bytes

    def add(self, first: int, entries: Sequence[bytes]) -> None:
        """Entries in sequence; `first` follows what was added before."""
        if not self._entries:
            self._first = first
        self._entries.update(enumerate(entries, first))
        self._bytes += sum(map(len, entries))
        while self._bytes > self._most_bytes and self._entries:
            self._bytes -= len(self._entries.pop(self._first))
            self._first += 1

    def get(self, offset: int) -> bytes | None:
        """The entry at an offset, if it is here."""
        return self._entries.get(offset)

    def read(self, start: int, count: int) -> list[Entry] | None:
        """`count` entries from `start` on (none where `count` is not positive); None where they are not all here."""
        entries: list[Entry] = []
        for offset in range(start, start + count):
            data = self._entries.get(offset)
            if data is None:
                return None
            entries.append(Entry(offset, data))
        return entries
