"""How much a client may say: messages and bytes a second, for each identity, over all its connections.

A core: it has no clock. It refuses nothing itself: who says more is not read from for a while, so that nothing that
was said is lost, and nothing that others say has to wait.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hotori.model.identity import Identity

BURST_SECONDS = 2.0
"""So much of a rate may be said at once."""
LONGEST_REST = 5.0
"""Seconds after which a client is read from again in any case: it has a keep-alive to keep."""
_MOST_REMEMBERED = 4096
_NOTHING = 1e-6


@dataclass(frozen=True, slots=True)
class ClientRates:
    """What each identity may say in a second; 0 is as much as it likes."""

    messages: float = 0.0
    bytes: float = 0.0

    @property
    def limited(self) -> bool:
        return self.messages > 0 or self.bytes > 0

    def seconds(self, size: int) -> float:
        """How long a message of so many bytes takes at these rates."""
        by_count = 1.0 / self.messages if self.messages > 0 else 0.0
        by_size = size / self.bytes if self.bytes > 0 else 0.0
        return max(by_count, by_size)


class Rates:
    """A bucket for each identity that says something. `bites` is told of one that has to rest, each time."""

    def __init__(self, limits: ClientRates, bites: Callable[[Identity], None] = lambda _: None) -> None:
        self._bites = bites
        self._done: dict[Identity, float] = {}
        """When all that was said would be said, at the rate allowed: this stands for the level of the bucket."""
        self._limits = limits
        self.limited = limits.limited

    @property
    def limits(self) -> ClientRates:
        return self._limits

    @limits.setter
    def limits(self, limits: ClientRates) -> None:
        """In force from the next message on; what was said before is forgiven."""
        if limits != self._limits:
            self._limits, self.limited = limits, limits.limited
            self._done.clear()

    def spend(self, identity: Identity, size: int, now: float) -> None:
        """A message came, whatever the rates say."""
        if len(self._done) >= _MOST_REMEMBERED and identity not in self._done:
            self._done = {each: done for each, done in self._done.items() if done > now}
        self._done[identity] = max(self._done.get(identity, now), now) + self._limits.seconds(size)

    def rest(self, identity: Identity, now: float) -> float:
        """Seconds for which nothing more should be taken from the identity; 0 where it keeps to its rates."""
        left = self.excess(identity, now)
        if not left:
            return 0.0
        self._bites(identity)
        return min(left, LONGEST_REST)

    def excess(self, identity: Identity, now: float) -> float:
        """Seconds after which the identity keeps to its rates if it says nothing; 0 where it does."""
        left = self._done.get(identity, now) - now - BURST_SECONDS
        return left if self.limited and left > _NOTHING else 0.0
