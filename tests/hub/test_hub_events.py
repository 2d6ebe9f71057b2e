"""The cloud's event log: durable, followed from anywhere, bounded."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hotori.hub.events import Events
from hotori.model.identity import Identity
from hotori.model.message import Message
from hotori.store.memory import MemoryLog
from hotori.store.segments import SegmentLog


def message(body: bytes) -> Message:
    return Message(body, {"k": "v"}, {"ct": "text/plain"}, Identity("dev-1", "mod-1"), "out", 7.5)


@pytest.fixture
async def events(tmp_path: Path) -> AsyncIterator[Events]:
    events = Events(SegmentLog.open(tmp_path / "events"))
    yield events
    await events.close()


async def test_an_event_is_read_as_it_was_appended(events: Events) -> None:
    offset = await events.append(message(b"x"))
    [event] = await events.read(0)
    assert (event.offset, event.message) == (offset, message(b"x"))


async def test_readers_follow_from_the_beginning_from_an_offset_and_from_now(events: Events) -> None:
    for number in range(3):
        await events.append(message(b"%d" % number))
    earliest, from_two, latest = events.subscribe("earliest"), events.subscribe(2), events.subscribe("latest")
    waiting = asyncio.create_task(anext(latest))
    await events.append(message(b"3"))
    assert [(await anext(earliest)).message.body for _ in range(4)] == [b"0", b"1", b"2", b"3"]
    assert [(await anext(from_two)).offset for _ in range(2)] == [2, 3]
    assert (await waiting).message.body == b"3"
    for reader in (earliest, from_two, latest):
        await reader.aclose()


async def test_latest_means_from_the_call_on(events: Events) -> None:
    latest = events.subscribe("latest")
    await events.append(message(b"between"))
    assert (await anext(latest)).message.body == b"between"
    await latest.aclose()


async def test_a_reader_that_keeps_up_misses_nothing(events: Events) -> None:
    reader = events.subscribe()

    async def read() -> list[bytes]:
        return [(await anext(reader)).message.body for _ in range(500)]

    reading = asyncio.create_task(read())
    for number in range(0, 500, 50):
        await asyncio.gather(*(events.append(message(b"%d" % index)) for index in range(number, number + 50)))
    assert await reading == [b"%d" % number for number in range(500)]
    await reader.aclose()


async def test_the_oldest_events_go_when_there_are_too_many() -> None:
    events = Events(MemoryLog(), keep_bytes=2000)
    for number in range(100):
        await events.append(message(b"%d" % number))
        await asyncio.sleep(0)
    assert 0 < events.first < 100
    reader = events.subscribe("earliest")
    assert (await anext(reader)).offset == events.first
    await reader.aclose()
    await events.close()
