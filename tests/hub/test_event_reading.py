"""Reading the cloud's events: from a point in time, chosen by conditions, shared by the readers of a group."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from azure.iot.device import IoTHubDeviceClient
from azure.iot.device import Message as SdkMessage
from hypothesis import given
from hypothesis import strategies as st

from hotori.hub.consumer_groups import ConsumerGroup, ConsumerGroups
from hotori.hub.events import Event, Events
from hotori.hub.partitions import PARTITIONS, partition_of
from hotori.model.identity import Identity
from hotori.model.message import Message
from hotori.problems import Problem
from hotori.sdk.service import ServiceClient
from hotori.store.memory import MemoryLog, MemoryRecords
from hotori.testing.addresses import loopback_address
from hotori.testing.cloud_hub import CloudHub

JSON = {"ct": "application/json", "ce": "utf-8"}
DEVICES = [f"dev-{number}" for number in range(40)]


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def cloud(tmp_path: Path, clock: Clock) -> AsyncIterator[CloudHub]:
    async with CloudHub(tmp_path, loopback_address(), clock) as hub:
        yield hub


@pytest.fixture
async def client(cloud: CloudHub) -> AsyncIterator[ServiceClient]:
    async with cloud.client() as client:
        yield client


async def say(
    cloud: CloudHub, number: int, device: str = "dev-1", module: str | None = None, **properties: str
) -> None:
    body = json.dumps({"n": number}).encode()
    await cloud.hub.accept(Message(body, properties, JSON, Identity(device, module), "out" if module else None))


async def first(count: int, events: AsyncGenerator[Any, None]) -> list[int]:
    async with aclosing(events) as stream, asyncio.timeout(20):
        return [(await anext(stream))["body"]["n"] for _ in range(count)]


async def refusal(awaitable: Awaitable[object]) -> Problem:
    with pytest.raises(Problem) as met:
        await awaitable
    return met.value


async def one_by_one(group: ConsumerGroup) -> AsyncGenerator[Event, None]:
    async with aclosing(group.read(most=1)) as batches:
        async for batch in batches:
            for event in batch:
                yield event


@given(st.lists(st.integers(0, 5), max_size=30), st.integers(-1, 120))
def test_a_moment_is_found_among_the_events(steps: list[int], moment: int) -> None:
    moments = [sum(steps[: at + 1]) for at in range(len(steps))]

    async def find() -> int:
        events = Events(MemoryLog())
        for time_ in moments:
            await events.append(Message(b"", sender=Identity("d"), enqueued_at=float(time_)))
        return await events.offset_at(float(moment))

    assert asyncio.run(find()) == sum(each < moment for each in moments)


async def test_events_are_read_from_a_point_in_time(cloud: CloudHub, client: ServiceClient, clock: Clock) -> None:
    for number in range(5):
        clock.now = 1_800_000_000.0 + 60 * number
        await say(cloud, number)
    assert await first(2, client.events("2027-01-15T08:03:00Z")) == [3, 4]
    assert await first(1, client.events("2027-01-15T17:03:00.001+09:00")) == [4]
    for wrong in ("2027-01-15T08:03:00", "yesterday", "-1"):
        assert (await refusal(anext(client.events(wrong)))).code == "request-malformed"


async def test_events_are_chosen_by_device_module_output_and_condition(cloud: CloudHub, client: ServiceClient) -> None:
    await say(cloud, 0, label="cat")
    await say(cloud, 1, "edge-1", "camera", label="dog")
    await say(cloud, 2, "edge-1", "camera", label="cat")
    await say(cloud, 3, "edge-1", "other", label="cat")
    for choose, wanted in (
        ({"module": "camera"}, [1, 2]),
        ({"output": "out", "filter": "label = 'cat'"}, [2, 3]),
        ({"filter": "$body.n >= 2 AND is_defined($connectionModuleId)"}, [2, 3]),
        ({"filter": "NOT is_defined($connectionModuleId)"}, [0]),
    ):
        assert await first(len(wanted), client.events("earliest", choose=choose)) == wanted
    assert await first(1, client.events("earliest", "edge-1", choose={"filter": "label = 'dog'"})) == [1]
    problem = await refusal(anext(client.events("earliest", choose={"filter": "label > 5"})))
    assert problem.code == "filter-invalid"
    assert "as_number" in problem.cause()
    assert problem.evidence[1:] == ("^",)


async def test_a_group_goes_on_where_it_was_over_connections_and_restarts(
    cloud: CloudHub, client: ServiceClient
) -> None:
    for number in range(6):
        await say(cloud, number)
    assert await first(3, client.events("earliest", group="billing")) == [0, 1, 2]
    assert await first(2, client.events("latest", group="billing")) == [0, 1]
    partition = partition_of(Message(b"", sender=Identity("dev-1")))
    await client.checkpoint("billing", {partition: 1})
    await cloud.stop()
    await cloud.start()
    assert await first(2, client.events("earliest", group="billing")) == [2, 3]
    await client.checkpoint("billing", {partition: 3})
    await client.checkpoint("billing", {partition: 2})
    assert await first(2, client.events(group="billing")) == [4, 5]
    assert await first(1, client.events("earliest", group="another")) == [0]
    groups = {each["group"]: each for each in await client.ask("GET", "/messages/groups")}
    assert groups["billing"]["next"][str(partition)] == 4
    await client.ask("DELETE", "/messages/groups/billing")
    assert (await refusal(client.checkpoint("billing", {0: 0}))).code == "consumer-group-unknown"
    for wrong in ({99: 0}, {0: 99}):
        assert (await refusal(client.checkpoint("another", wrong))).code == "request-malformed"
    assert (await refusal(anext(client.events(group="a b")))).code == "request-malformed"


async def test_readers_of_a_group_share_the_partitions_and_take_over_from_checkpoints() -> None:
    log = Events(MemoryLog())
    groups = ConsumerGroups(log, MemoryRecords())
    group = await groups.open("g", 0)
    for at, device in enumerate(DEVICES):
        await log.append(Message(b"%d" % at, sender=Identity(device)))
    parts = [partition_of(Message(b"", sender=Identity(device))) for device in DEVICES]
    assert len(set(parts)) == PARTITIONS

    one, two = one_by_one(group), one_by_one(group)
    begun = asyncio.ensure_future(anext(one)), asyncio.ensure_future(anext(two))
    firsts = [(await each).offset for each in begun]
    mine = group.readers[0].partitions
    wanted = [[at for at, part in enumerate(parts) if (part in mine) is own] for own in (True, False)]
    # The first reader had all partitions for a moment, until the second joined.
    got = [[offset] if offset in places else [] for offset, places in zip(firsts, wanted, strict=True)]
    for reader, offsets, places in zip((one, two), got, wanted, strict=True):
        while len(set(offsets)) < len(places):
            offsets.append((await anext(reader)).offset)
        assert sorted(set(offsets)) == places

    await group.checkpoint(dict.fromkeys(mine, 30))
    await one.aclose()
    late = [at for at in range(30, 40) if parts[at] in mine]
    assert late
    assert [(await anext(two)).offset for _ in late] == late
    await two.aclose()
    assert group.readers == []
    await log.close()


async def test_a_reader_without_a_partition_waits_for_another_to_leave() -> None:
    log = Events(MemoryLog())
    group = await ConsumerGroups(log, MemoryRecords()).open("g", 0)
    readers = [one_by_one(group) for _ in range(PARTITIONS + 1)]
    waiting = [asyncio.ensure_future(anext(reader)) for reader in readers]
    while len(group.readers) < len(readers):
        await asyncio.sleep(0)
    assert group.readers[-1].partitions == frozenset()
    for each in waiting[:-1]:
        each.cancel()
    await asyncio.gather(*waiting[:-1], return_exceptions=True)
    await log.append(Message(b"x", sender=Identity("dev-1")))
    assert (await asyncio.wait_for(waiting[-1], 30)).message.body == b"x"
    await readers[-1].aclose()
    await log.close()


async def test_an_unmodified_device_s_message_is_found_by_what_it_says(cloud: CloudHub, client: ServiceClient) -> None:
    await cloud.registry.create_device("dev-1")
    cloud.clock.now = time.time()
    device = IoTHubDeviceClient.create_from_connection_string(
        await cloud.connection_string(Identity("dev-1")), server_verification_cert=cloud.authority.pem
    )

    def send() -> None:
        device.connect()
        for number in range(3):
            message = SdkMessage(json.dumps({"n": number}))
            message.content_type, message.content_encoding = "application/json", "utf-8"
            device.send_message(message)
        device.shutdown()

    await asyncio.to_thread(send)
    assert await first(1, client.events("earliest", choose={"filter": "$body.n = 2"})) == [2]
    event = await client.event(1)
    assert (event["offset"], event["deviceId"], event["body"]) == (1, "dev-1", {"n": 1})
    assert event["partition"] == partition_of(Message(b"", sender=Identity("dev-1")))
    assert (await refusal(client.event(3))).code == "event-missing"
