"""A wait for room in the queues that comes to an end: for clients that can be told that their message was not taken."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from hotori.hub.promise import outcome_of
from hotori.hub.room import Held, Room

_NEARLY_IN = 1.0
"""Seconds after which it is looked again, where there was room just now: the message may be on its way to the disk."""


class LimitedWait(asyncio.Future[int]):
    """As the message held, and after so many `seconds` without room `refusal()` instead."""

    def __init__(self, held: Held, room: Room, seconds: float, refusal: Callable[[], Exception]) -> None:
        super().__init__()
        self._held, self._room, self._refusal = held, room, refusal
        self._timer = self.get_loop().call_later(seconds, self._tire)
        held.add_done_callback(self._pass_on)
        self.add_done_callback(self._let_go)

    def _tire(self) -> None:
        if self.done():
            return
        if self._room.may_enter:
            self._timer = self.get_loop().call_later(_NEARLY_IN, self._tire)
        else:
            self.set_exception(self._refusal())

    def _pass_on(self, held: asyncio.Future[int]) -> None:
        if self.done():
            return
        outcome = outcome_of(held)
        if isinstance(outcome, asyncio.CancelledError):
            self.cancel()
        elif isinstance(outcome, BaseException):
            self.set_exception(outcome)
        else:
            self.set_result(outcome)

    def _let_go(self, _: asyncio.Future[int]) -> None:
        """Nobody waits any more: what is held goes."""
        self._timer.cancel()
        self._held.cancel()
