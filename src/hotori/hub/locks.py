"""Receiving by polling: what is received is locked under a token until it is settled or its time is over."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from hotori.hub.courier import Terms
from hotori.hub.lane import Item
from hotori.hub.outcome import Outcome
from hotori.hub.queues import Queues
from hotori.model.message import Message


class LockLostError(Exception):
    """The token locks nothing: it was settled, or its time is over (HTTP 412, code 412002)."""


@dataclass(frozen=True, slots=True)
class Received:
    """One message with its place in the queue."""

    item: Item
    message: Message


@dataclass(frozen=True, slots=True)
class Locked:
    """What was received at once; the token settles it."""

    token: str
    received: tuple[Received, ...]


@dataclass(frozen=True, slots=True)
class _Held:
    endpoint: str
    locked: Locked
    timer: asyncio.TimerHandle


class Locks:
    """Over queues that nobody is pushed from. What is not settled in `terms.patience` seconds is ready again.

    A message that was received `terms.most_attempts` times without success goes as DeliveryCountExceeded.
    """

    def __init__(
        self, queues: Queues, terms: Terms, clock: Callable[[], float], chance: Callable[[int], bytes]
    ) -> None:
        self._queues, self._terms, self._clock, self._chance = queues, terms, clock, chance
        self._held: dict[str, _Held] = {}

    async def receive(self, endpoint: str, most: int = 1) -> Locked | None:
        """The next messages, at most so many; None where none is ready."""
        received: list[Received] = []
        while len(received) < most and (one := await self._take(endpoint)) is not None:
            received.append(one)
        if not received:
            return None
        locked = Locked(self._chance(16).hex(), tuple(received))
        timer = asyncio.get_running_loop().call_later(self._terms.patience, self._expire, locked.token)
        self._held[locked.token] = _Held(endpoint, locked, timer)
        return locked

    def complete(self, endpoint: str, token: str) -> None:
        """The receiver has it. Raises LockLostError."""
        for received in self._release(endpoint, token):
            self._queues.queue(endpoint).deliver(received.item)

    def reject(self, endpoint: str, token: str) -> None:
        """The receiver will never take it. Raises LockLostError."""
        for received in self._release(endpoint, token):
            self._queues.queue(endpoint).drop(received.item, Outcome.REJECTED)

    def abandon(self, endpoint: str, token: str) -> None:
        """The receiver gives it back. Raises LockLostError."""
        for received in self._release(endpoint, token):
            self._queues.queue(endpoint).give_back(received.item)

    def close(self) -> None:
        """Everything that is locked is ready again."""
        for token in list(self._held):
            self._expire(token)

    async def _take(self, endpoint: str) -> Received | None:
        queue = self._queues.queue(endpoint)
        while (item := queue.take(self._clock())) is not None:
            if 0 < self._terms.most_attempts < item.attempts:
                queue.drop(item, Outcome.GIVEN_UP)
                continue
            message = await self._queues.load(item)
            if message is not None:
                return Received(item, message)
            queue.drop(item)
        return None

    def _release(self, endpoint: str, token: str) -> tuple[Received, ...]:
        held = self._held.get(token)
        if held is None or held.endpoint != endpoint:
            raise LockLostError(token)
        del self._held[token]
        held.timer.cancel()
        return held.locked.received

    def _expire(self, token: str) -> None:
        held = self._held.get(token)
        if held is not None:
            self.abandon(held.endpoint, token)
