"""The newest messages of the queues, as they came in: most are delivered a moment later, and need not be read again."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from hotori.model.message import Message

MOST_BYTES = 512 * 1024
_OVERHEAD = 1024
"""Bytes, about, that a message takes beside what the log keeps of it."""


class Recent:
    """Messages by their offsets in the log, in the runs in which they came in; the oldest go beyond so many bytes."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._firsts: list[int] = []
        self._runs: list[Sequence[Message | None]] = []
        self._sizes: list[int] = []
        self._left = most_bytes

    def add(self, first: int, messages: Sequence[Message | None], size: int) -> None:
        """Messages in sequence that came in together, and how many bytes the log has of them."""
        size += len(messages) * _OVERHEAD
        self._firsts.append(first)
        self._runs.append(messages)
        self._sizes.append(size)
        self._left -= size
        gone = 0
        while self._left < 0:
            self._left += self._sizes[gone]
            gone += 1
        del self._firsts[:gone], self._runs[:gone], self._sizes[:gone]

    def get(self, offset: int) -> Message | None:
        """The message at an offset, if it is here."""
        first, run = self.run_at(offset)
        return run[offset - first] if offset < first + len(run) else None

    def run_at(self, offset: int) -> tuple[int, Sequence[Message | None]]:
        """The run that an offset is in, and the first offset of it; an empty one where it is in none."""
        at = bisect_right(self._firsts, offset) - 1
        return (self._firsts[at], self._runs[at]) if at >= 0 else (offset, ())
