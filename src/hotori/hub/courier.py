"""Carries what is queued for one client to it, a few messages unacknowledged at a time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

from hotori.hub.head import Ending, Head
from hotori.hub.lane import Item
from hotori.hub.outcome import Outcome
from hotori.hub.queue import NOTHING_URGENT, Queue
from hotori.hub.queues import Queues
from hotori.hub.session import Session
from hotori.model.message import Message

WINDOW = 10
"""Messages on their way to one client without its acknowledgement (contract 1.5)."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Terms:
    """How a group is delivered: seconds until it is sent again, and how often before it is given up (0: never)."""

    patience: float
    most_attempts: int = 0


INPUT_TERMS = Terms(patience=30.0)
DEVICE_TERMS = Terms(patience=60.0, most_attempts=10)


@dataclass(slots=True, eq=False)
class _Parcel:
    queue: Queue
    item: Item
    due: float


class Courier:
    """Between one group of queues and one connection. Order is kept for each queue, by priority, then age."""

    def __init__(
        self,
        queues: Queues,
        group: str,
        session: Session,
        head: Head,
        terms: Terms,
        clock: Callable[[], float],
        window: int = WINDOW,
    ) -> None:
        self._queues, self._group, self._session = queues, group, session
        self._head, self._terms, self._clock, self._window = head, terms, clock, window
        self._out: dict[int, _Parcel] = {}
        self._woken = asyncio.Event()
        self._forget_settled()
        self._task = asyncio.create_task(self._run(), name=f"courier {session.identity}")
        queues.listen(group, lambda _: self.wake())
        self.wake()

    def wake(self) -> None:
        """Something may have become possible: a message, a subscription, room."""
        self._woken.set()

    def acknowledge(self, packet_id: int) -> None:
        """The client has the message of this id; an id that is not out is let go."""
        parcel = self._out.pop(packet_id, None)
        if parcel is not None:
            self._session.packet_ids.pop((parcel.queue.endpoint, parcel.item.offset), None)
            parcel.queue.deliver(parcel.item)
            self.wake()

    def close(self) -> None:
        """The connection is gone: what was not acknowledged waits for the next one."""
        self._queues.listen(self._group, None)
        self._task.cancel()
        for parcel in self._out.values():
            parcel.queue.give_back(parcel.item)
        self._out.clear()

    async def _run(self) -> None:
        try:
            while True:
                await self._carry_all()
                await self._rest()
        except Exception:  # the guard of this loop
            logger.exception("Messages to %s could not be read", self._session.identity)
            self._head.end("its messages could not be read", Ending.FAULT)

    async def _rest(self) -> None:
        """Until something wakes us, or the first parcel is due to be sent again."""
        wait = min((parcel.due for parcel in self._out.values()), default=None)
        try:
            async with asyncio.timeout(None if wait is None else max(0.0, wait - self._now())):
                await self._woken.wait()
        except TimeoutError:
            self._recall()

    def _recall(self) -> None:
        """Give back what was not acknowledged in time, so that it is carried again."""
        overdue = [number for number, parcel in self._out.items() if parcel.due <= self._now()]
        for number in overdue:
            parcel = self._out.pop(number)
            parcel.queue.give_back(parcel.item)

    async def _carry_all(self) -> None:
        self._woken.clear()
        while len(self._out) < self._window and self._head.writable:
            queue = self._next_queue()
            item = queue.take(self._clock()) if queue else None
            if queue is None:
                return
            if item is not None:
                await self._carry(queue, item)

    def _next_queue(self) -> Queue | None:
        """The queue whose head is the most urgent, of those that the client has subscribed to."""
        found: Queue | None = None
        best = NOTHING_URGENT
        for queue in self._queues.group(self._group):
            urgency = queue.urgency()
            if urgency < best and self._wanted(queue):
                found, best = queue, urgency
        return found

    def _wanted(self, queue: Queue) -> bool:
        return self._head.wants(queue.endpoint) is not None

    async def _carry(self, queue: Queue, item: Item) -> None:
        if 0 < self._terms.most_attempts < item.attempts:
            logger.warning("A message to %s was given up after %d attempts", queue.endpoint, item.attempts - 1)
            queue.drop(item, Outcome.GIVEN_UP)
            return
        try:
            message = await self._queues.load(item)
        except BaseException:
            queue.give_back(item)
            raise
        if message is None:
            queue.drop(item)
        else:
            self._hand_over(queue, item, message)

    def _hand_over(self, queue: Queue, item: Item, message: Message) -> None:
        qos = self._head.wants(queue.endpoint)
        if qos is None:  # unsubscribed while the message was read
            queue.give_back(item)
        elif qos == 0:
            if self._head.deliver(queue.endpoint, message, 0, False):
                queue.deliver(item)
            else:
                queue.drop(item)
        else:
            self._send_to_be_acknowledged(queue, item, message)

    def _send_to_be_acknowledged(self, queue: Queue, item: Item, message: Message) -> None:
        packet_id = self._session.packet_id(queue.endpoint, item.offset)
        if self._head.deliver(queue.endpoint, message, packet_id, item.attempts > 1):
            self._out[packet_id] = _Parcel(queue, item, self._now() + self._terms.patience)
        else:
            self._session.packet_ids.pop((queue.endpoint, item.offset), None)
            queue.drop(item)

    def _forget_settled(self) -> None:
        """Ids of deliveries that expired while the client was away are free again."""
        known = self._session.packet_ids
        self._session.packet_ids = {
            (endpoint, offset): packet_id
            for (endpoint, offset), packet_id in known.items()
            if offset in self._queues.queue(endpoint)
        }

    def _now(self) -> float:
        return asyncio.get_running_loop().time()
