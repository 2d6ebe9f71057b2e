"""The newest messages of the queues, as they came in: most are delivered a moment later, and need not be read again."""

from __future__ import annotations

from collections import deque

from hotori.model.message import Message

MOST_BYTES = 2 * 1024 * 1024
_OVERHEAD = 1536
"""Bytes, about, that a message takes beside its body."""


class Recent:
    """Messages by their offsets in the log; beyond a number of bytes the oldest go."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._messages: dict[int, Message] = {}
        self._offsets: deque[int] = deque()
        self._left = most_bytes

    def add(self, offset: int, message: Message | None) -> None:
        """A message that was stored; None stands for one that nobody will ask for."""
        if message is None:
            return
        self._messages[offset] = message
        self._offsets.append(offset)
        self._left -= len(message.body) + _OVERHEAD
        while self._left < 0:
            oldest = self._messages.pop(self._offsets.popleft())
            self._left += len(oldest.body) + _OVERHEAD

    def get(self, offset: int) -> Message | None:
        return self._messages.get(offset)
