"""Our own service client against a real hub: what it does, and what it says when it cannot."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from hotori.model.connection_string import IdentityConnection, ServiceConnection
from hotori.model.identity import Identity
from hotori.model.message import Message
from hotori.model.secret import Secret
from hotori.net.authority import Authority
from hotori.net.http import HttpServer
from hotori.net.ports import bind
from hotori.problems import Language, Problem
from hotori.sdk.backoff import Backoff
from hotori.sdk.event_stream import EventReader
from hotori.sdk.service import ServiceClient
from hotori.testing.addresses import loopback_address
from hotori.testing.cloud_hub import CloudHub

DEVICE = Identity("dev-1")
WRONG = Secret("MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=")


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[CloudHub]:
    async with CloudHub(tmp_path / "cloud", loopback_address()) as hub:
        yield hub


@pytest.fixture
async def client(cloud: CloudHub) -> AsyncIterator[ServiceClient]:
    async with cloud.client() as client:
        yield client


async def problem_of(awaitable: Awaitable[object]) -> Problem:
    with pytest.raises(Problem) as met:
        await awaitable
    return met.value


async def test_a_device_is_added_shown_and_removed(cloud: CloudHub, client: ServiceClient) -> None:
    added = await client.add_device("dev-1")
    connection = IdentityConnection.parse(added.connection_string.reveal())
    assert (connection.host, connection.identity) == (cloud.address, DEVICE)
    assert connection.key == (await cloud.registry.get(DEVICE)).primary
    assert (added.name, added.edge, added.connected, added.enabled) == ("dev-1", False, False, True)
    assert connection.key.reveal() not in repr(added)
    assert [view.name for view in await client.devices()] == ["dev-1"]
    assert (await client.device("dev-1")).document == added.document
    assert not (await client.set_enabled("dev-1", False)).enabled
    await client.remove_device("dev-1")
    assert await client.devices() == []


async def test_an_edge_device_has_modules_and_devices_behind_it(client: ServiceClient) -> None:
    edge = await client.add_device("edge-1", edge=True)
    leaf = await client.add_device("leaf", parent="edge-1")
    child = await client.add_device("edge-2", edge=True, parent="edge-1")
    assert leaf.scope == edge.scope
    assert child.document["parentScopes"] == [edge.scope]
    await client.add_module(Identity("edge-1", "camera"))
    modules = await client.modules("edge-1")
    assert [(module.name, module.managed_by) for module in modules] == [
        ("$edgeAgent", None),
        ("$edgeHub", None),
        ("camera", None),
    ]
    assert "ModuleId=camera" in modules[2].connection_string.reveal()
    await client.remove_module(Identity("edge-1", "camera"))
    assert len(await client.modules("edge-1")) == 2


async def test_problems_arrive_with_their_remedy_in_both_languages(client: ServiceClient) -> None:
    await client.add_device("dev-1")
    taken = await problem_of(client.add_device("dev-1"))
    assert taken.code == "device-exists"
    assert taken.commands() == ("hotori device show dev-1", "hotori device remove dev-1")
    assert "dev-1" in taken.title(Language.JA)
    assert taken.remedy(Language.JA) != taken.remedy(Language.EN)
    assert (await problem_of(client.device("dev-2"))).code == "device-unknown"
    assert (await problem_of(client.add_device("leaf", parent="dev-1"))).code == "parent-unknown"
    assert (await problem_of(client.apply_manifest("dev-1", {}))).code == "not-an-edge-device"
    assert (await problem_of(client.twin(Identity("dev-1", "x")))).code == "module-unknown"
    assert (await problem_of(client.patch_twin(DEVICE, {"a b": 1}))).code == "twin-invalid"
    assert (await problem_of(client.invoke(DEVICE, "m"))).code == "device-offline"
    assert (await problem_of(client.query("SELECT"))).code == "query-invalid"
    assert (await problem_of(client.send_to_device("dev-1", bytes(70_000)))).code == "message-too-large"


async def test_words_with_braces_are_told_as_they_are(client: ServiceClient) -> None:
    await client.add_device("edge-1", edge=True)
    document: Any = {"modulesContent": {"$edgeAgent": {"properties.desired": {"schemaVersion": "${VERSION}"}}}}
    problem = await problem_of(client.apply_manifest("edge-1", document))
    assert problem.code == "placeholder-left"
    assert "${VERSION}" in problem.title()


async def test_twins_are_patched(client: ServiceClient) -> None:
    await client.add_device("dev-1")
    twin: Any = await client.patch_twin(DEVICE, desired={"a": 1}, tags={"room": "b"})
    assert (twin["properties"]["desired"]["a"], twin["tags"]) == (1, {"room": "b"})
    twin = await client.patch_twin(DEVICE, desired={"a": None})
    assert "a" not in twin["properties"]["desired"]
    assert twin == await client.twin(DEVICE)


async def test_a_method_is_answered(cloud: CloudHub, client: ServiceClient) -> None:
    await client.add_device("dev-1")
    async with await cloud.connection(DEVICE) as device:

        async def on_method(name: str, payload: Any) -> tuple[int, Any]:
            return 201, {name: payload}

        device.on_method(on_method)
        answer = await client.invoke(DEVICE, "ask", [1, None], connect_timeout=10)
    assert (answer.status, answer.payload) == (201, {"ask": [1, None]})


async def test_a_message_is_sent_to_a_device(cloud: CloudHub, client: ServiceClient) -> None:
    await client.add_device("dev-1")
    await client.send_to_device("dev-1", b"x", {"Größe": "1 & 2"}, message_id="m", content_type="text/plain")
    got: asyncio.Queue[Message] = asyncio.Queue()
    async with await cloud.connection(DEVICE) as device:

        async def on_message(message: Message) -> None:
            got.put_nowait(message)

        device.on_c2d(on_message)
        message = await asyncio.wait_for(got.get(), 10)
    assert (message.body, dict(message.properties)) == (b"x", {"Größe": "1 & 2"})
    assert (message.message_id, message.content_type) == ("m", "text/plain")


async def test_every_row_of_a_query_comes(client: ServiceClient) -> None:
    for number in range(3):
        await client.add_device(f"dev-{number}")
    assert await client.query("SELECT deviceId FROM devices WHERE deviceId != 'dev-1'") == [
        {"deviceId": "dev-0"},
        {"deviceId": "dev-2"},
    ]


async def test_events_go_on_where_they_broke_off(cloud: CloudHub) -> None:
    """A restart of the hub is not seen by whoever follows."""
    connection, ca = cloud.service(), cloud.authority.certificate
    async with ServiceClient(connection, ca, backoff=Backoff(0.01, 0.05)) as client:
        events = client.events("latest")
        upcoming = asyncio.ensure_future(anext(events))
        while not upcoming.done():
            await say(cloud, 1)
            await asyncio.wait({upcoming}, timeout=0.2)
        first: Any = upcoming.result()
        assert first["body"] == 1
        last = cloud.events.next - 1
        await cloud.stop()
        await cloud.start()
        await say(cloud, 2)
        async with asyncio.timeout(20):
            rest = [event async for event in up_to(events, 2)]
        assert [event["offset"] for event in rest] == list(range(first["offset"] + 1, last + 2))
        await events.aclose()


async def test_events_of_one_device_can_be_chosen(cloud: CloudHub, client: ServiceClient) -> None:
    await say(cloud, 0, Identity("dev-2"))
    await say(cloud, 1)
    events = client.events("earliest", device="dev-1")
    event = await anext(events)
    assert (event["deviceId"], event["body"]) == ("dev-1", 1)
    await events.aclose()


async def test_nobody_there_is_cloud_unreachable(tmp_path: Path) -> None:
    authority = Authority.open(tmp_path)
    nowhere = ServiceConnection(f"{loopback_address()}:1", "iothubowner", WRONG)
    async with ServiceClient(nowhere, authority.certificate) as client:
        assert (await problem_of(client.devices())).code == "cloud-unreachable"
        assert (await problem_of(anext(client.events()))).code == "cloud-unreachable"


async def test_another_authority_is_certificate_untrusted(cloud: CloudHub, tmp_path: Path) -> None:
    other = Authority.open(tmp_path / "other")
    async with ServiceClient(cloud.service(), other.certificate) as client:
        assert (await problem_of(client.devices())).code == "certificate-untrusted"


async def test_another_key_is_token_refused_and_a_wrong_clock_token_expired(cloud: CloudHub) -> None:
    ca = cloud.authority.certificate
    async with ServiceClient(ServiceConnection(cloud.host, "iothubowner", WRONG), ca) as client:
        refused = await problem_of(client.devices())
        assert refused.code == "token-refused"
        assert "iothubowner" in refused.title()
        assert (await problem_of(anext(client.events()))).code == "token-refused"
    async with ServiceClient(cloud.service(), ca, clock=lambda: 1_000_000_000.0) as client:
        assert (await problem_of(client.devices())).code == "token-expired"
    async with ServiceClient(cloud.service("registryRead"), ca) as client:
        assert (await problem_of(client.twin(DEVICE))).code == "right-missing"


async def test_an_answer_of_somebody_else_is_service_failed(tmp_path: Path) -> None:
    """A proxy, or another service on that port."""
    address = loopback_address()
    authority = Authority.open(tmp_path)
    async with stranger(address, authority) as port:
        connection = ServiceConnection(f"{address}:{port}", "iothubowner", WRONG)
        async with ServiceClient(connection, authority.certificate) as client:
            problem = await problem_of(client.devices())
    assert problem.code == "service-failed"
    assert "teapot" in problem.evidence[0]


def test_a_reader_of_events_takes_what_the_standard_allows() -> None:
    reader = EventReader()
    assert [reader.feed("id: 4"), reader.feed("")] == [None, None]
    assert reader.last_id == "4", "a place without an event is kept, too"
    lines = [": alive", "", "data: a", "data:b", "id:5", "event: x", ""]
    assert [data for line in lines if (data := reader.feed(line)) is not None] == ["a\nb"]
    assert reader.last_id == "5"
    reader.feed("data: half")
    reader.restart()
    assert reader.feed("") is None


@asynccontextmanager
async def stranger(address: str, authority: Authority) -> AsyncIterator[int]:
    """A server that is no hub; its port."""

    async def answer(_: Request) -> Response:
        return PlainTextResponse("I am a teapot", 418)

    app = Starlette(routes=[Route("/{path:path}", answer)])
    async with HttpServer(app, bind(address, 0, "teapot"), authority.issue_server([address])) as server:
        yield server.port


async def say(cloud: CloudHub, number: int, sender: Identity = DEVICE) -> None:
    body = json.dumps(number).encode()
    await cloud.hub.accept(Message(body, {}, {"ct": "application/json"}, sender))


async def up_to(events: AsyncIterator[Any], number: int) -> AsyncIterator[Any]:
    """Events until the one that says so."""
    while True:
        event = await anext(events)
        yield event
        if event["body"] == number:
            return
