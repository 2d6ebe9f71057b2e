"""Direct methods (contract 1.8, 2.4): whom they reach, and what becomes of those that reach nobody."""

from __future__ import annotations

import asyncio

import pytest

from hotori.hub.methods import MethodInvalidError, MethodTimeoutError, NotOnlineError
from hotori.model.identity import Identity
from hotori.model.json import Json
from hotori.mqtt.packets import Puback, Publish
from hotori.mqtt.topics import METHOD_CALLS
from hotori.testing.small_hub import SmallHub
from hotori.testing.wire_client import WireClient

DEVICE, OTHER = Identity("dev-1"), Identity("dev-2")


async def answer(client: WireClient, payload: bytes) -> None:
    asked = await client.expect_publish()
    rid = asked.topic.rpartition("=")[2]
    client.send(Publish(f"$iothub/methods/res/200/?$rid={rid}", payload, 1, 1))


async def test_nobody_there_is_not_online(cloud: SmallHub) -> None:
    with pytest.raises(NotOnlineError):
        await cloud.hub.methods.invoke(DEVICE, "blink")


async def test_connected_and_not_subscribed_is_not_online(cloud: SmallHub) -> None:
    """1.8"""
    client = await WireClient.connect(cloud, DEVICE)
    with pytest.raises(NotOnlineError):
        await cloud.hub.methods.invoke(DEVICE, "blink", connect_timeout=0.05)
    await client.close()


async def test_a_call_can_wait_for_its_device_to_come_and_subscribe(cloud: SmallHub) -> None:
    """1.8: connect timeout"""
    call = asyncio.create_task(cloud.hub.methods.invoke(DEVICE, "blink", connect_timeout=10))
    client = await WireClient.connect(cloud, DEVICE)
    await client.subscribe(METHOD_CALLS)
    await answer(client, b"")
    assert (await call).payload is None
    await client.close()


async def test_no_answer_in_time_is_a_timeout_and_a_late_one_is_let_go(cloud: SmallHub) -> None:
    client = await WireClient.connect(cloud, DEVICE)
    await client.subscribe(METHOD_CALLS)
    with pytest.raises(MethodTimeoutError):
        await cloud.hub.methods.invoke(DEVICE, "blink", response_timeout=0.05)
    await answer(client, b"1")
    call = asyncio.create_task(cloud.hub.methods.invoke(DEVICE, "blink"))
    await answer(client, b"2")
    assert (await call).payload == 2
    await client.close()


async def test_nobody_can_answer_for_another(cloud: SmallHub) -> None:
    client, other = await WireClient.connect(cloud, DEVICE), await WireClient.connect(cloud, OTHER)
    await client.subscribe(METHOD_CALLS)
    call = asyncio.create_task(cloud.hub.methods.invoke(DEVICE, "blink"))
    asked = await client.expect_publish()
    topic = f"$iothub/methods/res/200/?$rid={asked.topic.rpartition('=')[2]}"
    other.send(Publish(topic, b'"forged"', 1, 1))
    await other.expect(Puback)
    client.send(Publish(topic, b'"true"', 1, 1))
    assert (await call).payload == "true"
    await client.close()
    await other.close()


@pytest.mark.parametrize(
    ("name", "payload"), [("", None), ("x" * 101, None), ("a/b", None), ("a+", None), ("big", "x" * (128 * 1024))]
)
async def test_a_call_beyond_the_limits_is_refused(cloud: SmallHub, name: str, payload: Json) -> None:
    """1.8"""
    with pytest.raises(MethodInvalidError):
        await cloud.hub.methods.invoke(DEVICE, name, payload)


async def test_an_answer_beyond_the_limit_fails_the_call(cloud: SmallHub) -> None:
    """1.8: 128 KB"""
    client = await WireClient.connect(cloud, DEVICE)
    await client.subscribe(METHOD_CALLS)
    call = asyncio.create_task(cloud.hub.methods.invoke(DEVICE, "blink"))
    await answer(client, b'"%b"' % (b"x" * (128 * 1024)))
    with pytest.raises(MethodInvalidError, match="the answer has more than"):
        await call
    await client.close()
