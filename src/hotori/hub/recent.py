"""The newest messages of the queues, as they came in: most are delivered a moment later, and need not be read again."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

from hotori.model.message import Message

MOST_BYTES = 512 * 1024
_OVERHEAD = 1024
"""Bytes, about, that a message takes beside what the log keeps of it."""


class Recent:
    """Messages by their offsets in the log. Beyond a number of bytes the oldest go, as many as came in together."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._messages: dict[int, Message | None] = {}
        self._arrivals: deque[tuple[range, int]] = deque()
        self._left = most_bytes
        self.get: Callable[[int], Message | None] = self._messages.get

    def add(self, first: int, messages: Sequence[Message | None], size: int) -> None:
        """Messages in sequence that came in together, and how many bytes the log has of them."""
        offsets, size = range(first, first + len(messages)), size + len(messages) * _OVERHEAD
        self._messages.update(zip(offsets, messages, strict=True))
        self._arrivals.append((offsets, size))
        self._left -= size
        while self._left < 0:
            gone, size = self._arrivals.popleft()
            self._left += size
            for offset in gone:
                del self._messages[offset]
