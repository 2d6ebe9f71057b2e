"""How many messages may be on their way to one client without its acknowledgement.

Few at first, as much as the contract promises to a client of which nothing is known (1.5). One that acknowledges all of
them promptly gets twice as many, since what can be carried in one go costs much less; one that lets a message lie
begins anew.
"""

from __future__ import annotations

LEAST = 10
PROMPT = 0.2
"""Seconds from the sending of a message to its acknowledgement that are prompt."""


class Window:
    """`room` messages may be out. It grows up to `most`, which is never less than 1."""

    __slots__ = ("_acknowledged", "_least", "_most", "room")

    def __init__(self, most: int) -> None:
        self._most = most
        self._least = self.room = min(LEAST, most)
        self._acknowledged = 0

    def acknowledge(self, count: int = 1) -> bool:
        """So many were acknowledged; whether `judge` is to be told how long the last of them took."""
        self._acknowledged += count
        return self._acknowledged >= self.room

    def judge(self, seconds: float) -> None:
        """A whole window was acknowledged, the last of it after so long."""
        self._acknowledged = 0
        self.room = min(2 * self.room, self._most) if seconds <= PROMPT else self._least

    def shrink(self) -> None:
        """Something was not acknowledged in time."""
        self._acknowledged, self.room = 0, self._least
