"""The durable queues of a hub: every message is appended to one log once, with all the endpoints it goes to.

Endpoints are named by texts. What stands before the first slash is the group, the party that takes from it:

* `upstream/{identity}`: to the hub above, one queue for each sender, so that order is the sender's;
* `module:{m}/{input}`: to an input of a module on this device;
* `c2d:{d}`: from the cloud to a device.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

import msgspec

from hotori.hub.envelope import Delivery, decode_envelope, encode_envelope
from hotori.hub.queue import Counters, Cursor, Item, Logged, Queue
from hotori.model.identity import Identity
from hotori.model.message import Message
from hotori.problems import Problem
from hotori.problems.storage import QUEUES_FULL
from hotori.store.log import Log
from hotori.store.records import Record, Records

COLLECTION = "cursors"
CHECKPOINT_SECONDS = 1.0
SWEEP_SECONDS = 1800.0
_REPLAY_BATCH = 512
CAPACITY_BYTES = 4 * 1024**3

logger = logging.getLogger(__name__)


def upstream_endpoint(sender: Identity) -> str:
    """The queue of what one identity sends to the hub above."""
    return f"upstream/{sender}"


def input_endpoint(module: str, name: str) -> str:
    """The queue of one input of a module."""
    return f"module:{module}/{name}"


def device_endpoint(device: str) -> str:
    """The queue of what the cloud sends to a device."""
    return f"c2d:{device}"


def module_group(module: str) -> str:
    """The queues of all inputs of a module."""
    return f"module:{module}"


def group_of(endpoint: str) -> str:
    return endpoint.partition("/")[0]


class Queues:
    """All queues over one log and their cursors in records. `start` before use; `close` keeps the cursors exact.

    Beyond `capacity` bytes on disk the oldest messages are dropped, and counted so. After a crash, what was
    delivered since the last checkpoint is delivered again; nothing is lost.
    """

    def __init__(
        self, log: Log, records: Records, clock: Callable[[], float] = time.time, *, capacity: int = CAPACITY_BYTES
    ) -> None:
        self._log = log
        self._records = records
        self._clock = clock
        self._capacity = capacity
        self._queues: dict[str, Queue] = {}
        self._groups: dict[str, list[Queue]] = {}
        self._listeners: dict[str, Callable[[Queue], None]] = {}
        self._indexed = 0
        self._keeper: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Read the cursors, and the log into the queues."""
        cursors = {record.key: _decode(record.value) for record in await self._saved()}
        entries = await self._replay()
        for endpoint in cursors.keys() | entries.keys():
            cursor = _fitting(cursors.get(endpoint, Cursor()), self._log.next)
            self.queue(endpoint).restore(cursor, entries.get(endpoint, ()))
        self._keeper = asyncio.create_task(self._keep(), name="queue keeper")

    async def close(self) -> None:
        """Save the cursors and close the log."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
            await self._checkpoint()
        await self._log.close()

    def submit(self, message: Message, deliveries: tuple[Delivery, ...]) -> asyncio.Future[int]:
        """Begin to append; when the future is done, the message is durable and in its queues."""
        appended = self._log.submit(encode_envelope(message, deliveries))
        if appended.done():
            self._index(deliveries, appended)
        else:
            appended.add_done_callback(partial(self._index, deliveries))
        return appended

    def queue(self, endpoint: str) -> Queue:
        """The endpoint's queue, which begins to be when it is first asked for."""
        queue = self._queues.get(endpoint)
        if queue is None:
            group = group_of(endpoint)
            queue = self._queues[endpoint] = Queue(endpoint, wake=self._listeners.get(group))
            self._groups.setdefault(group, []).append(queue)
        return queue

    def group(self, name: str) -> Sequence[Queue]:
        """The queues whose endpoints begin so."""
        return tuple(self._groups.get(name, ()))

    def listen(self, group: str, wake: Callable[[Queue], None] | None) -> None:
        """Have `wake` called with a queue of the group when something becomes ready there; None ends that."""
        if wake is None:
            self._listeners.pop(group, None)
        else:
            self._listeners[group] = wake
        for queue in self.group(group):
            queue.wake = wake

    async def load(self, item: Item) -> Message | None:
        """The item's message; None where the disk has lost it."""
        entries = await self._log.read(item.offset, 1)
        if not entries or entries[0].offset != item.offset:
            return None
        return decode_envelope(entries[0].data)[0]

    async def forget(self, endpoint: str) -> None:
        """Let go of what is pending for an endpoint that is no more, and begin its accounts anew."""
        self.queue(endpoint).begin_anew(self._indexed)
        await self._records.put(COLLECTION, endpoint, msgspec.msgpack.encode(self.queue(endpoint).cursor()))

    def counters(self) -> Mapping[str, Counters]:
        """The accounts of every endpoint."""
        return {endpoint: queue.counters for endpoint, queue in self._queues.items()}

    def total(self, group: str) -> Counters:
        """The accounts of a group together."""
        return sum((queue.counters for queue in self.group(group)), Counters())

    def _index(self, deliveries: tuple[Delivery, ...], appended: asyncio.Future[int]) -> None:
        if appended.cancelled() or appended.exception() is not None:
            return
        offset = appended.result()
        self._indexed = offset + 1
        for delivery in deliveries:
            self.queue(delivery.endpoint).add(Logged(offset, delivery.priority, delivery.expires))

    async def _saved(self) -> list[Record]:
        saved = batch = await self._records.list(COLLECTION)
        while batch:
            batch = await self._records.list(COLLECTION, after=batch[-1].key)
            saved = saved + batch
        return saved

    async def _replay(self) -> dict[str, list[Logged]]:
        """What the log still holds, by endpoint."""
        found: dict[str, list[Logged]] = {}
        offset = self._log.first
        while batch := await self._log.read(offset, _REPLAY_BATCH):
            for entry in batch:
                for delivery in decode_envelope(entry.data)[1]:
                    logged = Logged(entry.offset, delivery.priority, delivery.expires)
                    found.setdefault(delivery.endpoint, []).append(logged)
            offset = batch[-1].offset + 1
        self._indexed = self._log.next
        return found

    async def _keep(self) -> None:
        """Save cursors, expire what waited too long, and keep the log within its bounds, until cancelled."""
        swept = self._clock()
        while True:
            await asyncio.sleep(CHECKPOINT_SECONDS)
            try:
                if self._clock() - swept >= SWEEP_SECONDS:
                    swept = self._clock()
                    self._sweep(swept)
                self._enforce_capacity()
                await self._checkpoint()
            except Problem as problem:
                logger.error("The queues' cursors could not be saved: %s", problem)

    async def _checkpoint(self) -> None:
        changed = [queue for queue in self._queues.values() if queue.changed]
        if not changed:
            return
        floor = self._floor()
        cursors = [(queue.endpoint, msgspec.msgpack.encode(queue.cursor())) for queue in changed]
        saving = (self._records.put(COLLECTION, endpoint, cursor) for endpoint, cursor in cursors)
        try:
            await asyncio.gather(*saving)
        except Problem:
            for queue in changed:
                queue.changed = True
            raise
        await self._log.trim(floor)

    def _floor(self) -> int:
        """The offset below which nothing is pending for anyone."""
        return min((queue.floor_offset for queue in self._queues.values() if len(queue)), default=self._indexed)

    def _sweep(self, now: float) -> None:
        expired = sum(queue.sweep(now) for queue in self._queues.values())
        if expired:
            logger.info("%d messages waited longer than their time to live", expired)

    def _enforce_capacity(self) -> None:
        """Beyond the capacity the oldest messages go, a tenth of what is there at a time."""
        if self._log.size <= self._capacity:
            return
        floor = self._floor()
        cut = floor + max(1, (self._log.next - floor) // 10)
        dropped = sum(queue.drop_below(cut) for queue in self._queues.values())
        if dropped:
            logger.error("%s", Problem(QUEUES_FULL, dropped=dropped, capacity=self._capacity))


def _fitting(cursor: Cursor, end: int) -> Cursor:
    """The cursor, or where the log was begun anew since: one for which every entry is a later one."""
    return cursor if cursor.upto <= end else replace(cursor, floor_offset=0, upto=0)


def _decode(value: bytes) -> Cursor:
    return msgspec.msgpack.decode(value, type=Cursor)
