"""Plain MQTT clients that know nothing of the contract: mosquitto's, over TLS with a SAS token as password."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hotori.model.identity import Identity
from hotori.model.message import Message
from hotori.testing.addresses import loopback_address
from hotori.testing.small_hub import BookDirectory, SmallHub

DEVICE = Identity("dev-1")


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[SmallHub]:
    async with SmallHub(tmp_path / "hub", loopback_address(), BookDirectory("dev-1")) as hub:
        yield hub


async def mosquitto(hub: SmallHub, program: str, *arguments: str, token: str | None = None) -> tuple[int, str]:
    """Run `mosquitto_pub` or `mosquitto_sub` as dev-1; exit status and output."""
    assert hub.authority is not None
    known = ["-h", hub.address, "-p", str(hub.port), "--cafile", str(hub.authority.certificate), "-V", "mqttv311"]
    identity = ["-i", "dev-1", "-u", hub.user_name(DEVICE), "-P", token or hub.token(DEVICE)]
    process = await asyncio.create_subprocess_exec(
        program, *known, *identity, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode is not None
    return process.returncode, output.decode()


async def test_mosquitto_pub_sends_telemetry(hub: SmallHub) -> None:
    topic = "devices/dev-1/messages/events/room=lab%20one"
    for qos in ("0", "1"):
        assert await mosquitto(hub, "mosquitto_pub", "-t", topic, "-m", f"qos {qos}", "-q", qos) == (0, "")
    await _until_there_are(hub, 2)
    events = await hub.events.read(0)
    assert [event.message.body for event in events] == [b"qos 0", b"qos 1"]
    assert events[0].message.properties == {"room": "lab one"}


async def test_mosquitto_sub_receives_messages_from_the_cloud(hub: SmallHub) -> None:
    await hub.hub.send_to_device("dev-1", Message(b"hello", {"k": "a b"}))
    topic = "devices/dev-1/messages/devicebound/#"
    status, output = await mosquitto(hub, "mosquitto_sub", "-t", topic, "-q", "1", "-C", "1", "-F", "%t %p")
    assert status == 0
    received, _, body = output.strip().partition(" ")
    assert body == "hello"
    assert received.endswith("k=a%20b")


async def test_a_wrong_token_is_refused_with_words(hub: SmallHub) -> None:
    arguments = ("-t", "devices/dev-1/messages/events/", "-m", "x")
    status, output = await mosquitto(hub, "mosquitto_pub", *arguments, token=hub.token(DEVICE, expiry=1000))
    assert status == 5
    assert "not authorised" in output
    assert hub.hub.admissions.refused[-1].problem.code == "token-expired"


async def test_the_will_of_a_killed_client_is_published(hub: SmallHub) -> None:
    """1.2"""
    assert hub.authority is not None
    process = await asyncio.create_subprocess_exec(
        *("mosquitto_sub", "-h", hub.address, "-p", str(hub.port), "--cafile", str(hub.authority.certificate)),
        *("-i", "dev-1", "-u", hub.user_name(DEVICE), "-P", hub.token(DEVICE), "-V", "mqttv311"),
        *("-t", "$iothub/methods/POST/#", "--will-topic", "devices/dev-1/messages/events/", "--will-payload", "gone"),
    )
    assert await hub.hub.sessions.callee(DEVICE, 10) is not None
    process.kill()
    await process.wait()
    await _until_there_are(hub, 1)
    [event] = await hub.events.read(0)
    assert (event.message.body, event.message.properties) == (b"gone", {"iothub-MessageType": "Will"})


async def _until_there_are(hub: SmallHub, count: int) -> None:
    async with asyncio.timeout(10):
        while hub.events.next < count:
            await asyncio.sleep(0.01)
