"""Messages to devices over HTTPS: polling, locks, and feedback on what became of them (contract 1.9, 1.11, 2.8)."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from hotori.hub.courier import Terms
from hotori.hub.delivery_counts import COLLECTION
from hotori.hub.locks import LockLostError
from hotori.hub.service_bound import ServiceQueue
from hotori.model.identity import Identity
from hotori.model.message import Message
from hotori.model.sas import sign
from hotori.mqtt.packets import Puback
from hotori.net.tls import client_context
from hotori.store.sqlite import SqliteRecords
from hotori.testing.addresses import loopback_address
from hotori.testing.cloud_hub import CloudHub
from hotori.testing.small_hub import BookDirectory, SmallHub
from hotori.testing.wire_client import WireClient

DEVICE = Identity("dev-1")
BOUND, FEEDBACK = "/devices/dev-1/messages/deviceBound", "/messages/serviceBound/feedback"


class Clock:
    """Hours pass when a test says so."""

    ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def cloud(tmp_path: Path, clock: Clock) -> AsyncIterator[CloudHub]:
    async with CloudHub(tmp_path, loopback_address(), clock, device_terms=Terms(60.0, most_attempts=2)) as hub:
        await hub.registry.create_device("dev-1")
        yield hub


@pytest.fixture
async def service(cloud: CloudHub) -> AsyncIterator[httpx.AsyncClient]:
    async with client(cloud) as http:
        key = cloud.service("service").key
        http.headers["authorization"] = sign(cloud.host, key, int(cloud.clock()) + 99_999, "service")
        yield http


@pytest.fixture
async def device(cloud: CloudHub) -> AsyncIterator[httpx.AsyncClient]:
    """A device that speaks HTTPS, with its own token."""
    async with client(cloud) as http:
        key = (await cloud.registry.get(DEVICE)).primary
        http.headers["authorization"] = sign(f"{cloud.address}/{DEVICE.path()}", key, int(cloud.clock()) + 99_999)
        yield http


def client(cloud: CloudHub) -> httpx.AsyncClient:
    context = client_context(cloud.authority.certificate)
    return httpx.AsyncClient(base_url=f"https://{cloud.host}", verify=context, trust_env=False)


async def send(service: httpx.AsyncClient, body: bytes = b"do it", **headers: str) -> None:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    answer = await service.post(BOUND, content=body, headers=named)
    assert answer.status_code == 204, answer.text


async def eventually(what: Callable[[], Awaitable[httpx.Response]]) -> httpx.Response:
    """The first answer that is not empty."""
    async with asyncio.timeout(10):
        while (answer := await what()).status_code == 204:
            await asyncio.sleep(0.02)
    return answer


async def feedback(service: httpx.AsyncClient, count: int = 1) -> list[tuple[str, str]]:
    """So many records, fetched and completed as they come: message id and what became of it."""
    records: list[dict[str, Any]] = []
    while len(records) < count:
        answer = await eventually(lambda: service.get(FEEDBACK))
        assert answer.headers["content-type"] == "application/vnd.microsoft.iothub.feedback.json"
        token = answer.headers["etag"].strip('"')
        assert (await service.delete(f"{FEEDBACK}/{token}")).status_code == 204
        records += answer.json()
    assert all(record["deviceId"] == "dev-1" and record["deviceGenerationId"] for record in records)
    return [(record["originalMessageId"], record["statusCode"]) for record in records]


async def test_a_device_sends_by_post(cloud: CloudHub, device: httpx.AsyncClient) -> None:
    """1.11"""
    headers = {"iothub-messageid": "m-1", "iothub-app-room": "lab", "iothub-contenttype": "text/plain"}
    sent = await device.post("/devices/dev-1/messages/events?api-version=2021-04-12", content=b"21", headers=headers)
    assert sent.status_code == 204
    message = (await cloud.events.read(0))[0].message
    assert (message.sender, message.body, dict(message.properties)) == (DEVICE, b"21", {"room": "lab"})
    assert (message.message_id, message.content_type) == ("m-1", "text/plain")
    large = await device.post("/devices/dev-1/messages/events", content=bytes(262_145))
    assert (large.status_code, large.headers["iothub-errorcode"]) == (413, "MessageTooLarge")
    other = await device.post("/devices/dev-2/messages/events", content=b"")
    assert other.status_code == 401


async def test_a_message_is_received_with_its_properties_and_completed(
    service: httpx.AsyncClient, device: httpx.AsyncClient
) -> None:
    """1.11: headers, ETag is the lock"""
    assert (await device.get(BOUND)).status_code == 204
    await send(service, iothub_messageid="m-1", iothub_ack="full", iothub_app_room="lab")
    got = await device.get(BOUND)
    assert (got.status_code, got.content) == (200, b"do it")
    shown = {name: got.headers[f"iothub-{name}"] for name in ("messageid", "ack", "deliverycount", "app-room", "to")}
    assert shown == {
        "messageid": "m-1",
        "ack": "full",
        "deliverycount": "0",
        "app-room": "lab",
        "to": "/devices/dev-1/messages/deviceBound",
    }
    assert {"iothub-sequencenumber", "iothub-enqueuedtime", "iothub-expiry"} <= got.headers.keys()
    assert (await device.get(BOUND)).status_code == 204, "it is locked"
    token = got.headers["etag"].strip('"')
    assert (await device.delete(f"{BOUND}/{token}")).status_code == 204
    again = await device.delete(f"{BOUND}/{token}")
    assert (again.status_code, again.headers["iothub-errorcode"]) == (412, "DeviceMessageLockLost")
    assert again.json()["problem"]["code"] == "lock-lost"
    assert (await service.get("/twins/dev-1")).json()["cloudToDeviceMessageCount"] == 0
    assert await feedback(service) == [("m-1", "Success")]


async def test_feedback_comes_only_where_it_was_asked_for(
    service: httpx.AsyncClient, device: httpx.AsyncClient
) -> None:
    """1.6, 2.8: iothub-ack"""
    for ack in ("none", "positive", "negative", "full"):
        for ending in ("good", "bad"):
            await send(service, iothub_messageid=f"{ack}-{ending}", iothub_ack=ack)
            token = (await device.get(BOUND)).headers["etag"].strip('"')
            query = "?reject" if ending == "bad" else ""
            assert (await device.delete(f"{BOUND}/{token}{query}")).status_code == 204
    assert await feedback(service, 4) == [
        ("positive-good", "Success"),
        ("negative-bad", "Rejected"),
        ("full-good", "Success"),
        ("full-bad", "Rejected"),
    ]
    refused = await service.post(BOUND, headers={"iothub-ack": "maybe"})
    assert refused.status_code == 400


async def test_what_is_received_too_often_is_given_up(service: httpx.AsyncClient, device: httpx.AsyncClient) -> None:
    """1.9: maxDeliveryCount, here 2"""
    await send(service, iothub_messageid="m-1", iothub_ack="negative")
    for count in ("0", "1"):
        got = await device.get(BOUND)
        assert got.headers["iothub-deliverycount"] == count
        assert (await device.post(f"{BOUND}/{got.headers['etag']}/abandon")).status_code == 204
    assert (await device.get(BOUND)).status_code == 204
    assert await feedback(service) == [("m-1", "DeliveryCountExceeded")]


async def test_what_is_not_settled_in_time_is_received_again(tmp_path: Path) -> None:
    """1.9: the lock, here a fifth of a second"""
    async with CloudHub(tmp_path / "hub", loopback_address(), device_terms=Terms(0.2, most_attempts=9)) as cloud:
        await cloud.registry.create_device("dev-1")
        await cloud.hub.send_to_device("dev-1", Message(b"hello"))
        locks = cloud.hub.device_bound.locks
        first = await locks.receive("c2d:dev-1")
        async with asyncio.timeout(10):
            while (again := await locks.receive("c2d:dev-1")) is None:
                await asyncio.sleep(0.02)
        assert first is not None
        with pytest.raises(LockLostError):
            locks.complete("c2d:dev-1", first.token)
        assert again.received[0].message.body == b"hello"


async def test_what_expires_or_is_purged_is_told(
    service: httpx.AsyncClient, device: httpx.AsyncClient, clock: Clock
) -> None:
    """1.9: an hour, or what iothub-expiry says, at most two days"""
    await send(service, iothub_messageid="hour", iothub_ack="full")
    await send(service, iothub_messageid="days", iothub_ack="full", iothub_expiry="2035-01-01T00:00:00Z")
    clock.ahead += 3601
    assert await feedback(service) == [("hour", "Expired")]
    assert (await service.delete("/devices/dev-1/commands")).json()["totalMessagesPurged"] == 1
    assert await feedback(service) == [("days", "Purged")]
    assert (await device.get(BOUND)).status_code == 204


async def test_expired_messages_take_no_place_in_a_full_queue(service: httpx.AsyncClient, clock: Clock) -> None:
    for _ in range(50):
        await send(service)
    assert (await service.post(BOUND)).status_code == 403
    clock.ahead += 3601
    await send(service)


async def test_feedback_is_fetched_in_batches_and_given_back_when_abandoned(
    service: httpx.AsyncClient, cloud: CloudHub
) -> None:
    """2.8: up to 64"""
    for _ in range(2):
        for number in range(33):
            await send(service, iothub_messageid=str(number), iothub_ack="full")
        cloud.hub.device_bound.purge("dev-1")
        cloud.hub.device_bound.settle()
    async with asyncio.timeout(10):
        while len(cloud.hub.queues.queue(ServiceQueue.FEEDBACK.value)) < 66:
            await asyncio.sleep(0.02)
    first = await service.get(FEEDBACK)
    assert len(first.json()) == 64
    token = first.headers["etag"].strip('"')
    assert (await service.post(f"{FEEDBACK}/{token}/abandon")).status_code == 204
    assert len(await feedback(service, 66)) == 66
    assert (await service.get(FEEDBACK)).status_code == 204
    assert (await service.get("/messages/serviceBound/nothing")).status_code == 400


async def test_messages_and_their_feedback_survive_a_restart(
    cloud: CloudHub, service: httpx.AsyncClient, device: httpx.AsyncClient
) -> None:
    await send(service, iothub_messageid="before", iothub_ack="full")
    await send(service, iothub_messageid="held", iothub_ack="full")
    await device.get(BOUND)
    await cloud.stop()
    await cloud.start()
    for _ in range(2):
        got = await device.get(BOUND)
        assert (await device.delete(f"{BOUND}/{got.headers['etag']}")).status_code == 204
    await cloud.stop()
    await cloud.start()
    assert await feedback(service, 2) == [("before", "Success"), ("held", "Success")]


async def test_deliveries_are_counted_on_over_a_restart(
    cloud: CloudHub, service: httpx.AsyncClient, device: httpx.AsyncClient
) -> None:
    """1.5, 1.11: and so a message that was delivered too often goes"""
    await send(service, b"often", iothub_messageid="often", iothub_ack="negative")
    await send(service, b"once")
    for count in ("0", "1"):
        got = await device.get(BOUND)
        assert (got.content, got.headers["iothub-deliverycount"]) == (b"often", count)
        await cloud.stop()  # with the message locked
        await cloud.start()
    got = await device.get(BOUND)
    assert (got.content, got.headers["iothub-deliverycount"]) == (b"once", "0")
    assert await feedback(service) == [("often", "DeliveryCountExceeded")]


async def test_deliveries_by_publish_are_counted_over_a_crash(tmp_path: Path) -> None:
    """1.5: what was saved a second before the end is known; what is settled is forgotten"""
    hub = SmallHub(tmp_path / "hub", loopback_address(), BookDirectory("dev-1"), tls=False)
    async with hub:
        await hub.hub.send_to_device("dev-1", Message(b"again"))
        client = await WireClient.connect(hub, DEVICE)
        await client.subscribe("devices/dev-1/messages/devicebound/#")
        got = await client.expect_publish()
        records = hub.stores[0]
        assert isinstance(records, SqliteRecords)
        async with asyncio.timeout(10):
            while await records.get(COLLECTION, "c2d:dev-1") is None:
                await asyncio.sleep(0.05)
        await asyncio.to_thread(shutil.copytree, tmp_path / "hub", tmp_path / "killed")
        await client.close()

    async with SmallHub(tmp_path / "killed", loopback_address(), BookDirectory("dev-1"), tls=False) as hub:
        assert [*hub.hub.queues.queue("c2d:dev-1").attempts().values()] == [1]
        client = await WireClient.connect(hub, DEVICE)
        await client.subscribe("devices/dev-1/messages/devicebound/#")
        got = await client.expect_publish()
        assert got.dup
        client.send(Puback(got.packet_id))
        records = hub.stores[0]
        assert isinstance(records, SqliteRecords)
        async with asyncio.timeout(10):
            while await records.get(COLLECTION, "c2d:dev-1") is not None:
                await asyncio.sleep(0.05)
        await client.close()


async def test_an_acknowledged_publish_completes(cloud: CloudHub, service: httpx.AsyncClient) -> None:
    """1.5: PUBACK is complete"""
    await send(service, iothub_messageid="m-1", iothub_ack="positive")
    got: asyncio.Queue[Message] = asyncio.Queue()
    async with await cloud.connection(DEVICE) as connection:

        async def on_message(message: Message) -> None:
            got.put_nowait(message)

        connection.on_c2d(on_message)
        message = await asyncio.wait_for(got.get(), 10)
        assert message.properties["iothub-ack"] == "positive"
        assert await feedback(service) == [("m-1", "Success")]


async def test_only_the_device_itself_receives_its_messages(cloud: CloudHub, service: httpx.AsyncClient) -> None:
    """2.1: DeviceConnect"""
    assert (await service.get(BOUND)).status_code == 401
    key = cloud.service("device").key
    token = sign(cloud.host, key, int(cloud.clock()) + 3600, "device")
    assert (await service.get(BOUND, headers={"authorization": token})).status_code == 204
