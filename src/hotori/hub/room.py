"""Whether there is room in the queues' log, who waits for it, and what there is to say of that."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence

from hotori.hub.envelope import Delivery
from hotori.hub.forecast import Forecast, spoken
from hotori.hub.store_limits import StoreLimits
from hotori.model.message import Message
from hotori.problems import Problem
from hotori.problems.storage import DISK_FULL, QUEUES_BLOCKED, QUEUES_FILLING, QUEUES_FULL

MOST_HELD = 16 * 1024**2
"""Bytes of messages that may wait in memory; beyond them their senders are not read from."""
LEAST_DISK = 64 * 1024
"""Bytes that the disk must have before it is tried again."""
_SOON = 24 * 3600.0
_HALF, _NEARLY = 0.5, 0.9


class Held(asyncio.Future[int]):
    """A message that waits for room, and the future that its sender looks at. Cancelled where the sender has gone."""

    def __init__(self, data: bytes, message: Message, deliveries: tuple[Delivery, ...]) -> None:
        super().__init__()
        self.data, self.message, self.deliveries = data, message, deliveries


class Room:
    """`left` are the bytes that may still be taken; where it is not positive, messages are held."""

    def __init__(self, limits: StoreLimits) -> None:
        self.limits = limits
        self.left = limits.capacity
        self.wanted = asyncio.Event()
        """Set when the first message has to wait."""
        self._forecast = Forecast()
        self._held: OrderedDict[Held, None] = OrderedDict()
        self._held_bytes = 0
        self.pressed = False
        """Whether so much is held that no more should be read."""
        self._dropped = 0
        self._refusal: Problem | None = None
        self._reachable = limits.capacity
        self._size = self._disk = 0

    @property
    def full(self) -> bool:
        return self._size >= self.limits.capacity

    @property
    def may_enter(self) -> bool:
        """Whether those who wait may try."""
        return not self.full and (self._refusal is None or self._disk >= LEAST_DISK)

    def hold(self, data: bytes, message: Message, deliveries: tuple[Delivery, ...]) -> Held:
        """Keep a message until there is room."""
        held = Held(data, message, deliveries)
        self._held[held] = None
        held.add_done_callback(self._gone)
        self._count(len(data))
        if len(self._held) == 1:
            self.wanted.set()
        return held

    def next_held(self, most: int) -> list[Held]:
        """The oldest that wait, without those whose senders have gone; they are let in or held again."""
        found: list[Held] = []
        while self._held and len(found) < most:
            held, _ = self._held.popitem(last=False)
            self._count(-len(held.data))
            if not held.cancelled():
                found.append(held)
        return found

    def hold_again(self, held: Sequence[Held]) -> None:
        """There was no room for these after all."""
        for each in reversed(held):
            if not each.done():
                self._held[each] = None
                self._held.move_to_end(each, last=False)
                self._count(len(each.data))

    def _gone(self, held: asyncio.Future[int]) -> None:
        """Its sender waits no more, so that it takes no memory any more."""
        if isinstance(held, Held) and held in self._held:
            del self._held[held]
            self._count(-len(held.data))

    def _count(self, size: int) -> None:
        self._held_bytes += size
        self.pressed = self._held_bytes > MOST_HELD

    def refused(self, problem: BaseException) -> None:
        """The disk took no more: everything is held until it does."""
        if isinstance(problem, Problem) and problem.kind is DISK_FULL:
            self.left, self._refusal = 0, problem

    def measure(self, size: int, disk: int, now: float) -> None:
        """So many bytes are taken, and the disk has so many more."""
        self._size, self._disk = size, disk
        self._reachable = min(self.limits.capacity, size + disk)
        self._forecast.note(now, size)

    def reopen(self) -> None:
        """If nobody waits, what comes goes straight on, as far as there is room."""
        if self._held or not self.may_enter:
            return
        self._refusal = None
        self._dropped = 0
        self.left = self.limits.capacity - self._size

    def close(self) -> None:
        """Nobody is let in any more."""
        for held in [*self._held]:
            held.cancel()
        self._held.clear()

    def dropped(self, count: int) -> Problem:
        """So many were dropped by policy; the problem that says how many since it is full."""
        self._dropped += count
        return Problem(QUEUES_FULL, dropped=self._dropped, capacity=self.limits.capacity)

    @property
    def full_in(self) -> float | None:
        """Seconds until it is full at the rate of the last minutes; None where it does not grow."""
        return self._forecast.seconds_left(self._reachable)

    @property
    def problems(self) -> list[Problem]:
        """What is to be said now: full, or soon to be."""
        found = [self._refusal] if self._refusal else []
        if self._dropped:
            found.append(Problem(QUEUES_FULL, dropped=self._dropped, capacity=self.limits.capacity))
        if self._held:
            found.append(Problem(QUEUES_BLOCKED, count=len(self._held), capacity=self.limits.capacity))
        left = self.full_in
        share = self._size / max(self._reachable, 1)
        if not found and left is not None and (share >= _NEARLY or (share >= _HALF and left < _SOON)):
            percent = round(100 * share)
            found.append(Problem(QUEUES_FILLING, percent=percent, capacity=self._reachable, left=spoken(left)))
        return found
