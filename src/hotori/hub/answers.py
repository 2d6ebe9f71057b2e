"""Acknowledgements that a client waits for, given in the order in which it published [MQTT-4.6.0-2]."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import TypeAlias

from hotori.hub.promise import Answer, Promise, outcome_of
from hotori.hub.room import Held
from hotori.store.batch import Batch

Give: TypeAlias = Callable[[Sequence[int], Answer], None]


class Answers:
    """`give` gets the turns that have the same outcome, together; `waiting` is how many were not given yet.

    A turn is what its owner knows the client's message by. One callback serves all that was written together: that of
    the oldest looks at those behind it.
    """

    def __init__(self, give: Give) -> None:
        self.waiting = 0
        self._give = give
        self._groups: deque[_Group] = deque()
        self._closed = False

    def add(self, turn: int, promise: Promise | None) -> None:
        """The next in order; None has nothing to wait for."""
        self.waiting += 1
        groups = self._groups
        if groups and promise is not None and groups[-1].promise is promise:
            groups[-1].add(turn)
            return
        groups.append(_Group(turn, promise))
        if len(groups) == 1:
            self._go_on()

    def close(self) -> None:
        """The client has gone. What waits for room will be sent again by it: it waits no more."""
        self._closed = True
        for group in self._groups:
            if isinstance(group.promise, Held):
                group.promise.cancel()

    def _go_on(self, _: object = None) -> None:
        groups = self._groups
        while groups and not self._closed:
            promise = groups[0].promise
            if promise is not None and not promise.done():
                promise.add_done_callback(self._go_on)
                return
            group = groups.popleft()
            self.waiting -= len(group.turns)
            self._give_group(group)

    def _give_group(self, group: _Group) -> None:
        promise, turns = group.promise, group.turns
        if promise is None:
            self._give(turns, 0)
        elif not isinstance(promise, Batch):
            self._give(turns, outcome_of(promise))
        elif promise.error is None:
            self._give(turns, promise.first)
        else:
            self._give_partly(promise.error, group.stored(promise.stored), turns)

    def _give_partly(self, error: Exception, stored: int, turns: list[int]) -> None:
        """The first so many were stored."""
        if stored:
            self._give(turns[:stored], 0)
        if stored < len(turns):
            self._give(turns[stored:], error)


class _Group:
    """Turns with one promise, and where they stand in it if it is a batch."""

    __slots__ = ("places", "promise", "turns")

    def __init__(self, turn: int, promise: Promise | None) -> None:
        self.promise = promise
        self.turns = [turn]
        self.places = [len(promise.entries)] if isinstance(promise, Batch) else []

    def add(self, turn: int) -> None:
        """One more, which came into the batch last."""
        assert isinstance(self.promise, Batch), "a future is one message's"
        self.turns.append(turn)
        self.places.append(len(self.promise.entries))

    def stored(self, count: int) -> int:
        """How many of the turns are among the first so many of the batch."""
        return sum(place <= count for place in self.places)
