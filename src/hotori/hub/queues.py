"""The durable queues of a hub: every message is appended to one log once, with all the endpoints it goes to.

Endpoints are named by texts. What stands before the first slash is the group, the party that takes from it:

* `upstream/{identity}`: to the hub above, one queue for each sender, so that order is the sender's;
* `module:{m}/{input}`: to an input of a module on this device;
* `c2d:{d}`: from the cloud to a device.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TypeAlias

import msgspec

from hotori.hub.account import Account, Counters
from hotori.hub.envelope import Delivery, decode_deliveries, decode_envelope, encode_envelopes
from hotori.hub.lane import Item, LaneCursor
from hotori.hub.promise import Promise, as_future
from hotori.hub.queue import Queue
from hotori.hub.queue_index import PAGE, QueueIndex
from hotori.hub.recent import Recent
from hotori.hub.room import Held, Room
from hotori.hub.store_limits import StoreLimits, drop_oldest
from hotori.hub.unrouted import NOWHERE, Unrouted
from hotori.model.identity import Identity
from hotori.model.message import Message
from hotori.problems import Problem
from hotori.problems.storage import DISK_FULL
from hotori.store.batch import Batch
from hotori.store.log import Entry, Log
from hotori.store.records import Record, Records

COLLECTION = "lanes"
_FLOOR = ("queues", "floor")
CHECKPOINT_SECONDS = 1.0
WHOLE_SECONDS = 30.0
SWEEP_SECONDS = 1800.0
_REPLAY_BATCH = 512
_READ_AHEAD = 32
_LET_IN = 512
_NO_RUN: Sequence[Message | None] = ()

Arrival: TypeAlias = "tuple[tuple[Delivery, ...], Sequence[Message]]"
"""Where messages go, and those that followed one another and all go there."""
_Arrival: TypeAlias = "tuple[tuple[Delivery, ...], Sequence[Message | None]]"
_UNROUTED: _Arrival = ((), (None,))

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

    At the limit of bytes on disk the oldest messages of the routes that allow it are dropped, and counted so; else
    new ones wait, without being durable, until there is room. So they do where the disk is full. After a crash, what
    was delivered since the last checkpoint is delivered again; nothing is lost.
    """

    def __init__(
        self,
        log: Log,
        records: Records,
        clock: Callable[[], float] = time.time,
        *,
        limits: StoreLimits | None = None,
        checkpoint: float = CHECKPOINT_SECONDS,
    ) -> None:
        self._log = log
        self._records = records
        self._clock = clock
        self.room = Room(limits or StoreLimits())
        self.watchers: list[Callable[[], None]] = []
        """Called when `problems` has others than before."""
        self._said: tuple[str, ...] = ()
        self._checkpoint_seconds = checkpoint
        self._queues: dict[str, Queue] = {}
        self._groups: dict[str, tuple[Queue, ...]] = {}
        self._listeners: dict[str, tuple[Callable[[Queue], None], Callable[[Queue], None] | None]] = {}
        self._batch: Batch | None = None
        self._arriving: list[_Arrival] = []
        """What the batch brings, in its order."""
        self._on_the_way = 0
        """Bytes that the log was given and does not count yet."""
        self._recent = Recent()
        self._indexed = self._floor_saved = 0
        self.unrouted = Unrouted(log, records)
        self._pages = QueueIndex(records)
        self.page = PAGE
        """So many entries of the log, about, are read at a start."""
        self._keeper: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Read the cursors, and the log into the queues."""
        for record in await self._saved():
            cursors = msgspec.msgpack.decode(record.value, type=tuple[LaneCursor, ...])
            self.queue(record.key).restore(cursor.fitting(self._log.next) for cursor in cursors)
        await self.unrouted.load()
        await self._replay()
        self._keeper = asyncio.create_task(self._keep(), name="queue keeper")

    async def close(self) -> None:
        """Save the cursors and close the log."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
            await self._checkpoint(whole=True)
        self.room.close()
        await self._log.close()

    def enter(self, message: Message, deliveries: tuple[Delivery, ...]) -> Promise:
        """Begin to append; when that is done, the message is durable and in its queues."""
        return self.enter_each(((deliveries, (message,)),))[0][0]

    def enter_each(self, arrivals: Sequence[Arrival]) -> Sequence[tuple[Promise, int]]:
        """Begin to append messages in this order: promises, each with how many of them it is for."""
        entries: list[bytes] = []
        for deliveries, messages in arrivals:
            entries += encode_envelopes(messages, deliveries)
        size, room = sum(map(len, entries)), self.room
        if size >= room.left:
            return self._enter_some(entries, arrivals)
        room.left -= size
        return ((self._append(entries, size, arrivals), len(entries)),)

    def _enter_some(self, entries: Sequence[bytes], arrivals: Sequence[Arrival]) -> Sequence[tuple[Promise, int]]:
        """One after another, as long as there is room; the others wait for it."""
        room = self.room
        promises: list[tuple[Promise, int]] = []
        single = ((deliveries, message) for deliveries, messages in arrivals for message in messages)
        for data, (deliveries, message) in zip(entries, single, strict=True):
            if room.left > 0:
                room.left -= len(data)
                promises.append((self._append((data,), len(data), ((deliveries, (message,)),)), 1))
            else:
                promises.append((room.hold(data, message, deliveries), 1))
        return promises

    def submit(self, message: Message, deliveries: tuple[Delivery, ...]) -> asyncio.Future[int]:
        """The same for one who waits: the future is the message's offset in the log."""
        return as_future(self.enter(message, deliveries))

    def submit_unrouted(self, sender: Identity) -> asyncio.Future[int]:
        """Begin to count a message that no route takes; the future is NOWHERE once it is counted durably."""
        noted = self.unrouted.noted(sender)
        appended = self._append((noted,), len(noted), (_UNROUTED,)).last()
        counted: asyncio.Future[int] = appended.get_loop().create_future()
        appended.add_done_callback(partial(_to_nowhere, counted))
        return counted

    def queue(self, endpoint: str) -> Queue:
        """The endpoint's queue, which begins to be when it is first asked for."""
        queue = self._queues.get(endpoint)
        if queue is None:
            group = group_of(endpoint)
            queue = self._queues[endpoint] = Queue(endpoint, *self._listeners.get(group, (None, None)))
            self._groups[group] = (*self._groups.get(group, ()), queue)
        return queue

    def group(self, name: str) -> Sequence[Queue]:
        """The queues whose endpoints begin so."""
        return self._groups.get(name, ())

    def listen(
        self, group: str, wake: Callable[[Queue], None] | None, came: Callable[[Queue], None] | None = None
    ) -> None:
        """Have `wake` called with a queue of the group when something becomes ready there; None ends that.

        With `came`, that is called instead where it is a new message, and may take it at once.
        """
        if wake is None:
            self._listeners.pop(group, None)
        else:
            self._listeners[group] = wake, came
        for queue in self.group(group):
            queue.wake, queue.came = wake, came

    def recent(self, items: Sequence[Item]) -> list[Message]:
        """The messages of the first items, as many as are at hand; `load_each` waits for others."""
        found: list[Message] = []
        first, run = 0, _NO_RUN
        for item in items:
            offset = item.offset
            if not first <= offset < first + len(run):
                first, run = self._recent.run_at(offset)
            message = run[offset - first] if offset - first < len(run) else self._logged(offset)
            if message is None:
                break
            found.append(message)
        return found

    def _logged(self, offset: int) -> Message | None:
        data = self._log.recent(offset)
        return None if data is None else decode_envelope(data)[0]

    async def load(self, item: Item) -> Message | None:
        """The item's message; None where the disk has lost it."""
        entries = await self._log.read(item.offset, 1)
        if not entries or entries[0].offset != item.offset:
            return None
        return decode_envelope(entries[0].data)[0]

    async def load_each(self, items: Sequence[Item]) -> list[Message | None]:
        """The items' messages, with few reads of the disk where they stand near one another."""
        found: dict[int, bytes] = {}
        messages: list[Message | None] = []
        for item in items:
            message = self._recent.get(item.offset)
            if message is None and item.offset not in found:
                found.update((entry.offset, entry.data) for entry in await self._log.read(item.offset, _READ_AHEAD))
            if message is None and item.offset in found:
                message = decode_envelope(found[item.offset])[0]
            messages.append(message)
        return messages

    async def forget(self, endpoint: str) -> None:
        """Let go of what is pending for an endpoint that is no more, and begin its accounts anew."""
        self.queue(endpoint).begin_anew(self._indexed)
        await self._records.put(COLLECTION, endpoint, msgspec.msgpack.encode(self.queue(endpoint).cursors()))

    def counters(self) -> Mapping[str, Counters]:
        """The accounts of every endpoint."""
        return {endpoint: queue.counters for endpoint, queue in self._queues.items()}

    def accounts(self) -> Sequence[Account]:
        """The accounts of every route to every endpoint, also of routes that are no more."""
        return [account for queue in self._queues.values() for account in queue.accounts]

    @property
    def problems(self) -> Sequence[Problem]:
        """What is wrong with what is kept."""
        return [*self._log.problems, *self.room.problems]

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return self._log.size

    @property
    def limits(self) -> StoreLimits:
        return self.room.limits

    @limits.setter
    def limits(self, limits: StoreLimits) -> None:
        """In force from the next checkpoint on."""
        self.room.limits = limits

    def total(self, group: str) -> Counters:
        """The accounts of a group together."""
        return sum((queue.counters for queue in self.group(group)), Counters())

    def _append(self, entries: Sequence[bytes], size: int, arrivals: Sequence[_Arrival]) -> Batch:
        """Append to what this turn of the loop brings, and have it put into the queues once it is durable.

        `size` is that of the entries, in bytes.
        """
        self._on_the_way += size
        batch = self._log.enter(entries)
        if batch is self._batch:
            self._arriving += arrivals
        else:
            self._batch, self._arriving = batch, [*arrivals]
            batch.add_done_callback(partial(self._arrived, self._arriving))
        return batch

    def _arrived(self, arriving: list[_Arrival], batch: Batch) -> None:
        """Put what is durable into its queues, in the log's order."""
        size = sum(map(len, batch.entries))
        self._on_the_way -= size
        if batch.error is not None:
            arriving, refused = _split(arriving, batch.stored)
            self._refused(refused, batch.error)
        self._recent.add(batch.first, [message for _, messages in arriving for message in messages], size)
        self._indexed = max(self._indexed, batch.first + batch.stored)
        touched = self._index(arriving, batch.first)
        if touched:  # whoever else is told of this batch must be told before anything is delivered
            for queue in touched:
                batch.add_last(queue.arrived)

    def _index(self, arriving: list[_Arrival], first: int) -> set[Queue]:
        """The queues that got something."""
        touched: set[Queue] = set()
        for deliveries, messages in arriving:
            offsets = range(first, first := first + len(messages))
            for endpoint, priority, expires, route in deliveries:
                queue = self.queue(endpoint)
                queue.add(offsets, priority, expires, route)
                touched.add(queue)
            if not deliveries:
                for offset in offsets:
                    self.unrouted.appended(offset)
        return touched

    def _refused(self, arriving: list[_Arrival], error: Exception) -> None:
        for deliveries, messages in arriving:
            if not deliveries:
                for _ in messages:
                    self.unrouted.appended(None)
        self.room.refused(error)

    async def _saved(self) -> list[Record]:
        saved = batch = await self._records.list(COLLECTION)
        while batch:
            batch = await self._records.list(COLLECTION, after=batch[-1].key)
            saved = saved + batch
        return saved

    async def _saved_floor(self) -> int:
        """Below this offset of the log nothing was pending at the last checkpoint."""
        record = await self._records.get(*_FLOOR)
        return min(int(record.value), self._log.next) if record else 0

    async def _replay(self) -> None:
        """Read what the log still holds of pending messages into the queues."""
        floor = max(self._log.first, await self._saved_floor())
        offset = await self._pages.load(floor, self._log.next, self.queue)
        while batch := await self._log.read(offset, _REPLAY_BATCH):
            for entry in batch:
                self._replay_entry(entry)
            offset = batch[-1].offset + 1
        self._indexed = self._log.next
        for queue in self._queues.values():
            if lost := queue.replayed():
                logger.error("%d messages for %s were lost on disk; they are counted as dropped", lost, queue.endpoint)

    def _replay_entry(self, entry: Entry) -> None:
        try:
            deliveries = decode_deliveries(entry.data)
            if not deliveries:
                self.unrouted.replay(entry)
        except msgspec.MsgspecError as error:
            logger.error("Entry %d of the queues' log is no message and is left out: %s", entry.offset, error)
            return
        for endpoint, priority, expires, route in deliveries:
            self.queue(endpoint).replay(entry.offset, priority, expires, route)

    async def _keep(self) -> None:
        """Save cursors, expire what waited too long, and keep the log within its bounds, until cancelled."""
        swept = saved = self._clock()
        while True:
            await self._pause()
            try:
                if self._clock() - swept >= SWEEP_SECONDS:
                    swept = self._clock()
                    self._sweep(swept)
                whole = self._clock() - saved >= WHOLE_SECONDS
                saved = self._clock() if whole else saved
                await self._checkpoint(whole=whole)
                await self._grow_pages()
                await self._relieve()
            except Problem as problem:
                logger.error("The queues' cursors could not be saved: %s", problem)
            self._tell()

    async def _pause(self) -> None:
        """Until the next checkpoint, or until the first message has to wait for room."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._checkpoint_seconds):
                await self.room.wanted.wait()
        self.room.wanted.clear()

    async def _checkpoint(self, *, whole: bool = False) -> None:
        """Save what was settled; `whole` also what was only accepted, which the log knows too, unless it is damaged."""
        changed = [queue for queue in self._queues.values() if queue.changed or (whole and queue.grown)]
        if not changed and not self.unrouted.changed:
            return
        floor = self._floor()
        cursors = [(queue.endpoint, msgspec.msgpack.encode(queue.cursors())) for queue in changed]
        try:
            await self._save(cursors, floor)
        except Problem as problem:
            for queue in changed:
                queue.touch()
            if problem.kind is not DISK_FULL:
                raise
            # What nobody needs may be all that fills the disk; should we die now, it is counted as lost.
            await self._log.trim(floor)
            await self._save(cursors, floor)
        await self._log.trim(floor)

    async def _grow_pages(self) -> None:
        """Spare the next start the reading of what was accepted since the last page."""
        if self._indexed - self._pages.end >= self.page:
            page = self._pages.page(self._queues.values(), self._indexed)
            await self._checkpoint(whole=True)
            await self._pages.grow(page)
        await self._pages.trim(self._floor_saved)

    async def _save(self, cursors: Sequence[tuple[str, bytes]], floor: int) -> None:
        saving = (self._records.put(COLLECTION, endpoint, cursor) for endpoint, cursor in cursors)
        await asyncio.gather(*saving, self.unrouted.save())
        # After the cursors: they must know all that is settled below.
        await self._records.put(*_FLOOR, b"%d" % floor)
        self._floor_saved = floor

    async def _relieve(self) -> None:
        """Make room where there is none, and let in those who wait for it."""
        self._measure()
        if self.room.full:
            await self._make_room()
        while self.room.may_enter and (held := self.room.next_held(_LET_IN)):
            stored = [self._let_in(each).last() for each in held]
            await asyncio.gather(*stored, return_exceptions=True)
            refused = [each for each, offset in zip(held, stored, strict=True) if not _entered(each, offset)]
            self.room.hold_again(refused)
            self._measure()
            if refused:
                return
        self.room.reopen()

    def _let_in(self, held: Held) -> Batch:
        return self._append((held.data,), len(held.data), ((held.deliveries, (held.message,)),))

    async def _make_room(self) -> None:
        """Let messages go where policy allows it, and then the room of all that nobody needs."""
        pending = sum(len(queue) for queue in self._queues.values())
        dropped = drop_oldest(self._queues.values(), self.room.limits.droppable, max(1, pending // 10))
        if dropped:
            logger.error("%s", self.room.dropped(dropped))
        await self._checkpoint(whole=True)
        self._measure()
        if self.room.full and pending - dropped < (self._log.next - self._log.first) // 2:
            keep = sorted({offset for queue in self._queues.values() for offset in queue.pending()})
            await self._log.trim(self._indexed, keep)
            self._measure()

    def _measure(self) -> None:
        self.room.measure(self._log.size + self._on_the_way, self._log.room, self._clock())

    def _tell(self) -> None:
        """Call the watchers where there is something new to say."""
        said = tuple(problem.code for problem in self.problems)
        if said != self._said:
            self._said = said
            for watcher in self.watchers:
                watcher()

    def _floor(self) -> int:
        """The offset below which nothing is pending for anyone."""
        return min(self._indexed, min((queue.floor for queue in self._queues.values()), default=self._indexed))

    def _sweep(self, now: float) -> None:
        expired = sum(queue.sweep(now) for queue in self._queues.values())
        if expired:
            logger.info("%d messages waited longer than their time to live", expired)


def _entered(held: Held, stored: asyncio.Future[int]) -> bool:
    """Tell the one who waits; False where it was refused again."""
    if isinstance(stored.exception(), Problem):
        return False
    if not held.cancelled():
        held.set_result(stored.result())
    return True


def _split(arriving: list[_Arrival], count: int) -> tuple[list[_Arrival], list[_Arrival]]:
    """The first so many messages, and the others."""
    before: list[_Arrival] = []
    for at, (deliveries, messages) in enumerate(arriving):
        if count < len(messages):
            behind = [(deliveries, messages[count:]), *arriving[at + 1 :]]
            return [*before, (deliveries, messages[:count])], behind
        before.append((deliveries, messages))
        count -= len(messages)
    return before, []


def _to_nowhere(counted: asyncio.Future[int], appended: asyncio.Future[int]) -> None:
    """Say of an unrouted message that it went nowhere, whatever its place in the log."""
    if counted.done():
        return
    if appended.cancelled():
        counted.cancel()
    elif (error := appended.exception()) is not None:
        counted.set_exception(error)
    else:
        counted.set_result(NOWHERE)
