"""What clients say in one turn of the loop, entered together when the turn ends.

Two hundred devices that send a message each are one run of two hundred messages then: what has to be done once for a
run is done once for all of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TypeAlias

from hotori.hub.answers import Answers
from hotori.hub.promise import Promise
from hotori.model.message import Message
from hotori.store.batch import Batch, call_each

Enter: TypeAlias = Callable[[Sequence[Message]], Sequence[tuple[Promise, int]]]
_Part: TypeAlias = tuple[Answers, list[int]]


class Turn:
    """`enter` takes messages in their order, and answers with promises, each with how many of them it is for.

    Whoever enters a message in another way ends the turn first, so that every client's messages keep their order.
    """

    def __init__(self, enter: Enter) -> None:
        self._enter = enter
        self._messages: list[Message] = []
        self._parts: list[_Part] = []

    def add(self, messages: Sequence[Message], answers: Answers, turns: list[int]) -> None:
        """Have messages entered at the end of the turn, and their turns added to `answers`."""
        if not self._messages:
            asyncio.get_running_loop().call_soon(self.end)
        self._messages += messages
        answers.waiting += len(turns)
        self._parts.append((answers, turns))

    def end(self) -> None:
        """Enter what was added."""
        if not self._messages:
            return
        messages, parts = self._messages, self._parts
        self._messages, self._parts = [], []
        promises = self._enter(messages)
        if len(promises) == 1:
            promise = promises[0][0]
            for answers, turns in parts:
                answers.add_each(turns, promise)
            promise.add_done_callback(partial(_go_on, parts))
        else:
            _spread(parts, promises)
        if isinstance(promise := promises[-1][0], Batch):
            promise.push()


def _go_on(parts: Iterable[_Part], _: Promise) -> None:
    """What was entered together is done: all who wait may go on."""
    call_each(answers.go_on for answers, _ in parts)


def _spread(parts: Sequence[_Part], promises: Sequence[tuple[Promise, int]]) -> None:
    """Add all turns, in order, to the answers that they are of, each with its message's promise."""
    each = (promise for promise, count in promises for _ in range(count))
    for answers, turns in parts:
        for turn in turns:
            promise = next(each)
            answers.add_each([turn], promise)
            promise.add_done_callback(answers.go_on)
