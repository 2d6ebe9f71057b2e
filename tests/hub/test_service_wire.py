"""The service API on the wire: what every client of the contract relies on (contract 2)."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote, quote_plus

import httpx
import pytest

from hotori.hub.registry import Draft
from hotori.model.identity import EDGE_HUB, Identity
from hotori.model.message import Message
from hotori.model.sas import sign
from hotori.net.tls import client_context
from hotori.testing.addresses import loopback_address
from hotori.testing.cloud_hub import CloudHub


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[CloudHub]:
    async with CloudHub(tmp_path, loopback_address()) as hub:
        yield hub


@pytest.fixture
async def http(cloud: CloudHub) -> AsyncIterator[httpx.AsyncClient]:
    """A client with the owner's rights."""
    async with anybody(cloud) as client:
        client.headers["authorization"] = policy_token(cloud)
        yield client


def anybody(cloud: CloudHub) -> httpx.AsyncClient:
    context = client_context(cloud.authority.certificate)
    return httpx.AsyncClient(base_url=f"https://{cloud.host}", verify=context, trust_env=False)


def policy_token(cloud: CloudHub, policy: str = "iothubowner", resource: str | None = None, life: int = 3600) -> str:
    key = cloud.service(policy).key
    return sign(resource or cloud.host, key, int(cloud.clock()) + life, policy)


async def identity_token(cloud: CloudHub, identity: Identity) -> str:
    key = (await cloud.registry.get(identity)).primary
    return sign(f"{cloud.address}/{identity.path()}", key, int(cloud.clock()) + 3600)


def code_of(response: httpx.Response) -> tuple[int, str, str]:
    """Status, code by name, and the problem's code; the name stands in the header and first in the message, and the
    failure has an id and the time at which it happened (2.11)."""
    body = response.json()
    name = response.headers["iothub-errorcode"]
    assert body["Message"].startswith(f"ErrorCode:{name};")
    tracking = re.fullmatch(r"Tracking ID:[0-9a-f]{32}-TimeStamp:(.+)", body["ExceptionMessage"])
    assert tracking is not None
    assert abs(datetime.now(UTC) - datetime.fromisoformat(tracking[1])) < timedelta(minutes=1)
    return response.status_code, name, body["problem"]["code"]


async def test_a_device_is_created_once_changed_with_its_etag_and_deleted(http: httpx.AsyncClient) -> None:
    """2.2: 200, 409 409001, 412 412001, 204; etags are bare in bodies"""
    created = await http.put("/devices/dev-1", json={"deviceId": "dev-1"})
    assert created.status_code == 200
    assert created.headers["content-type"] == "application/json; charset=utf-8"
    etag = created.json()["etag"]
    assert '"' not in etag
    again = await http.put("/devices/dev-1", json={"deviceId": "dev-1"})
    assert code_of(again) == (409, "DeviceAlreadyExists", "device-exists")
    off = {"status": "disabled", "statusReason": "in repair"}
    changed = await http.put("/devices/dev-1", json=off, headers={"If-Match": f'"{etag}"'})
    assert (changed.json()["status"], changed.json()["statusReason"]) == ("disabled", "in repair")
    assert changed.json()["authentication"] == created.json()["authentication"]
    stale = await http.delete("/devices/dev-1", headers={"If-Match": f'"{etag}"'})
    assert code_of(stale) == (412, "PreconditionFailed", "changed-meanwhile")
    assert (await http.delete("/devices/dev-1", headers={"If-Match": '"*"'})).status_code == 204
    assert code_of(await http.get("/devices/dev-1")) == (404, "DeviceNotFound", "device-unknown")


@pytest.mark.parametrize("form", ['"{}"', "{}", 'W/"{}"', "*", '"*"'])
async def test_if_match_may_be_quoted_bare_weak_or_any(http: httpx.AsyncClient, form: str) -> None:
    """2.2, trap 19"""
    etag = (await http.put("/devices/dev-1", json={})).json()["etag"]
    changed = await http.put("/devices/dev-1", json={"status": "disabled"}, headers={"If-Match": form.format(etag)})
    assert changed.status_code == 200


async def test_a_device_shows_all_members_of_the_contract(http: httpx.AsyncClient) -> None:
    """2.2: times that never were are in the year 1"""
    await http.put("/devices/dev-1", json={})
    device = (await http.get("/devices/dev-1")).json()
    assert device["connectionState"] == "Disconnected"
    assert device["lastActivityTime"].startswith("0001-01-01T00:00:00")
    assert device["authentication"]["type"] == "sas"
    assert device["generationId"].isdecimal()
    assert device["cloudToDeviceMessageCount"] == 0
    assert device["capabilities"] == {"iotEdge": False}


@pytest.mark.parametrize("path", ["/devices", "/devices/"])
async def test_collections_may_end_in_a_slash(http: httpx.AsyncClient, path: str) -> None:
    """2.1, trap 18"""
    for name in ("a", "b", "c"):
        await http.put(f"/devices/{name}", json={})
    assert [device["deviceId"] for device in (await http.get(path, params={"top": 2})).json()] == ["a", "b"]


async def test_names_in_addresses_are_percent_encoded(http: httpx.AsyncClient) -> None:
    """2.1"""
    await http.put("/devices/edge-1", json={"capabilities": {"iotEdge": True}})
    module = await http.get("/devices/edge-1/modules/%24edgeAgent")
    assert module.json()["moduleId"] == "$edgeAgent"
    assert module.json()["managedBy"] is None
    odd = "it's(50%)"
    assert (await http.put(f"/devices/{quote(odd, safe='')}", json={"deviceId": odd})).json()["deviceId"] == odd


async def test_what_cannot_be_done_is_refused_with_the_reason(http: httpx.AsyncClient) -> None:
    """2.11"""
    certificate = {"authentication": {"type": "selfSigned"}}
    assert code_of(await http.put("/devices/d", json=certificate))[2] == "thumbprint-malformed"
    unknown = {"authentication": {"type": "tpm"}}
    assert code_of(await http.put("/devices/d", json=unknown))[2] == "authentication-unsupported"
    for body in ('{"deviceId": "other"}', '{"status": "asleep"}', '{"authentication": 1}', "[]", "{", '{"status": 1}'):
        response = await http.put("/devices/d", content=body)
        assert code_of(response) == (400, "ArgumentInvalid", "request-malformed"), body
    assert code_of(await http.put("/devices/d%20e", json={}))[2] == "name-invalid"
    assert (await http.get("/nowhere")).status_code == 404
    assert (await http.delete("/devices")).status_code == 405
    assert code_of(await http.put("/devices/d", content=b" " * 5_000_000))[:2] == (413, "MessageTooLarge")


async def test_every_policy_may_do_what_its_rights_allow(cloud: CloudHub) -> None:
    """2.1: rights"""
    await cloud.registry.create_device("dev-1")
    async with anybody(cloud) as client:

        async def allowed(policy: str) -> list[bool]:
            headers = {"authorization": policy_token(cloud, policy)}
            calls = [
                client.get("/devices/dev-1", headers=headers),
                client.put("/devices/dev-1", headers={**headers, "if-match": "*"}, json={}),
                client.get("/twins/dev-1", headers=headers),
                client.post("/devices/query", headers=headers, json={"query": "SELECT * FROM devices"}),
            ]
            return [response.is_success for response in await asyncio.gather(*calls)]

        assert await allowed("iothubowner") == [True, True, True, True]
        assert await allowed("service") == [False, False, True, True]
        assert await allowed("registryRead") == [True, False, False, True]
        assert await allowed("registryReadWrite") == [True, True, False, True]
        assert await allowed("device") == [False, False, False, False]


async def test_tokens_are_refused_with_401_and_the_reason(cloud: CloudHub) -> None:
    """2.1, 1.3"""
    good = policy_token(cloud)
    tokens = {
        "": "token-refused",
        "Bearer abc": "token-refused",
        policy_token(cloud, life=-400): "token-expired",
        policy_token(cloud, resource="other.example.net"): "token-refused",
        good.replace("skn=iothubowner", "skn=service"): "token-refused",
        good.replace("skn=iothubowner", "skn=nobody"): "token-refused",
        policy_token(cloud, "device"): "right-missing",
        sign(f"{cloud.address}/devices/dev-1", cloud.service().key, 4_000_000_000): "right-missing",
    }
    async with anybody(cloud) as client:
        for token, problem in tokens.items():
            response = await client.get("/devices", headers={"authorization": token})
            assert code_of(response) == (401, "IotHubUnauthorizedAccess", problem), token
            assert cloud.service().key.reveal() not in response.text


async def test_the_resource_is_verified_as_it_was_sent(cloud: CloudHub) -> None:
    """2.1, trap 7: with a port it is host%3Aport; some encode by other rules, or name an address below"""
    encodings = {quote_plus(cloud.host), quote(cloud.host), cloud.address.upper(), quote_plus(f"{cloud.host}/devices")}
    async with anybody(cloud) as client:
        for encoded in encodings:
            token = signed_as(cloud, encoded)
            assert (await client.get("/devices", headers={"authorization": token})).status_code == 200, encoded
        below = signed_as(cloud, quote_plus(f"{cloud.host}/devices"))
        assert (await client.get("/twins/dev-1", headers={"authorization": below})).status_code == 401


def signed_as(cloud: CloudHub, encoded: str) -> str:
    from hotori.model.sas import hmac_sha256, token_with_digest

    expiry = int(cloud.clock()) + 3600
    digest = hmac_sha256(cloud.service().key, f"{encoded}\n{expiry}".encode())
    return token_with_digest(encoded, expiry, digest, "iothubowner")


async def test_a_device_manages_its_own_modules_and_no_others(cloud: CloudHub) -> None:
    """6.4: device-authenticated registry calls"""
    await cloud.registry.create_device("edge-1", Draft(edge=True))
    await cloud.registry.create_device("edge-2", Draft(edge=True))
    async with anybody(cloud) as client:
        client.headers["authorization"] = await identity_token(cloud, Identity("edge-1"))
        assert len((await client.get("/devices/edge-1/modules")).json()) == 2
        made = await client.put("/devices/edge-1/modules/camera", json={"managedBy": "IotEdge"})
        assert made.json()["managedBy"] == "IotEdge"
        again = await client.put("/devices/edge-1/modules/camera", json={})
        assert code_of(again) == (409, "ModuleAlreadyExistsOnDevice", "module-exists")
        assert (await client.delete("/devices/edge-1/modules/camera", headers={"if-match": "*"})).status_code == 204
        gone = await client.get("/devices/edge-1/modules/camera")
        assert code_of(gone) == (404, "ModuleNotFound", "module-unknown")
        assert code_of(await client.get("/devices/edge-2/modules")) == (
            401,
            "IotHubUnauthorizedAccess",
            "token-foreign",
        )
        assert (await client.get("/devices/edge-1")).status_code == 401
        assert (await client.get("/devices")).status_code == 401


async def test_the_scope_of_an_edge_hub_is_itself_and_those_behind_it(cloud: CloudHub) -> None:
    """11.2"""
    registry = cloud.registry
    edge = await registry.create_device("edge-1", Draft(edge=True))
    child = await registry.create_device("edge-2", Draft(edge=True, parent_scope=edge.scope))
    await registry.create_device("grandchild", Draft(parent_scope=child.scope))
    leaf = await registry.create_device("leaf", Draft(parent_scope=edge.scope))
    await registry.create_device("stranger")
    base = "/devices/edge-1/modules/%24edgeHub"
    async with anybody(cloud) as client:
        client.headers["authorization"] = await identity_token(cloud, Identity("edge-1", EDGE_HUB))
        answer = await client.post(f"{base}/devicesAndModulesInTargetDeviceScope", json={"authChain": "edge-1"})
        scope = answer.json()
        assert [device["deviceId"] for device in scope["devices"]] == ["edge-1", "edge-2", "leaf"]
        keys = {
            device["deviceId"]: device["authentication"]["symmetricKey"]["primaryKey"] for device in scope["devices"]
        }
        assert keys["leaf"] == leaf.primary.reveal()
        assert {module["deviceId"] for module in scope["modules"]} == {"edge-1", "edge-2"}
        assert "continuationLink" not in scope
        nested = await client.post(
            f"{base}/devicesAndModulesInTargetDeviceScope", json={"authChain": "edge-2/$edgeHub;edge-2;edge-1"}
        )
        assert [device["deviceId"] for device in nested.json()["devices"]] == ["edge-2", "grandchild"]
        one = await client.post(f"{base}/getDeviceAndModuleOnBehalfOf", json={"targetDeviceId": "grandchild"})
        assert one.json()["devices"][0]["deviceId"] == "grandchild"
        other = await client.post(f"{base}/getDeviceAndModuleOnBehalfOf", json={"targetDeviceId": "stranger"})
        assert other.status_code == 404
        old = await client.get(f"{base}/deviceAndModuleInDeviceScope", params={"targetDeviceId": "leaf"})
        assert old.json()["devices"][0]["deviceScope"] == edge.scope
        client.headers["authorization"] = await identity_token(cloud, Identity("edge-2", EDGE_HUB))
        assert (await client.post(f"{base}/devicesAndModulesInTargetDeviceScope", json={})).status_code == 401


async def test_a_scope_comes_in_pages(cloud: CloudHub) -> None:
    """11.2: continuationLink"""
    edge = await cloud.registry.create_device("edge-1", Draft(edge=True))
    for number in range(5):
        await cloud.registry.create_device(f"leaf-{number}", Draft(parent_scope=edge.scope))
    path = "/devices/edge-1/modules/$edgeHub/devicesAndModulesInTargetDeviceScope"
    seen: list[str] = []
    body: dict[str, object] = {"pageSize": 2}
    async with anybody(cloud) as client:
        client.headers["authorization"] = await identity_token(cloud, Identity("edge-1", EDGE_HUB))
        while True:
            answer = (await client.post(path, json=body)).json()
            seen += [device["deviceId"] for device in answer["devices"]]
            if "continuationLink" not in answer:
                break
            body["continuationLink"] = answer["continuationLink"]
    assert seen == ["edge-1", *(f"leaf-{number}" for number in range(5))]


async def test_twins_are_merged_and_replaced_under_their_etag(cloud: CloudHub, http: httpx.AsyncClient) -> None:
    """2.3"""
    await cloud.registry.create_device("dev-1")
    first = (await http.get("/twins/dev-1")).json()
    assert first["properties"]["desired"]["$version"] == 1
    assert first["authenticationType"] == "sas"
    patch = {"tags": {"room": "a", "x": 1}, "properties": {"desired": {"b": {"c": 1}, "d": 2, "$version": 99}}}
    second = (await http.patch("/twins/dev-1", json=patch, headers={"If-Match": f'"{first["etag"]}"'})).json()
    assert (second["properties"]["desired"]["$version"], second["properties"]["desired"]["d"]) == (2, 2)
    assert second["version"] > first["version"]
    removed = {"tags": {"x": None}, "properties": {"desired": {"d": None}, "reported": {"not": "the service's"}}}
    third = (await http.patch("/twins/dev-1", json=removed)).json()
    assert third["tags"] == {"room": "a"}
    assert "d" not in third["properties"]["desired"]
    assert "not" not in third["properties"]["reported"]
    stale = await http.patch("/twins/dev-1", json=patch, headers={"If-Match": f'"{first["etag"]}"'})
    assert code_of(stale) == (412, "PreconditionFailed", "changed-meanwhile")
    fourth = (await http.put("/twins/dev-1", json={"properties": {"desired": {"e": 5}}})).json()
    assert fourth["tags"] == {}
    assert [name for name in fourth["properties"]["desired"] if not name.startswith("$")] == ["e"]


async def test_a_twin_with_a_fault_is_left_as_it_is(cloud: CloudHub, http: httpx.AsyncClient) -> None:
    """1.7: limits"""
    await cloud.registry.create_device("dev-1")
    before = (await http.get("/twins/dev-1")).json()
    for patch in ({"tags": {"ok": 1}, "properties": {"desired": {"a.b": 1}}}, {"tags": {"a": "x" * 5000}}):
        assert code_of(await http.patch("/twins/dev-1", json=patch)) == (400, "ArgumentInvalid", "twin-invalid")
    assert code_of(await http.patch("/twins/dev-1", json={"tags": 1}))[2] == "request-malformed"
    assert (await http.get("/twins/dev-1")).json() == before
    assert code_of(await http.patch("/twins/dev-2", json={}))[2] == "device-unknown"


async def test_a_replaced_twin_tells_the_device_what_went(cloud: CloudHub, http: httpx.AsyncClient) -> None:
    """2.3, trap 25: removed keys are sent as null"""
    await cloud.registry.create_device("dev-1")
    await http.patch("/twins/dev-1", json={"properties": {"desired": {"old": 1, "kept": 2}}})
    told: asyncio.Queue[tuple[dict[str, object], int]] = asyncio.Queue()
    async with await cloud.connection(Identity("dev-1")) as connection:

        async def on_desired(patch: dict[str, object], version: int) -> None:
            told.put_nowait((patch, version))

        connection.on_desired(on_desired)
        while (await asyncio.wait_for(told.get(), 10))[1] < 2:
            pass
        await http.put("/twins/dev-1", json={"properties": {"desired": {"kept": 2, "new": 3}}})
        assert await asyncio.wait_for(told.get(), 10) == ({"old": None, "new": 3}, 3)


async def test_a_connected_device_is_shown_so_and_answers_methods(cloud: CloudHub, http: httpx.AsyncClient) -> None:
    """2.4"""
    await cloud.registry.create_device("dev-1")
    asked: list[object] = []
    async with await cloud.connection(Identity("dev-1")) as connection:

        async def on_method(name: str, payload: object) -> tuple[int, object]:
            asked.append((name, payload))
            return 207, {"echo": payload}

        connection.on_method(on_method)
        call = {"methodName": "reboot", "payload": {"in": 1}, "connectTimeoutInSeconds": 10}
        answer = await http.post("/twins/dev-1/methods", json=call)
        assert answer.json() == {"status": 207, "payload": {"echo": {"in": 1}}}
        shown = (await http.get("/devices/dev-1")).json()
        assert shown["connectionState"] == "Connected"
        assert not shown["lastActivityTime"].startswith("0001")
        assert (await http.get("/statistics/service")).json() == {"connectedDeviceCount": 1}
        for payload in ("", None):
            # trap 27: an empty text is what one service client sends for nothing, and it is passed on
            await http.post("/twins/dev-1/methods", json={"methodName": "m", "payload": payload})
        assert [payload for _, payload in asked[1:]] == ["", None]
        slow = asyncio.Event()

        async def hang(name: str, payload: object) -> tuple[int, object]:
            await slow.wait()
            return 200, None

        connection.on_method(hang)
        late = await http.post(
            "/twins/dev-1/methods", json={"methodName": "m", "responseTimeoutInSeconds": 5}, timeout=20
        )
        slow.set()
        assert code_of(late) == (504, "GatewayTimeout", "method-unanswered")


async def test_a_method_without_anybody_to_ask_fails_at_once(cloud: CloudHub, http: httpx.AsyncClient) -> None:
    """2.4: 404103; 1.8: limits"""
    await cloud.registry.create_device("dev-1")
    offline = await http.post("/twins/dev-1/methods", json={"methodName": "m"})
    assert code_of(offline) == (404, "DeviceNotOnline", "device-offline")
    unknown = await http.post("/twins/dev-1/modules/x/methods", json={"methodName": "m"})
    assert code_of(unknown) == (404, "ModuleNotFound", "module-unknown")
    for body in (
        {},
        {"methodName": "m", "responseTimeoutInSeconds": 4},
        {"methodName": "m", "connectTimeoutInSeconds": 301},
    ):
        assert code_of(await http.post("/twins/dev-1/methods", json=body))[::2] == (400, "request-malformed")
    long = await http.post("/twins/dev-1/methods", json={"methodName": "m" * 101})
    assert code_of(long)[::2] == (400, "request-malformed")


async def test_removing_a_device_ends_its_connection_and_forgets_its_twin(
    cloud: CloudHub, http: httpx.AsyncClient
) -> None:
    """2.2"""
    identity = Identity("dev-1")
    await cloud.registry.create_device("dev-1")
    async with await cloud.connection(identity) as connection:
        await connection.wait_connected()
        await connection.report({"a": 1})
        await http.delete("/devices/dev-1", headers={"If-Match": "*"})
        async with asyncio.timeout(10):
            while cloud.hub.sessions.connected(identity) or connection.connected:
                await asyncio.sleep(0.01)
    await http.put("/devices/dev-1", json={})
    assert "a" not in (await http.get("/twins/dev-1")).json()["properties"]["reported"]


async def test_disabling_a_device_or_changing_its_keys_ends_its_connection(
    cloud: CloudHub, http: httpx.AsyncClient
) -> None:
    """1.3: disabled means refused"""
    identity = Identity("dev-1")
    await cloud.registry.create_device("dev-1")
    key = {
        "primaryKey": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
        "secondaryKey": "ICEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3",
    }
    changes = [{"authentication": {"type": "sas", "symmetricKey": key}}, {"status": "disabled"}]
    for change in changes:
        async with await cloud.connection(identity) as connection:
            await connection.wait_connected()
            await http.put("/devices/dev-1", json=change, headers={"If-Match": "*"})
            async with asyncio.timeout(10):
                while cloud.hub.sessions.connected(identity):
                    await asyncio.sleep(0.01)


async def test_a_message_to_a_device_arrives_with_its_properties(cloud: CloudHub, http: httpx.AsyncClient) -> None:
    """2.8 over HTTPS"""
    await cloud.registry.create_device("dev-1")
    headers = {
        "iothub-messageid": "m-1",
        "iothub-contenttype": "text/plain",
        "iothub-app-room": "a",
        "hotori-properties": "Mixed%20Case=%E5%80%A4",
    }
    sent = await http.post("/devices/dev-1/messages/devicebound", content=b"hello", headers=headers)
    assert sent.status_code == 204
    assert (await http.get("/devices/dev-1")).json()["cloudToDeviceMessageCount"] == 1
    got: asyncio.Queue[Message] = asyncio.Queue()
    async with await cloud.connection(Identity("dev-1")) as connection:

        async def on_message(message: Message) -> None:
            got.put_nowait(message)

        connection.on_c2d(on_message)
        message = await asyncio.wait_for(got.get(), 10)
    assert message.body == b"hello"
    assert dict(message.properties) == {"room": "a", "Mixed Case": "値"}
    assert (message.message_id, message.content_type) == ("m-1", "text/plain")


async def test_a_device_has_only_so_many_messages_waiting(cloud: CloudHub, http: httpx.AsyncClient) -> None:
    """1.9: 50 of 64 KiB"""
    await cloud.registry.create_device("dev-1")
    path = "/devices/dev-1/messages/devicebound"
    assert code_of(await http.post(path, content=bytes(65_537)))[:2] == (413, "MessageTooLarge")
    assert code_of(await http.post(path, headers={"iothub-expiry": "soon"}))[2] == "request-malformed"
    assert code_of(await http.post(path, headers={"hotori-properties": "a=%"}))[2] == "request-malformed"
    for _ in range(50):
        assert (await http.post(path, content=b"x")).status_code == 204
    full = await http.post(path, content=b"x")
    assert code_of(full) == (403, "DeviceMaximumQueueDepthExceeded", "device-queue-full")
    purged = await http.delete("/devices/dev-1/commands")
    assert purged.json() == {"totalMessagesPurged": 50, "deviceId": "dev-1", "moduleId": None}
    assert (await http.post(path, content=b"x")).status_code == 204


async def test_the_event_stream_begins_where_it_is_asked_to(cloud: CloudHub, http: httpx.AsyncClient) -> None:
    for number in range(3):
        await say(cloud, Identity("dev-1"), number)
    assert await read_events(http, 3, {"from": "earliest"}) == [0, 1, 2]
    assert await read_events(http, 1, {"from": "2"}) == [2]
    assert await read_events(http, 2, {"from": "latest"}, {"Last-Event-ID": "0"}) == [1, 2]
    malformed = await http.get("/messages/events", params={"from": "yesterday"})
    assert code_of(malformed)[2] == "request-malformed"


async def test_latest_means_from_now_on_and_a_device_can_be_chosen(cloud: CloudHub, http: httpx.AsyncClient) -> None:
    await say(cloud, Identity("dev-1"), 0)
    async with http.stream("GET", "/messages/events", params={"device": "dev-1"}) as response:
        lines = response.aiter_lines()
        assert await anext(lines) == "id: 0"
        await say(cloud, Identity("dev-2"), 1)
        await say(cloud, Identity("dev-1", "camera"), 2)
        event = await next_event(lines)
    assert (event["deviceId"], event["moduleId"], event["body"]) == ("dev-1", "camera", {"n": 2})
    assert event["enqueuedTime"].endswith("Z")
    assert event["properties"] == {"traceparent": "t"}


async def test_a_body_that_is_not_json_comes_as_base64(cloud: CloudHub, http: httpx.AsyncClient) -> None:
    bodies = [
        (b"\xff\xd8", "image/jpeg"),
        (b"{broken", "application/json"),
        (b'"text"', "application/json;charset=utf-8"),
    ]
    for body, kind in bodies:
        await cloud.hub.accept(Message(body, {}, {"ct": kind}, Identity("dev-1")))
    async with http.stream("GET", "/messages/events", params={"from": "earliest"}) as response:
        lines = response.aiter_lines()
        events = [await next_event(lines) for _ in bodies]
    assert [event["body"] for event in events] == [{"base64": "/9g="}, {"base64": "e2Jyb2tlbg=="}, "text"]


async def test_a_server_that_stops_ends_event_streams_at_once(cloud: CloudHub, http: httpx.AsyncClient) -> None:
    async with http.stream("GET", "/messages/events", headers={"Connection": "close"}) as response:
        lines = response.aiter_lines()
        await anext(lines)
        stopping = asyncio.create_task(cloud.stop())
        async with asyncio.timeout(4):
            assert await remaining(lines) == [""]
    await stopping


async def remaining(lines: AsyncIterator[str]) -> list[str]:
    return [line async for line in lines]


async def say(cloud: CloudHub, sender: Identity, number: int) -> None:
    body = json.dumps({"n": number}).encode()
    await cloud.hub.accept(Message(body, {"traceparent": "t"}, {"ct": "application/json", "ce": "utf-8"}, sender))


async def read_events(
    http: httpx.AsyncClient, count: int, params: dict[str, str], headers: dict[str, str] | None = None
) -> list[int]:
    """The numbers that the first so many events speak of."""
    async with http.stream("GET", "/messages/events", params=params, headers=headers) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        lines = response.aiter_lines()
        events = [await next_event(lines) for _ in range(count)]
    return [event["body"]["n"] for event in events]


async def next_event(lines: AsyncIterator[str]) -> dict[str, object] | object:
    """The next event's document; its id is its offset."""
    number = ""
    async with asyncio.timeout(10):
        async for line in lines:
            if line.startswith("id: "):
                number = line[4:]
            if line.startswith("data: "):
                event = json.loads(line[6:])
                assert event["offset"] == int(number)
                return event
    raise AssertionError("the stream ended")
