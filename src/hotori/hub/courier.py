"""Carries what is queued for one client to it, a few messages unacknowledged at a time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby, repeat
from operator import itemgetter
from typing import TypeAlias

import msgspec

from hotori.hub.head import Ending, Handover, Head
from hotori.hub.lane import Item
from hotori.hub.meters import SAMPLED
from hotori.hub.outcome import Outcome
from hotori.hub.queue import NOTHING_URGENT, Queue
from hotori.hub.queues import Queues
from hotori.hub.session import Session
from hotori.hub.window import Window
from hotori.model.message import Message

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Terms:
    """How a group is delivered: seconds until it is sent again, how often before it is given up (0: never), and how
    many may be on their way to a client that is quick.
    """

    patience: float
    most_attempts: int = 0
    most_out: int = 10


INPUT_TERMS = Terms(patience=30.0, most_out=160)
DEVICE_TERMS = Terms(patience=60.0, most_attempts=10)


class _Trip(msgspec.Struct, eq=False):
    """What was handed over together, of one queue, and when it is to be sent again (on the loop's clock)."""

    queue: Queue
    due: float


_Parcel: TypeAlias = "tuple[_Trip, Item]"
"""What is out, and with which trip it went."""


class Courier:
    """Between one group of queues and one connection. Order is kept for each queue, by priority, then age.

    `most_out` is how many the client takes without acknowledging them, whatever the terms say.

    What is not acknowledged in time goes again: in MQTT 3.1.1 under the same packet id. MQTT 5 forbids that while the
    connection lives [MQTT-4.4.0-1], so there it goes as a new packet with an id of its own and without DUP. The client
    still owes an acknowledgement for the old id, which is not used meanwhile and counts against `most_out`; whichever
    id is acknowledged first, the client has the message.
    `sent` is told, of one message in 64 or so, its endpoint and after how many seconds it was acknowledged.
    """

    __slots__ = (
        "_anew",
        "_clock",
        "_closed",
        "_group",
        "_head",
        "_late",
        "_loop",
        "_most_out",
        "_out",
        "_overdue",
        "_queues",
        "_reading",
        "_round",
        "_sent",
        "_session",
        "_terms",
        "_until_sample",
        "_window",
    )

    def __init__(
        self,
        queues: Queues,
        group: str,
        session: Session,
        head: Head,
        terms: Terms,
        clock: Callable[[], float],
        most_out: int,
        sent: Callable[[str, float], None] = lambda *_: None,
    ) -> None:
        self._queues, self._group, self._session = queues, group, session
        self._head, self._terms, self._clock = head, terms, clock
        self._window, self._most_out = Window(min(most_out, terms.most_out)), most_out
        self._sent = sent
        self._until_sample = 1
        self._loop = asyncio.get_running_loop()
        self._out: dict[int, _Parcel] = {}
        self._late: dict[int, _Parcel] = {}
        self._anew: list[_Parcel] = []
        self._round: asyncio.Handle | None = None
        self._reading: asyncio.Task[None] | None = None
        self._overdue: asyncio.TimerHandle | None = None
        self._closed = False
        self._forget_settled()
        queues.listen(group, self.wake, self._carry_now)
        self.wake()

    def wake(self, _: Queue | None = None) -> None:
        """Something may have become possible: a message, a subscription, room. It is done in one go, a little later."""
        if self._round is None and not self._closed:
            self._round = self._loop.call_soon(self._carry_all)

    def _carry_now(self, _: Queue | None = None) -> None:
        """The same without waiting, for one who is not in the middle of anything."""
        if self._round is None and not self._closed:
            self._carry_all()

    def acknowledge(self, packet_ids: Sequence[int]) -> None:
        """The client has the messages of these ids; an id that is not out is let go."""
        out, parcels = self._out, list[_Parcel]()
        for packet_id in packet_ids:
            parcel = out.pop(packet_id, None)
            if parcel is not None:
                parcels.append(parcel)
            elif self._late:
                self._acknowledge_late(packet_id)
        if not parcels:
            return
        for trip, run in groupby(parcels, itemgetter(0)):
            trip.queue.deliver_each([item for _, item in run])
        self._until_sample -= len(parcels)
        if self._until_sample <= 0:
            self._until_sample = SAMPLED
            self._sent(trip.queue.endpoint, self._taken(trip))
        if self._window.acknowledge(len(parcels)):
            self._window.judge(self._taken(trip))
        self._carry_now()

    def _acknowledge_late(self, packet_id: int) -> None:
        """The message may have gone again under another id since: then that one is owed from now on."""
        parcel = self._late.pop(packet_id, None)
        if parcel is None:
            return
        self.wake()
        trip, item = parcel
        if item.lane.has_out(item):
            for other in [other for other, (_, newer) in self._out.items() if newer is item]:
                self._late[other] = self._out.pop(other)
            trip.queue.deliver(item)

    def _taken(self, trip: _Trip) -> float:
        """Seconds since it was sent."""
        return self._loop.time() - trip.due + self._terms.patience

    def refuse(self, packet_id: int) -> None:
        """The client does not want the message of this id: it is not sent again."""
        parcel = self._out.pop(packet_id, None) or self._late.pop(packet_id, None)
        if parcel is not None and parcel[1].lane.has_out(parcel[1]):
            trip, item = parcel
            trip.queue.drop(item, Outcome.REJECTED)
        self.wake()

    def close(self) -> None:
        """The connection is gone: what was not acknowledged waits for the next one."""
        self._closed = True
        self._queues.listen(self._group, None)
        for waiting in (self._round, self._reading, self._overdue):
            if waiting is not None:
                waiting.cancel()
        for packet_id, parcel in (*self._late.items(), *self._out.items()):
            self._take_back(packet_id, parcel)
        for parcels in (self._late, self._out):
            parcels.clear()

    def _carry_all(self) -> None:
        """Whatever there is room for, up to a message that must be read from the disk first."""
        self._round = None
        if not self._head.writable:
            return
        now = self._clock()
        if self._anew:
            self._carry_anew(now)
        alone = len(self._queues.group(self._group)) == 1
        while self._reading is None and (room := self._room) > 0:
            queue = self._next_queue()
            if queue is None:
                return
            items = queue.take_run(room if alone else 1, now)
            self._carry(queue, self._without_hopeless(queue, items) if self._terms.most_attempts else items)

    @property
    def _room(self) -> int:
        """How many more may be sent now."""
        return min(self._window.room, self._most_out - len(self._late)) - len(self._out)

    def _carry_anew(self, now: float) -> None:
        """What was not acknowledged in time, as long as there is room; it was never given back."""
        waiting, self._anew = self._anew, []
        for parcel in waiting:
            queue, item = parcel[0].queue, parcel[1]
            if not item.lane.has_out(item):
                continue
            if item.expired(now):
                item.lane.expire(item)
            elif self._reading is not None or self._room <= 0 or not self._wanted(queue):
                self._anew.append(parcel)
            else:
                item.attempts += 1
                self._carry(queue, self._without_hopeless(queue, [item]) if self._terms.most_attempts else [item])

    def _without_hopeless(self, queue: Queue, items: list[Item]) -> list[Item]:
        """Give up what was sent often enough."""
        kept = []
        for item in items:
            if item.attempts <= self._terms.most_attempts:
                kept.append(item)
            else:
                logger.warning("A message to %s was given up after %d attempts", queue.endpoint, item.attempts - 1)
                queue.drop(item, Outcome.GIVEN_UP)
        return kept

    def _carry(self, queue: Queue, items: Sequence[Item]) -> None:
        messages = self._queues.recent(items)
        if len(messages) < len(items):
            waiting = items[len(messages) :]
            self._reading = asyncio.create_task(self._read(queue, waiting), name=f"courier {queue.endpoint}")
        if messages:
            self._hand_over(queue, items[: len(messages)], messages)

    async def _read(self, queue: Queue, items: Sequence[Item]) -> None:
        """Carry what is not at hand; the others wait, to keep the order."""
        try:
            messages = await self._queues.load_each(items)
        except asyncio.CancelledError:
            self._give_back(queue, items)
            raise
        except Exception:  # the guard of this task
            logger.exception("Messages to %s could not be read", self._session.identity)
            self._give_back(queue, items)
            self._head.end("its messages could not be read", Ending.FAULT)
            return
        self._reading = None
        found: list[tuple[Item, Message]] = []
        for item, message in zip(items, messages, strict=True):
            if message is None:
                queue.drop(item)
            else:
                found.append((item, message))
        if found:
            self._hand_over(queue, [item for item, _ in found], [message for _, message in found])
        self.wake()

    def _give_back(self, queue: Queue, items: Sequence[Item]) -> None:
        for item in items:
            queue.give_back(item)

    def _take_back(self, packet_id: int, parcel: _Parcel) -> None:
        """It was not acknowledged, and is to be sent again under its id."""
        trip, item = parcel
        self._session.packet_ids[trip.queue.endpoint, item.offset] = packet_id
        trip.queue.give_back(item)

    def _watch(self) -> None:
        """See to it that what was not acknowledged in time is carried again; the first out is due first."""
        self._overdue = None
        now = self._loop.time()
        while self._out:
            packet_id, parcel = next(iter(self._out.items()))
            if (due := parcel[0].due) > now:
                self._overdue = self._loop.call_at(due, self._watch)
                return
            del self._out[packet_id]
            self._window.shrink()
            if self._head.repeats:
                self._take_back(packet_id, parcel)
            else:
                self._late[packet_id] = parcel
                self._anew.append(parcel)
                self.wake()

    def _next_queue(self) -> Queue | None:
        """The queue whose head is the most urgent, of those that the client has subscribed to."""
        queues = self._queues.group(self._group)
        if len(queues) == 1:
            return queues[0] if queues[0].urgency() != NOTHING_URGENT and self._wanted(queues[0]) else None
        found: Queue | None = None
        best = NOTHING_URGENT
        for queue in queues:
            urgency = queue.urgency()
            if urgency < best and self._wanted(queue):
                found, best = queue, urgency
        return found

    def _wanted(self, queue: Queue) -> bool:
        return self._head.wants(queue.endpoint) is not None

    def _hand_over(self, queue: Queue, items: Sequence[Item], messages: Sequence[Message]) -> None:
        endpoint, out = queue.endpoint, self._out
        qos = self._head.wants(endpoint)
        if qos is None:  # unsubscribed while the messages were read
            self._give_back(queue, items)
            return
        offsets = [item.offset for item in items]
        taken = {**out, **self._late} if self._late else out
        ids = self._session.ids_for(endpoint, offsets, taken) if qos else [0] * len(items)
        again = [item.attempts > 1 for item in items]
        if self._late:  # a new packet is no duplicate [MQTT-3.3.1-1]
            late = {item for _, item in self._late.values()}
            again = [repeated and item not in late for repeated, item in zip(again, items, strict=True)]
        unsendable = self._head.deliver(endpoint, Handover(messages, ids, again))
        for place in unsendable:
            queue.drop(items[place])
        trip = _Trip(queue, self._loop.time() + self._terms.patience)
        gone = [item for place, item in enumerate(items) if place not in unsendable] if unsendable else items
        if not qos:
            queue.deliver_each(gone)
            return
        if unsendable:
            ids = [packet_id for place, packet_id in enumerate(ids) if place not in unsendable]
        out.update(zip(ids, zip(repeat(trip), gone), strict=True))
        if out and self._overdue is None:
            self._overdue = self._loop.call_at(trip.due, self._watch)

    def _forget_settled(self) -> None:
        """Ids of deliveries that expired while the client was away are free again."""
        ids = self._session.packet_ids
        for endpoint, offset in [*ids]:
            if offset not in self._queues.queue(endpoint):
                del ids[endpoint, offset]
