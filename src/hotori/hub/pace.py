"""How fast what waited is caught up with. A core: it has no clock and does not sleep."""

from __future__ import annotations


class Pace:
    """At most `rate` turns a second, given in the order in which they are asked for.

    Everyone who asks for one turn at a time gets as many as everyone else.
    """

    def __init__(self, rate: float) -> None:
        self._gap = 1.0 / rate
        self._next = 0.0

    def turn(self, now: float) -> float:
        """Seconds until the caller's turn comes, which is taken with that."""
        at = max(self._next, now)
        self._next = at + self._gap
        return at - now
