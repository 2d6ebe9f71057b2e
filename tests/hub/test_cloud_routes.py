"""Routes of the cloud: to its event log, to containers and to webhooks; real stores, real listeners, real clients."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from azure.iot.device import IoTHubDeviceClient
from azure.iot.device import Message as SdkMessage
from azure.storage.blob import ContainerClient
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hotori.model.connection_string import StorageConnection
from hotori.model.identity import Identity
from hotori.model.message import Message
from hotori.model.message_document import message_document
from hotori.model.secret import Secret
from hotori.net.http import HttpServer
from hotori.net.ports import bind
from hotori.net.tls import client_context
from hotori.objects.blob_files import BlobFiles
from hotori.objects.server import objects_app
from hotori.problems import Problem
from hotori.sdk.routing import RoutingClient
from hotori.sdk.sas_container import SasContainer
from hotori.store.sqlite import SqliteRecords
from hotori.testing.addresses import loopback_address
from hotori.testing.cloud_hub import CloudHub

KEY = Secret("AAAA" * 21 + "AA==")
DEVICE, CAMERA = Identity("dev-1"), Identity("edge-1", "camera")
JSON = {"ct": "application/json", "ce": "utf-8"}


@pytest.fixture
async def storage(tmp_path: Path) -> AsyncIterator[StorageConnection]:
    records = SqliteRecords.open(tmp_path / "objects.sqlite")
    app = objects_app(BlobFiles(records, tmp_path / "content"), {"hotori": (KEY,)})
    async with HttpServer(app, bind("127.0.0.1", 0, "object store")) as server:
        yield StorageConnection("hotori", KEY, f"http://127.0.0.1:{server.port}/hotori")
    await records.close()


@pytest.fixture
async def cloud(tmp_path: Path, storage: StorageConnection) -> AsyncIterator[CloudHub]:
    hub = CloudHub(tmp_path / "cloud", loopback_address())
    hub.storage = storage
    async with hub:
        yield hub


@pytest.fixture
async def client(cloud: CloudHub) -> AsyncIterator[RoutingClient]:
    async with cloud.client() as service:
        yield RoutingClient(service)


@dataclass
class Hook:
    """A web address that takes what is posted to it, while `open`."""

    requests: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    status: int = 204
    refused: int = 0
    url: str = ""

    async def take(self, request: Request) -> Response:
        body = await request.body()
        if self.status >= 300:
            self.refused += 1
        else:
            self.requests.append((dict(request.headers), body))
        return Response(status_code=self.status)

    def events(self) -> list[Any]:
        return [event for _, body in self.requests for event in json.loads(body)]


@asynccontextmanager
async def hook() -> AsyncIterator[Hook]:
    made = Hook()
    app = Starlette(routes=[Route("/in", made.take, methods=["POST"])])
    async with HttpServer(app, bind("127.0.0.1", 0, "a web address")) as server:
        made.url = f"http://127.0.0.1:{server.port}/in"
        yield made


async def until(condition: Callable[[], bool | Awaitable[bool]]) -> None:
    async with asyncio.timeout(20):
        while True:
            met = condition()
            if met if isinstance(met, bool) else await met:
                return
            await asyncio.sleep(0.01)


async def say(cloud: CloudHub, number: int, sender: Identity = DEVICE, **properties: str) -> None:
    body = json.dumps({"n": number}).encode()
    await cloud.hub.accept(Message(body, properties, JSON, sender, "out" if sender.module else None))


async def numbers(cloud: CloudHub) -> list[int]:
    return [json.loads(event.message.body)["n"] for event in await cloud.events.read(0)]


async def refusal(awaitable: Awaitable[object]) -> Problem:
    with pytest.raises(Problem) as met:
        await awaitable
    return met.value


async def test_without_routes_everything_goes_to_the_event_log_unless_that_is_switched_off(
    cloud: CloudHub, client: RoutingClient
) -> None:
    await say(cloud, 1)
    await client.set_fallback(False)
    await say(cloud, 2)
    await client.put_route("all", "FROM /messages/modules/* INTO $events")
    await say(cloud, 3)
    await say(cloud, 4, CAMERA)
    await client.set_fallback(True)
    await say(cloud, 5)
    assert await numbers(cloud) == [1, 4, 5]
    assert (await client.routing())["unrouted"] == 2


async def test_an_unmodified_device_s_messages_become_blobs_that_an_unmodified_client_reads(
    cloud: CloudHub, client: RoutingClient, storage: StorageConnection
) -> None:
    await cloud.registry.create_device("dev-1")
    await client.put_endpoint(
        "archive", {"type": "storage", "container": "telemetry", "batchSeconds": 60, "batchMessages": 3}
    )
    await client.put_route("hot", "FROM /messages/* WHERE as_number(level) > 5 INTO Endpoint('archive')")
    device = IoTHubDeviceClient.create_from_connection_string(
        await cloud.connection_string(DEVICE), server_verification_cert=cloud.authority.pem
    )
    bodies = [b'{"n": 0}', b'{"n": 1}', b"\xff", b'{"n": 3}']

    def send() -> None:
        device.connect()
        for number, body in enumerate(bodies):
            message = SdkMessage(body)
            message.content_type, message.content_encoding = ("application/json", "utf-8")
            message.custom_properties["level"] = "9" if number else "1"
            device.send_message(message)
        device.shutdown()

    await asyncio.to_thread(send)
    await until(lambda: _delivered(client, "archive", 3))
    blobs = await asyncio.to_thread(_read_blobs, storage, "telemetry")
    [(name, content)] = blobs.items()
    hub, partition, *moment, _file = name.split("/")
    assert hub == cloud.address
    assert partition.isdecimal()
    assert len(moment) == 5
    lines = [json.loads(line) for line in content.splitlines()]
    assert [line["Body"] for line in lines] == [{"n": 1}, "/w==", {"n": 3}]
    assert lines[0]["Properties"] == {"level": "9"}
    assert lines[0]["SystemProperties"]["connectionDeviceId"] == "dev-1"
    assert lines[0]["SystemProperties"]["contentType"] == "application/json"
    assert lines[0]["EnqueuedTimeUtc"].endswith("Z")
    assert await numbers(cloud) == [0]


async def _delivered(client: RoutingClient, name: str, count: int) -> bool:
    return any(each["name"] == name and each["delivered"] == count for each in (await client.routing())["endpoints"])


def _read_blobs(storage: StorageConnection, container: str) -> dict[str, bytes]:
    with ContainerClient(storage.endpoint, container, credential=KEY.reveal(), api_version="2021-12-02") as blobs:
        return {blob.name: blobs.download_blob(blob.name).readall() for blob in blobs.list_blobs()}


async def test_raw_blobs_hold_the_bodies_as_they_are(
    cloud: CloudHub, client: RoutingClient, storage: StorageConnection
) -> None:
    await client.put_endpoint("raw", {"type": "storage", "format": "raw", "batchSeconds": 0, "nameTemplate": "in/{HH}"})
    await client.put_route("raw", "FROM /messages/* INTO Endpoint('raw')")
    await cloud.hub.accept(Message(b"\x00\x01", {}, {"ct": "image/jpeg"}, DEVICE))
    await until(lambda: _delivered(client, "raw", 1))
    [(name, content)] = (await asyncio.to_thread(_read_blobs, storage, "raw")).items()
    assert name.startswith("in/")
    assert content == b"\x00\x01"


async def test_a_webhook_gets_signed_cloud_events_in_the_order_of_their_acceptance(
    cloud: CloudHub, client: RoutingClient
) -> None:
    async with hook() as address:
        await client.put_endpoint("alarms", {"type": "webhook", "url": address.url, "secret": "s3cret"})
        await client.put_route("alarms", "FROM /messages/* INTO Endpoint('alarms')")
        for number in range(5):
            await say(cloud, number, CAMERA, traceparent="00-1")
        await until(lambda: len(address.events()) == 5)
    events = address.events()
    assert [event["data"]["n"] for event in events] == [0, 1, 2, 3, 4]
    assert events[0]["specversion"] == "1.0"
    assert events[0]["source"] == f"//{cloud.address}/devices/edge-1/camera"
    assert (events[0]["subject"], events[0]["traceparent"]) == ("out", "00-1")
    assert len({event["id"] for event in events}) == 5
    headers, body = address.requests[0]
    assert headers["content-type"].startswith("application/cloudevents-batch+json")
    moment, _, digest = headers["hotori-signature"].removeprefix("t=").partition(",v1=")
    assert digest == hmac.new(b"s3cret", f"{moment}.".encode() + body, hashlib.sha256).hexdigest()


async def test_what_a_webhook_refuses_waits_in_order_over_a_restart_and_holds_up_nobody_else(
    cloud: CloudHub, client: RoutingClient
) -> None:
    async with hook() as down, hook() as up:
        down.status = 503
        for name, address in (("down", down), ("up", up)):
            await client.put_endpoint(name, {"type": "webhook", "url": address.url, "format": "json"})
            await client.put_route(name, f"FROM /messages/* INTO Endpoint('{name}')")
        for number in range(4):
            await say(cloud, number)
        await until(lambda: len(up.events()) == 4 and down.refused > 1)
        listed = {each["name"]: each for each in (await client.routing())["endpoints"]}
        assert (listed["down"]["pending"], listed["up"]["pending"]) == (4, 0)
        assert "HTTP 503" in listed["down"]["problem"]
        assert listed["up"]["problem"] is None
        problem = cloud.services.endpoints.problem("down")
        assert problem is not None
        assert problem.code == "endpoint-failed"
        assert down.url in problem.title() + problem.cause()
        await cloud.stop()
        down.status = 200
        await cloud.start()
        await until(lambda: len(down.events()) == 4)
        assert [event["body"]["n"] for event in down.events()] == [0, 1, 2, 3]


async def test_what_a_webhook_never_took_is_put_aside_and_can_be_sent_again(tmp_path: Path) -> None:
    now = [1_000_000.0]
    cloud = CloudHub(tmp_path / "cloud", loopback_address(), clock=lambda: now[0])
    async with cloud, cloud.client() as service, hook() as address:
        client = RoutingClient(service)
        address.status = 400
        await client.put_endpoint("hook", {"type": "webhook", "url": address.url, "timeToLiveSecs": 60})
        await client.put_route("hook", "FROM /messages/* INTO Endpoint('hook')")
        await say(cloud, 1)
        await until(lambda: address.refused > 0)
        now[0] += 61
        await until(lambda: _dead(client, "hook", 1))
        [letter] = await client.dead_letters("hook")
        assert letter["body"] == {"n": 1}
        address.status = 200
        assert await client.retry_dead_letters("hook") == 1
        await until(lambda: len(address.events()) == 1)
        assert await client.dead_letters("hook") == []


async def _dead(client: RoutingClient, name: str, count: int) -> bool:
    return any(each["name"] == name and each["deadLetters"] == count for each in (await client.routing())["endpoints"])


async def test_routes_and_endpoints_that_cannot_be_are_refused_and_change_nothing(
    cloud: CloudHub, client: RoutingClient
) -> None:
    assert "column 23" in (await refusal(client.put_route("r", "FROM /messages/* INTO $upstream"))).cause()
    assert (await refusal(client.put_route("r", "FROM /messages/* INTO Endpoint('x')"))).code == "endpoint-unknown"
    for document, words in (
        ({"type": "queue"}, "storage or webhook"),
        ({"type": "webhook", "url": "http://example.net/"}, "https://"),
        ({"type": "webhook", "url": "ftp://example.net/"}, "https://"),
        ({"type": "storage", "container": "A"}, "no name of a container"),
        ({"type": "storage", "nameTemplate": "{year}"}, "year"),
        ({"type": "storage", "batchSeconds": -1}, "batchSeconds"),
        ({"type": "storage", "format": "avro"}, "json or raw"),
    ):
        problem = await refusal(client.put_endpoint("abc", document))
        assert problem.code == "endpoint-invalid"
        assert words in problem.cause()
    await client.put_endpoint("abc", {"type": "webhook", "url": "https://127.0.0.1:1/", "secret": "s3cret"})
    await client.put_route("r", "FROM /messages/* INTO Endpoint('abc')")
    assert (await refusal(client.delete_endpoint("abc"))).code == "endpoint-in-use"
    assert "s3cret" not in json.dumps(await client.routing())
    await client.delete_route("r")
    assert (await refusal(client.delete_route("r"))).code == "route-unknown"
    await client.delete_endpoint("abc")
    assert (await client.routing())["endpoints"] == []


async def test_a_container_whose_token_does_not_open_it_says_so(storage: StorageConnection) -> None:
    """Contract 9: a container is lent with its address and a token; this one is made up."""
    lent = SasContainer(
        f"{storage.endpoint}/lent?sv=2021-12-02&sr=c&sp=rcw&se=2000-01-01&sig=AAAA", client_context(None)
    )
    with pytest.raises(Problem) as caught:
        await lent.put("bundle.zip", b"x", "application/zip")
    assert caught.value.code == "lent-container-refused"
    assert "AAAA" not in str(caught.value.document()), "the token is nobody's business"


async def test_the_cloud_explains_where_a_message_would_go(cloud: CloudHub, client: RoutingClient) -> None:
    await client.put_route("cats", "FROM /messages/modules/* WHERE label = 'cat' INTO $events")
    cat = Message(b"", {"label": "cat"}, {}, CAMERA)
    explained = await client.explain(message_document(cat))
    assert [endpoint["route"] for endpoint in explained["endpoints"]] == ["cats"]
    explained = await client.explain(message_document(Message(b"", {}, {}, DEVICE)))
    assert explained["endpoints"] == [{"endpoint": "$events", "route": None, "routes": []}]
    assert (await refusal(client.explain({"body": {"base64": "!"}}))).code == "message-unreadable"


async def test_routes_and_accounts_are_there_after_a_restart(cloud: CloudHub, client: RoutingClient) -> None:
    async with hook() as address:
        await client.put_endpoint("hook", {"type": "webhook", "url": address.url})
        await client.put_route("hook", "FROM /messages/* INTO Endpoint('hook')", priority=3)
        await say(cloud, 1)
        await until(lambda: _delivered(client, "hook", 1))
        await cloud.stop()
        await cloud.start()
        [route] = (await client.routing())["routes"]
    assert route["priority"] == 3
    assert (route["accepted"], route["delivered"], route["pending"]) == (1, 1, 0)
