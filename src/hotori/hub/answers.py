"""Acknowledgements that a client waits for, given in the order in which it published [MQTT-4.6.0-2]."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from hotori.hub.promise import Answer, Promise, outcome_of
from hotori.hub.room import Held
from hotori.store.batch import Batch

Give: TypeAlias = Callable[[Sequence[int], Answer], None]


class Answers:
    """`give` gets the turns that have the same outcome, together; `waiting` is how many were not given yet, those
    included that will be added at the end of the turn.

    A turn is what its owner knows the client's message by.
    """

    __slots__ = ("_closed", "_give", "_groups", "waiting")

    def __init__(self, give: Give) -> None:
        self.waiting = 0
        self._give = give
        self._groups: list[tuple[Promise | None, list[int]]] = []  # an empty deque takes 760 bytes
        self._closed = False

    def add(self, turn: int, promise: Promise | None) -> None:
        """The next in order; None has nothing to wait for."""
        self.waiting += 1
        self.add_each([turn], promise)
        if promise is None:
            self.go_on()
        elif not self._closed and len(self._groups[-1][1]) == 1:
            promise.add_done_callback(self.go_on)

    def add_each(self, turns: list[int], promise: Promise | None) -> None:
        """The next ones in order; the list is kept.

        Who adds counts them as waiting beforehand, and says `go_on` when the promise is done.
        """
        groups = self._groups
        if self._closed:
            _let_go(promise)
        elif promise is not None and groups and groups[-1][0] is promise:
            groups[-1][1].extend(turns)
        else:
            groups.append((promise, turns))

    def close(self) -> None:
        """The client has gone. What waits for room will be sent again by it: it waits no more."""
        self._closed = True
        for promise, _ in self._groups:
            _let_go(promise)

    def go_on(self, _: object = None) -> None:
        """Give the oldest, as far as they are done."""
        groups = self._groups
        while groups and not self._closed:
            promise, turns = groups[0]
            if promise is not None and not promise.done():
                return
            del groups[0]
            self.waiting -= len(turns)
            self._give(turns, 0 if promise is None else _answer(promise))


def _answer(promise: Promise) -> Answer:
    """Where the disk took only some of a batch, none is acknowledged: its sender has to come again for the others."""
    if isinstance(promise, Batch):
        return promise.error or promise.first
    return outcome_of(promise)


def _let_go(promise: Promise | None) -> None:
    """Nobody waits for it any more."""
    if isinstance(promise, Held):
        promise.cancel()
