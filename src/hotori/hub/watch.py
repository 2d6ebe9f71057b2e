"""Looks at every connection now and then: a timer each would take as much memory as what is kept of their clients."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Protocol

PERIOD = 0.5
"""Seconds between looks."""
_AT_A_TIME = 2000
"""So many connections are looked at then, which takes half a millisecond; where there are more, the others wait."""


class Watched(Protocol):
    """A connection that ends when its time has come."""

    def look(self, now: float, clock: float) -> bool:
        """End, where it is time: `now` is on the loop's clock, `clock` in Unix seconds. Whether it is to be looked at
        again.
        """
        ...


class Watch:
    """Has a timer while there is something to look at. `clock` gives Unix seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._watched: deque[Watched] = deque()

    def add(self, connection: Watched) -> None:
        if not self._watched:
            self._set_timer()
        self._watched.append(connection)

    def _set_timer(self) -> None:
        asyncio.get_running_loop().call_later(PERIOD, self._look)

    def _look(self) -> None:
        now, clock, watched = asyncio.get_running_loop().time(), self._clock(), self._watched
        for _ in range(min(len(watched), _AT_A_TIME)):
            connection = watched.popleft()
            if connection.look(now, clock):
                watched.append(connection)
        if watched:
            self._set_timer()
