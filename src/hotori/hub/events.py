"""The cloud's event log: every message that devices and modules sent, in the order of their acceptance."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from hotori.hub.envelope import decode_envelope, encode_envelopes
from hotori.model.message import Message
from hotori.problems import Problem
from hotori.store.batch import Batch
from hotori.store.log import Entry, Log

_BATCH = 256
_BATCH_BYTES = 1024**2
"""A reader that is slow holds about so much."""
_SHARED_EVENTS, _SHARED_BYTES = 2048, 4 * 1024**2
"""Events, and bytes of their bodies, that readers share; with what is sent of them it is up to three times so much."""
_PAUSE, _LONGEST_PAUSE = 0.0005, 0.01
"""Seconds, a reader and at most, that pass from one batch to the next."""
KEEP_BYTES = 2 * 1024**3

Start: TypeAlias = int | Literal["earliest", "latest"]
"""An offset, or one of the two ends of the log."""


@dataclass(slots=True)
class Event:
    """One accepted message and its place. `offset` grows by one an event and is never used again.

    Readers share it: what the first of them makes of it to send it on, the others find in `sent`.
    """

    offset: int
    message: Message
    sent: bytes = field(default=b"", compare=False, repr=False)


class _Shared:
    """The events that came or were read last, made once for all readers of the same stretch."""

    def __init__(self) -> None:
        self._events: OrderedDict[int, Event] = OrderedDict()
        self._bytes = 0

    def at(self, start: int, end: int) -> list[Event] | None:
        """The events from `start` to before `end`, where all of them are here."""
        get = self._events.get
        found = [event for offset in range(start, end) if (event := get(offset)) is not None]
        return found if len(found) == end - start else None

    def of(self, entry: Entry) -> Event:
        return self._events.get(entry.offset) or self._add(entry.offset, decode_envelope(entry.data)[0])

    def put(self, offset: int, message: Message) -> None:
        if offset not in self._events:
            self._add(offset, message)

    def _add(self, offset: int, message: Message) -> Event:
        event = self._events[offset] = Event(offset, message)
        self._bytes += len(message.body)
        while self._bytes > _SHARED_BYTES or len(self._events) > _SHARED_EVENTS:
            self._bytes -= len(self._events.popitem(last=False)[1].message.body)
        return event


class Events:
    """Appends durably; any number of readers follow, each from where it likes.

    When more than `keep_bytes` are kept, the oldest events go (whole segments of the log at a time). A reader
    that was slower than that continues with the oldest that is left.

    A reader that keeps up is not woken for every event of a flood, but for what comes in a moment, which is the longer
    the more readers there are (`_PAUSE`): one event alone reaches everybody at once.
    """

    def __init__(self, log: Log, *, keep_bytes: int = KEEP_BYTES) -> None:
        self._log = log
        self.keep_bytes = keep_bytes
        self._batch: Batch | None = None
        self._news = asyncio.Event()
        self._trimming: asyncio.Future[None] | None = None
        self._shared = _Shared()
        self._entered: list[tuple[Batch, int, Message]] = []
        self._readers = 0

    @property
    def first(self) -> int:
        """The offset of the oldest event that is kept."""
        return self._log.first

    @property
    def next(self) -> int:
        """The offset that the next event will get."""
        return self._log.next

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return self._log.size

    @property
    def problems(self) -> Sequence[Problem]:
        """What is wrong with the log: events that the disk has lost, an end that a crash tore."""
        return self._log.problems

    def enter(self, *messages: Message) -> Batch:
        """Begin to append: the events are the last ones of the batch now."""
        batch = self._log.enter(encode_envelopes(messages, ()))
        if self._readers:  # who will want them in a moment
            places = range(len(batch.entries) - len(messages), len(batch.entries))
            self._entered += [(batch, place, message) for place, message in zip(places, messages, strict=True)]
        if batch is not self._batch:
            self._batch = batch
            batch.add_done_callback(self._appended)
        return batch

    def submit(self, message: Message) -> asyncio.Future[int]:
        """Begin to append; the future is the event's offset, once it is durable."""
        return self.enter(message).last()

    async def append(self, message: Message) -> int:
        """Store durably; the event's offset. Raises the problems of a log's append."""
        return await self.submit(message)

    async def read(self, start: int, limit: int = _BATCH) -> list[Event]:
        """Events from `start` on that are there now, at most `limit`."""
        start = max(start, self._log.first)
        at_hand = self._shared.at(start, max(start, min(start + limit, self._log.next)))
        if at_hand is not None:
            return at_hand
        return [self._shared.of(entry) for entry in await self._log.read(start, limit)]

    async def offset_at(self, moment: float) -> int:
        """The offset of the first event that was accepted at `moment` (Unix seconds) or later.

        Exact as far as the clock that stamped the events went forward.
        """
        low, high = self.first, self.next
        while low < high:
            middle = (low + high) // 2
            found = await self.read(middle, 1)
            if not found or found[0].offset >= high:
                high = middle
            elif found[0].message.enqueued_at < moment:
                low = found[0].offset + 1
            else:
                high = middle
        return low

    def subscribe(self, start: Start = "latest") -> AsyncGenerator[Event, None]:
        """Events from `start` on, for ever: past ones, then each as it is accepted.

        "latest" means from this call on, not from when the first event is asked for.
        """
        return self._one_by_one(self._offset(start))

    async def _one_by_one(self, offset: int) -> AsyncGenerator[Event, None]:
        async with aclosing(self.follow(offset)) as batches:
            async for batch in batches:
                for event in batch:
                    yield event

    async def close(self) -> None:
        """Let the last trim end and close the log. Readers should have ended."""
        if self._trimming is not None:
            await self._trimming
        await self._log.close()

    async def follow(
        self, offset: int, until: asyncio.Event | None = None, *, most: int = _BATCH
    ) -> AsyncGenerator[list[Event], None]:
        """Events from an offset on, `most` at once, for ever or until an event is set."""
        limit = most
        self._readers += 1
        try:
            while until is None or not until.is_set():
                news = self._news
                events = await self.read(offset, limit)
                if not events:
                    await (news.wait() if until is None else _either(news, until))
                    continue
                yield events
                offset, asked = events[-1].offset + 1, limit
                limit = _fitting(events, most)
                if len(events) < asked:
                    await asyncio.sleep(self._pause)
        finally:
            self._readers -= 1

    @property
    def _pause(self) -> float:
        return min(_PAUSE * self._readers, _LONGEST_PAUSE)

    def _appended(self, batch: Batch) -> None:
        entered, self._entered = self._entered, []
        for its_batch, place, message in entered:
            if its_batch is not batch:
                self._entered.append((its_batch, place, message))
            elif place < batch.stored:
                self._shared.put(batch.first + place, message)
        # A reader that finds nothing must find an event that is not set: it would spin without ever suspending.
        news, self._news = self._news, asyncio.Event()
        news.set()
        if self._log.size > self.keep_bytes and (self._trimming is None or self._trimming.done()):
            self._trimming = asyncio.ensure_future(self._trim())

    async def _trim(self) -> None:
        """Let a tenth of the events go, or as many as one segment holds."""
        await self._log.trim(self._log.first + (self._log.next - self._log.first) // 10)

    def _offset(self, start: Start) -> int:
        if start == "earliest":
            return self._log.first
        return self._log.next if start == "latest" else start


def _fitting(events: list[Event], most: int) -> int:
    """How many events such as these make a batch of the right size."""
    size = sum(len(event.message.body) for event in events)
    return max(1, min(most, len(events) * _BATCH_BYTES // max(size, 1)))


async def _either(first: asyncio.Event, second: asyncio.Event) -> None:
    """Wait until one of them is set."""
    waiting = [asyncio.ensure_future(first.wait()), asyncio.ensure_future(second.wait())]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in waiting:
            each.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
