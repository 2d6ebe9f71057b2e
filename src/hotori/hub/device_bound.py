"""Messages from the cloud to devices: queued durably, one queue for each device, with feedback on what became of
them (contract 1.5, 1.9, 1.11, 2.8)."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from msgspec.structs import replace

from hotori.hub.courier import DEVICE_TERMS, Terms
from hotori.hub.delivery_counts import DeliveryCounts
from hotori.hub.directory import Directory
from hotori.hub.envelope import Delivery
from hotori.hub.lane import Item
from hotori.hub.locks import Locks
from hotori.hub.moment import written_time
from hotori.hub.outcome import Outcome
from hotori.hub.promise import Answer, as_future, when_settled
from hotori.hub.queue import Queue
from hotori.hub.queues import Queues, device_endpoint
from hotori.hub.service_bound import ServiceBound, ServiceQueue
from hotori.model.identity import Identity
from hotori.model.json import JsonObject
from hotori.model.message import Message
from hotori.store.records import Records

ACK = "iothub-ack"
"""The application property by which a message asks for feedback (contract 1.6)."""
ACKS = ("none", "positive", "negative", "full")
MOST_WAITING = 50
"""Messages that may wait for one device (contract 1.9)."""
TIME_TO_LIVE = 3600.0
"""Seconds that a message waits for a device, unless its sender says otherwise."""
_GOOD, _BAD = ("positive", "full"), ("negative", "full")


class DeviceQueueFullError(Exception):
    """A device has as many messages waiting as it may have (HTTP 403, code 403004)."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a waiting message wants to be told of."""

    ack: str
    message_id: str
    generation: str
    expires: float


class DeviceBound:
    """`start` once the queues have; devices receive through a courier, or by polling through `locks`.

    With `service_bound`, senders that ask for it get feedback: a cloud's hub has it, an edge's has not.
    """

    def __init__(
        self,
        queues: Queues,
        records: Records,
        directory: Directory,
        clock: Callable[[], float],
        chance: Callable[[int], bytes],
        service_bound: ServiceBound | None = None,
        terms: Terms = DEVICE_TERMS,
    ) -> None:
        self.terms = terms
        self.locks = Locks(queues, terms, clock, chance)
        self._queues, self._directory, self._clock = queues, directory, clock
        self._service_bound = service_bound
        self._counts = DeliveryCounts(queues, records)
        self._asked: dict[tuple[str, int], _Asked] = {}

    async def start(self) -> None:
        """Find what waits: how often it was delivered before the hub was started again, and whether it asked for
        feedback."""
        waiting = [
            endpoint
            for endpoint, counters in self._queues.counters().items()
            if counters.pending and endpoint.startswith(device_endpoint(""))
        ]
        for endpoint in waiting if self._service_bound is not None else ():
            await self._remember(self._queues.queue(endpoint))
        await self._counts.start(waiting)

    async def close(self) -> None:
        self.locks.close()
        await self._counts.close()

    async def send(self, device: str, message: Message, time_to_live: float | None = None) -> None:
        """Queue a message; durable when this returns. Seconds to live; None is an hour. Raises DeviceQueueFullError."""
        endpoint, now = device_endpoint(device), self._clock()
        queue = self._queues.queue(endpoint)
        queue.sweep(now)
        if len(queue) >= MOST_WAITING:
            raise DeviceQueueFullError(f"{MOST_WAITING} messages wait for {device}")
        expires = now + (TIME_TO_LIVE if time_to_live is None else time_to_live)
        asked = await self._asks(device, message, expires)
        addressed = _addressed(device, message, now, None if time_to_live is None else expires)
        self._counts.watch(endpoint)
        promise = self._queues.enter(addressed, (Delivery(endpoint, 0, expires),))
        if asked is not None:
            queue.settled = self._settled
            when_settled(promise, partial(self._stored, endpoint, asked))
        await as_future(promise)

    def purge(self, device: str) -> int:
        """Let go of what waits for a device, but for what is just being handed over; how many messages."""
        return self._queues.queue(device_endpoint(device)).drop_below(sys.maxsize)

    def settle(self) -> None:
        """Tell of what went without a receiver, because it expired or was purged, if feedback was asked for."""
        now = self._clock()
        for endpoint in {endpoint for endpoint, _ in self._asked}:
            self._queues.queue(endpoint).sweep(now)
        for (endpoint, offset), asked in list(self._asked.items()):
            if offset not in self._queues.queue(endpoint):
                self._tell(endpoint, offset, Outcome.EXPIRED if asked.expires <= now else Outcome.PURGED)

    async def _asks(self, device: str, message: Message, expires: float) -> _Asked | None:
        ack = message.properties.get(ACK, "").lower()
        if self._service_bound is None or ack not in ACKS[1:]:
            return None
        registration = await self._directory.find(Identity(device))
        generation = registration.generation if registration else ""
        return _Asked(ack, message.message_id or "", generation, expires)

    async def _remember(self, queue: Queue) -> None:
        """Look through what waits: each is taken, and given back."""
        items: list[Item] = []
        while (item := queue.take(0.0)) is not None:
            items.append(item)
        for item in items:
            message = await self._queues.load(item)
            asked = await self._asks(_device_of(queue.endpoint), message, item.expires) if message else None
            if asked is not None:
                queue.settled = self._settled
                self._asked[queue.endpoint, item.offset] = asked
            item.attempts = 0
            queue.give_back(item)

    def _stored(self, endpoint: str, asked: _Asked, answer: Answer) -> None:
        if isinstance(answer, int):
            self._asked[endpoint, answer] = asked

    def _settled(self, queue: Queue, item: Item, outcome: Outcome) -> None:
        self._tell(queue.endpoint, item.offset, outcome)

    def _tell(self, endpoint: str, offset: int, outcome: Outcome) -> None:
        asked = self._asked.pop((endpoint, offset), None)
        wanted = _GOOD if outcome is Outcome.DELIVERED else _BAD
        if asked is None or asked.ack not in wanted or self._service_bound is None:
            return
        record: JsonObject = {
            "originalMessageId": asked.message_id,
            "enqueuedTimeUtc": written_time(self._clock()),
            "statusCode": outcome.value,
            "description": outcome.value,
            "deviceId": _device_of(endpoint),
            "deviceGenerationId": asked.generation,
        }
        self._service_bound.tell(ServiceQueue.FEEDBACK, record)


def _device_of(endpoint: str) -> str:
    return endpoint.removeprefix(device_endpoint(""))


def _addressed(device: str, message: Message, now: float, expires: float | None) -> Message:
    """With the members that are the hub's to write; the expiry is told where its sender gave one."""
    system = {**message.system, "to": f"/devices/{device}/messages/deviceBound"}
    if expires is not None:
        system["exp"] = written_time(expires)
    return replace(message, system=system, enqueued_at=now)
