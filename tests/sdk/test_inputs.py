"""Messages that come down: to the inputs of modules, and to devices."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace

import pytest

from hotori.model.identity import Identity
from hotori.model.message import Message
from hotori.mqtt.packets import Puback, Publish, Subscribe
from hotori.mqtt.topics import (
    DeviceBound,
    ModuleInput,
)
from hotori.sdk.connection import HubConnection
from hotori.testing.obedient_hub import ObedientHub
from tests.sdk.parts import CAMERA, QUICK, connection_to, reason_of


def to_input(packet_id: int, body: bytes, name: str = "pictures", bag: str = "", dup: bool = False) -> Publish:
    return Publish(ModuleInput(CAMERA, name, bag).format(), body, 1, packet_id, False, dup)


async def test_an_input_is_acknowledged_when_its_handler_has_returned(
    obedient: ObedientHub, connection: HubConnection
) -> None:
    """Contract 1.5, 1.6."""
    gate, received = asyncio.Event(), list[tuple[str, Message]]()

    async def handler(name: str, message: Message) -> None:
        received.append((name, message))
        await gate.wait()

    connection.on_input(handler)
    await connection.wait_connected(10)
    obedient.visits[0].send(to_input(1, b"one", bag="%24.cdid=edge-1&%24.cmid=lens&%24.ct=image%2Fjpeg&a=1"))
    obedient.visits[0].send(to_input(2, b"two"))
    await connection.send(Message(b"by now both are there"))
    assert not obedient._of_kind(Puback, 0)
    gate.set()
    assert await obedient.until(2, Puback) == [Puback(1), Puback(2)]
    assert received == [
        ("pictures", Message(b"one", {"a": "1"}, {"ct": "image/jpeg"}, Identity("edge-1", "lens"))),
        ("pictures", Message(b"two")),
    ]


async def test_a_message_whose_handler_failed_is_not_acknowledged_and_may_come_again(
    obedient: ObedientHub, connection: HubConnection, caplog: pytest.LogCaptureFixture
) -> None:
    faults = [ValueError("no such label")]

    async def handler(_: str, message: Message) -> None:
        if message.body == b"bad" and faults:
            raise faults.pop()

    connection.on_input(handler)
    await connection.wait_connected(10)
    with caplog.at_level(logging.CRITICAL, "hotori.sdk.connection"):
        obedient.visits[0].send(to_input(1, b"bad"))
        problem = await reason_of(connection, "handler-failed")
        assert "no such label" in problem.cause()
        obedient.visits[0].send(to_input(2, b"good"))
        assert await obedient.until(1, Puback) == [Puback(2)]
        assert connection.problem is None
        obedient.visits[0].send(to_input(1, b"bad", dup=True))
        assert await obedient.until(2, Puback) == [Puback(2), Puback(1)]


async def test_the_repetition_of_a_message_still_in_hand_is_dropped(
    obedient: ObedientHub, connection: HubConnection
) -> None:
    gate, seen = asyncio.Event(), list[bytes]()

    async def handler(_: str, message: Message) -> None:
        seen.append(message.body)
        await gate.wait()

    connection.on_input(handler)
    await connection.wait_connected(10)
    for packet in (to_input(1, b"one"), to_input(1, b"one", dup=True), to_input(2, b"two")):
        obedient.visits[0].send(packet)
    await connection.send(Message(b"by now all are there"))
    gate.set()
    assert await obedient.until(2, Puback) == [Puback(1), Puback(2)]
    assert seen == [b"one", b"two"]


async def test_messages_of_a_lost_connection_are_left_for_the_hub_to_repeat(
    obedient: ObedientHub, connection: HubConnection
) -> None:
    """The hub sends them again, perhaps under other ids: an old acknowledgement could take away another message."""
    gate, seen = asyncio.Event(), list[bytes]()

    async def handler(_: str, message: Message) -> None:
        seen.append(message.body)
        await gate.wait()

    connection.on_input(handler)
    await connection.wait_connected(10)
    for packet in (to_input(1, b"in hand"), to_input(2, b"in line")):
        obedient.visits[0].send(packet)
    await connection.send(Message(b"by now both are there"))
    obedient.drop()
    await obedient.until_visits(2)
    await obedient.until(1, Subscribe, 1)
    obedient.visits[1].send(to_input(9, b"in hand", dup=True))
    gate.set()
    assert await obedient.until(1, Puback, 1) == [Puback(9)]
    assert seen == [b"in hand", b"in hand"]


async def test_messages_wait_for_a_handler(obedient: ObedientHub, connection: HubConnection) -> None:
    await connection.wait_connected(10)
    obedient.visits[0].send(to_input(1, b"early"))
    await connection.send(Message(b"by now it is there"))
    received: asyncio.Queue[bytes] = asyncio.Queue()

    async def handler(_: str, message: Message) -> None:
        received.put_nowait(message.body)

    connection.on_input(handler)
    assert await asyncio.wait_for(received.get(), 10) == b"early"
    assert await obedient.until(1, Puback) == [Puback(1)]


async def test_several_messages_are_handled_at_a_time_where_that_is_wanted(obedient: ObedientHub) -> None:
    together = asyncio.Barrier(3)

    async def handler(_: str, __: Message) -> None:
        await together.wait()

    async with connection_to(obedient.endpoint, replace(QUICK, concurrency=3)) as connection:
        connection.on_input(handler)
        await connection.wait_connected(10)
        for number in (1, 2, 3):
            obedient.visits[0].send(to_input(number, b""))
        assert len(await obedient.until(3, Puback)) == 3


async def test_a_message_with_an_unreadable_bag_is_let_go(
    obedient: ObedientHub, connection: HubConnection, caplog: pytest.LogCaptureFixture
) -> None:
    await connection.wait_connected(10)
    obedient.visits[0].send(to_input(1, b"", bag="a=%zz"))
    assert await obedient.until(1, Puback) == [Puback(1)]
    assert "unreadable properties" in caplog.text


async def test_a_message_from_the_cloud_reaches_its_device(obedient: ObedientHub) -> None:
    received: asyncio.Queue[Message] = asyncio.Queue()

    async with connection_to(obedient.endpoint, identity=Identity("edge-1")) as connection:
        connection.on_c2d(received.put)
        await connection.wait_connected(10)
        topic = DeviceBound("edge-1", "%24.mid=7&iothub-ack=full").format()
        obedient.visits[0].send(Publish(topic, b"hello", 1, 1))
        message = await asyncio.wait_for(received.get(), 10)
        assert (message.body, message.message_id) == (b"hello", "7")
        assert await obedient.until(1, Puback) == [Puback(1)]
