"""What clients do wrong, over real sockets: the hub's memory stays bounded, and nobody else notices."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hotori.hub.connection import Connection
from hotori.hub.mqtt_head import MOST_UNANSWERED
from hotori.hub.registration import Registration
from hotori.model.identity import Identity
from hotori.model.message import MAX_SIZE
from hotori.mqtt.encoder import encode, encode_publish
from hotori.mqtt.packets import Connack, Connect, Pingreq, Pingresp, Puback, Publish
from hotori.testing.addresses import loopback_address
from hotori.testing.small_hub import BookDirectory, SmallHub
from hotori.testing.wire_client import WireClient

DEVICE, OTHER = Identity("dev-1"), Identity("dev-2")
EVENTS, OTHERS = "devices/dev-1/messages/events/", "devices/dev-2/messages/events/"


async def assert_others_are_served(hub: SmallHub) -> None:
    client = await WireClient.connect(hub, OTHER)
    client.send(Publish(OTHERS, b"fine", 1, 1))
    await client.expect(Puback)
    await client.close()


@pytest.mark.parametrize("properties", ["", "k=v"])
async def test_one_byte_more_than_the_largest_message_closes(cloud: SmallHub, properties: str) -> None:
    """1.9: 256 KiB with properties"""
    client = await WireClient.connect(cloud, DEVICE)
    room = MAX_SIZE - len(properties.replace("=", ""))
    client.send(Publish(EVENTS + properties, bytes(room), 1, 1))
    await client.expect(Puback)
    client.send(Publish(EVENTS + properties, bytes(room + 1), 1, 2))
    await client.expect_closed()
    assert client.received == []
    await assert_others_are_served(cloud)


async def test_a_packet_that_announces_too_much_is_not_waited_for(cloud: SmallHub) -> None:
    client = await WireClient.connect(cloud, DEVICE)
    client.send_bytes(b"\x30\xff\xff\xff\x7f")
    await client.expect_closed()


@pytest.mark.parametrize("said", [b"", b"\x10", encode(Connect("dev-1"))[:-3]], ids=["nothing", "a byte", "a part"])
async def test_who_does_not_introduce_itself_is_dropped(cloud: SmallHub, said: bytes) -> None:
    cloud.hub.connect_seconds = 0.2
    client = await WireClient.dial(cloud)
    client.send_bytes(said)
    await client.expect_closed()
    assert not cloud.hub.connections


async def test_a_flood_of_messages_is_taken_at_the_pace_of_the_disk(cloud: SmallHub) -> None:
    """Not read: their answers. Every message is stored, in order, and others do not wait for the end of it."""
    client = await WireClient.connect(cloud, DEVICE)
    count = 20_000
    client.send_bytes(b"".join(encode_publish(EVENTS, b"%d" % n, 1, n % 60_000 + 1) for n in range(count)))
    await assert_others_are_served(cloud)
    flooded = cloud.hub.sessions.client(DEVICE)
    [head] = [it._head for it in cloud.hub.connections if isinstance(it, Connection) and it._head is not None
              and it._head.conversation is flooded]  # fmt: skip
    most = MOST_UNANSWERED + 300_000 // len(encode_publish(EVENTS, b"12345", 1, 1))  # and what one read may hold
    while cloud.events.next < count + 1:
        assert head._answers.waiting <= most
        await asyncio.sleep(0.001)
    answers = [(await client.expect(Puback)).packet_id for _ in range(count)]
    assert answers == list(range(1, count + 1))
    await client.close()


class SlowDirectory(BookDirectory):
    """Knows nothing until it is told to."""

    def __init__(self, *identities: str) -> None:
        super().__init__(*identities)
        self.awake = asyncio.Event()

    async def find(self, identity: Identity) -> Registration | None:
        await self.awake.wait()
        return await super().find(identity)


@pytest.fixture
async def slow(tmp_path: Path) -> AsyncIterator[SmallHub]:
    async with SmallHub(tmp_path / "hub", loopback_address(), SlowDirectory("dev-1"), tls=False) as hub:
        yield hub


async def test_who_talks_before_it_is_admitted_is_heard_later_and_not_without_end(slow: SmallHub) -> None:
    """Nothing is read while a client is judged, but what was on its way."""
    assert isinstance(slow.directory, SlowDirectory)
    client = await WireClient.dial(slow)
    hello = encode(Connect("dev-1", slow.user_name(DEVICE), slow.token(DEVICE).encode()))
    client.send_bytes(hello + encode_publish(EVENTS, bytes(200_000)) * 200 + encode(Pingreq()))
    for _ in range(200):
        await asyncio.sleep(0)
    [connection] = slow.hub.connections
    assert isinstance(connection, Connection)
    assert len(connection._early) < 1 << 20
    slow.directory.awake.set()
    await client.expect(Connack)
    await client.expect(Pingresp)
    async with asyncio.timeout(10):
        while slow.events.next < 200:
            await asyncio.sleep(0.001)
    await client.close()


async def test_a_client_that_vanishes_while_it_is_judged_leaves_nothing(slow: SmallHub) -> None:
    assert isinstance(slow.directory, SlowDirectory)
    client = await WireClient.dial(slow)
    client.send(Connect("dev-1", slow.user_name(DEVICE), slow.token(DEVICE).encode()))
    while not slow.hub.connections:
        await asyncio.sleep(0)
    await client.close()
    slow.directory.awake.set()
    async with asyncio.timeout(10):
        while slow.hub.connections:
            await asyncio.sleep(0)
    assert not slow.hub.sessions.connected(DEVICE)
