"""A parent edge device with a real cloud above it: what it answers to children, and whom it serves (contract 11)."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from hotori.edge.device import EdgeRules
from hotori.edge.enrolment import EnrolmentFile
from hotori.edge.main import EdgeConfig, run_edge
from hotori.edge.scope import ScopeRules
from hotori.edge.trust_bundle import TrustBundle
from hotori.model.identity import EDGE_AGENT, EDGE_HUB, Identity
from hotori.model.message import Message
from hotori.model.sas import sign
from hotori.model.secret import Secret
from hotori.net.tls import client_context
from hotori.sdk.backoff import Backoff
from hotori.sdk.connection import HubConnection
from hotori.sdk.connection_file import HubAddress
from hotori.sdk.dial import introduction
from hotori.sdk.endpoint import Endpoint, key_tokens
from hotori.sdk.link import ConnectionOptions
from hotori.sdk.mqtt_client import ConnectRefusedError, MqttClient
from hotori.testing.addresses import loopback_address
from hotori.testing.small_hub import FAR_FUTURE
from tests.edge.whole_cloud import WholeCloud, whole_cloud

LEAF, GRANDCHILD = Identity("leaf"), Identity("grandchild")
BASE = "/devices/middle/modules/$edgeHub"
OPTIONS = ConnectionOptions(backoff=Backoff(first=0.05, longest=0.2, refused=0.2))


@asynccontextmanager
async def an_edge(
    folder: Path, enrolment: EnrolmentFile | None, address: str, https_port: int = 0, trust: TrustBundle | None = None
) -> AsyncIterator[HubAddress]:
    stop, ready = asyncio.Event(), asyncio.get_running_loop().create_future()
    rules = EdgeRules(look=0.2, scope=ScopeRules(miss=0.3, retry=0.3))
    config = EdgeConfig(
        folder, enrolment, address, address, https_port=https_port, rules=rules, trust=trust or TrustBundle()
    )
    running = asyncio.create_task(run_edge(config, stop, lambda _, hub: ready.set_result(hub)))
    await asyncio.wait({running, ready}, return_when=asyncio.FIRST_COMPLETED)
    try:
        yield await ready
    finally:
        stop.set()
        await running


class Family:
    """cloud <- top <- middle <- grandchild; and a leaf behind top. Only the cloud and top run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.address, self.edge_address = loopback_address(), loopback_address()
        self.keys: dict[Identity, Secret] = {}
        self._cloud, self._edge = AsyncExitStack(), AsyncExitStack()
        self._clients = AsyncExitStack()
        self.cloud: WholeCloud
        self.top: HubAddress

    async def start(self) -> None:
        await self.start_cloud()
        ticket = await self.cloud.enrol("top")
        scope = (await self.cloud.client.get("/devices/top")).json()["deviceScope"]
        middle = await self.add("middle", scope, edge=True)
        await self.add("leaf", scope)
        await self.add("grandchild", middle["deviceScope"])
        for module in (EDGE_AGENT, EDGE_HUB):
            await self._learn(Identity("middle", module))
        await self.start_edge(ticket)

    async def start_cloud(self) -> None:
        self.cloud = await self._cloud.enter_async_context(whole_cloud(self.folder, self.address))

    async def stop_cloud(self) -> None:
        await self._cloud.aclose()

    async def start_edge(self, ticket: EnrolmentFile | None = None) -> None:
        self.top = await self._edge.enter_async_context(an_edge(self.folder / "top", ticket, self.edge_address))

    async def stop_edge(self) -> None:
        await self._edge.aclose()

    async def stop(self) -> None:
        await self._clients.aclose()
        await self.stop_edge()
        await self.stop_cloud()

    async def add(self, name: str, parent: str, *, edge: bool = False) -> Any:
        where = {"parentScopes": [parent]} if edge else {"deviceScope": parent}
        draft = {"deviceId": name, "capabilities": {"iotEdge": edge}, "authentication": {"type": "sas"}, **where}
        answer = (await self.cloud.client.put(f"/devices/{name}", json=draft)).raise_for_status().json()
        self.keys[Identity(name)] = Secret(answer["authentication"]["symmetricKey"]["primaryKey"])
        return answer

    async def _learn(self, module: Identity) -> None:
        answer = await self.cloud.client.get(f"/devices/{module.device}/modules/{module.module}")
        self.keys[module] = Secret(answer.json()["authentication"]["symmetricKey"]["primaryKey"])

    @property
    def _context(self) -> Any:
        return client_context(self.folder / "top" / "authority" / "root.pem")

    async def child(self, identity: Identity) -> httpx.AsyncClient:
        """HTTPS to top as somebody."""
        token = sign(f"{self.address}/{identity.path()}", self.keys[identity], FAR_FUTURE)
        client = httpx.AsyncClient(
            base_url=f"https://{self.top.host}:{self.top.https_port}",
            verify=self._context,
            trust_env=False,
            timeout=30.0,
            headers={"Authorization": token},
            params={"api-version": "2020-06-30-preview"},
        )
        return await self._clients.enter_async_context(client)

    async def child_of_the_cloud(self) -> httpx.AsyncClient:
        """HTTPS to the cloud as top's edge hub."""
        hub = Identity("top", EDGE_HUB)
        answer = await self.cloud.client.get(f"/devices/top/modules/{EDGE_HUB}")
        key = Secret(answer.json()["authentication"]["symmetricKey"]["primaryKey"])
        client = httpx.AsyncClient(
            base_url=self.cloud.client.base_url,
            verify=client_context(self.cloud.connection.ca),
            trust_env=False,
            headers={"Authorization": sign(f"{self.address}/{hub.path()}", key, FAR_FUTURE)},
            params={"api-version": "2020-06-30-preview"},
        )
        return await self._clients.enter_async_context(client)

    async def device(self, identity: Identity) -> HubConnection:
        """A device that connects to top."""
        endpoint = Endpoint(self.top.host, self.top.mqtt_port, self._context)
        tokens = key_tokens(self.address, identity, self.keys[identity])
        connection = HubConnection(endpoint, self.address, identity, tokens, OPTIONS)
        return await self._clients.enter_async_context(connection)

    async def knock(self, identity: Identity) -> int:
        """How top answers the CONNECT of a device."""
        token = sign(f"{self.address}/{identity.path()}", self.keys[identity], FAR_FUTURE)
        hello = introduction(self.address, identity, token, 60)
        try:
            client = await MqttClient.connect(
                self.top.host, self.top.mqtt_port, self._context, hello, on_publish=lambda *_: None
            )
        except ConnectRefusedError as error:
            return error.code
        await client.close()
        return 0

    async def refresh(self) -> None:
        """Have top read its scope anew, as the cloud asks it to."""
        path = f"/twins/top/modules/{EDGE_HUB}/methods"
        body = {"methodName": "RefreshDeviceScopeIdentityCache", "payload": {"deviceIds": ["leaf"]}}
        answer = await self.cloud.client.post(path, json={**body, "connectTimeoutInSeconds": 30})
        assert answer.raise_for_status().json()["status"] == 200


@pytest.fixture
async def family(tmp_path: Path) -> AsyncIterator[Family]:
    family = Family(tmp_path)
    await family.start()
    yield family
    await family.stop()


async def ready(client: httpx.AsyncClient, path: str, body: Any) -> httpx.Response:
    """The answer, once top knows its own scope: until then it says 503, and never that anyone is unauthorised."""
    async with asyncio.timeout(30):
        while (answer := await client.post(path, json=body)).status_code == 503:
            assert answer.json()["errorMessage"]
            await asyncio.sleep(0.1)
    return answer


async def test_a_child_reads_its_scope_from_its_parent_also_without_the_cloud(family: Family) -> None:
    """11.2"""
    hub, device = await family.child(Identity("middle", EDGE_HUB)), await family.child(Identity("middle"))

    async def scope() -> tuple[list[str], list[str]]:
        answer = await ready(hub, f"{BASE}/devicesAndModulesInTargetDeviceScope", {"authChain": "middle"})
        document = answer.raise_for_status().json()
        modules = [f"{module['deviceId']}/{module['moduleId']}" for module in document["modules"]]
        return [each["deviceId"] for each in document["devices"]], modules

    expected = (["middle", "grandchild"], ["middle/$edgeAgent", "middle/$edgeHub"])
    assert await scope() == expected
    old = (await hub.get(f"{BASE}/devicesAndModulesInDeviceScope")).raise_for_status().json()
    assert [each["deviceId"] for each in old["devices"]] == expected[0]
    one = await hub.post(f"{BASE}/getDeviceAndModuleOnBehalfOf", json={"targetDeviceId": "grandchild"})
    keys = one.json()["devices"][0]["authentication"]["symmetricKey"]
    assert keys["primaryKey"] == family.keys[GRANDCHILD].reveal()
    assert len((await device.get("/devices/middle/modules")).raise_for_status().json()) == 2

    await family.stop_cloud()
    await family.stop_edge()
    await family.start_edge()

    hub, device = await family.child(Identity("middle", EDGE_HUB)), await family.child(Identity("middle"))
    assert await scope() == expected
    assert len((await device.get("/devices/middle/modules")).raise_for_status().json()) == 2
    unknown = await hub.post(f"{BASE}/getDeviceAndModuleOnBehalfOf", json={"targetDeviceId": "stranger"})
    assert unknown.status_code == 503


CHAIN = {"authChain": "{child}"}
ENDPOINTS: list[tuple[str, str, dict[str, Any], int, set[str]]] = [
    ("POST", "devicesAndModulesInTargetDeviceScope", {"pageSize": 1, **CHAIN}, 200, {"devices", "modules"}),
    ("GET", "devicesAndModulesInDeviceScope", {"deviceCount": 1}, 200, {"devices", "modules"}),
    (
        "POST",
        "getDeviceAndModuleOnBehalfOf",
        {"targetDeviceId": "{child}", "targetModuleId": "$edgeHub", **CHAIN},
        200,
        {"devices", "modules"},
    ),
    (
        "GET",
        "deviceAndModuleInDeviceScope",
        {"targetDeviceId": "{child}", "targetModuleId": "$edgeHub"},
        200,
        {"devices", "modules"},
    ),
    ("PUT", "putModuleOnBehalfOf", {"module": {"moduleId": "m", "managedBy": "IotEdge"}, **CHAIN}, 200, {"moduleId"}),
    ("POST", "getModuleOnBehalfOf", {"targetModuleId": "m", **CHAIN}, 200, {"moduleId"}),
    ("POST", "getModulesOnTargetDevice", CHAIN, 200, {"moduleId"}),
    ("POST", "deleteModuleOnBehalfOf", {"moduleId": "m", **CHAIN}, 204, set()),
]
"""Method, name, what is said (`{child}` is who asks), status, and members of the answer, or of each in it."""
DEVICE_MEMBERS = {
    *("deviceId", "generationId", "status", "authentication", "capabilities", "deviceScope", "parentScopes"),
}
MODULE_MEMBERS = {"moduleId", "deviceId", "generationId", "managedBy", "authentication"}


async def ask(client: httpx.AsyncClient, child: str, method: str, name: str, said: dict[str, Any]) -> httpx.Response:
    words = {key: value.format(child=child) if isinstance(value, str) else value for key, value in said.items()}
    path = f"/devices/{child}/modules/$edgeHub/{name}"
    return await client.request(method, path, **({"params": words} if method == "GET" else {"json": words}))


def check_members(document: Any, members: set[str]) -> None:
    """The shape of an answer: devices and modules with all that the contract names, keys included."""
    if isinstance(document, list):
        assert document
        for each in document:
            check_members(each, members)
        return
    assert members <= document.keys()
    for device in document.get("devices", []):
        assert device.keys() == DEVICE_MEMBERS
    for module in [document] if "moduleId" in members else document["modules"]:
        assert module.keys() == MODULE_MEMBERS
        assert module["authentication"].keys() == {"type", "symmetricKey", "x509Thumbprint"}
        assert module["authentication"]["symmetricKey"]["primaryKey"]


@pytest.mark.parametrize("child", ["top", "middle"])
async def test_every_endpoint_for_scopes_is_answered_by_the_cloud_and_by_a_parent(family: Family, child: str) -> None:
    """11.2: top asks the cloud, middle asks top"""
    hub = await (family.child_of_the_cloud() if child == "top" else family.child(Identity("middle", EDGE_HUB)))
    await ready(hub, f"/devices/{child}/modules/$edgeHub/devicesAndModulesInTargetDeviceScope", {})
    for method, name, said, status, members in ENDPOINTS:
        answer = await ask(hub, child, method, name, said)
        assert answer.status_code == status, (name, answer.text)
        if status == 200:
            check_members(answer.json(), members)
        refused = await hub.request(method, answer.url.path, json={}, headers={"Authorization": ""})
        assert refused.status_code == 401, name
        assert refused.json()["errorMessage"], name


async def test_a_gateway_answers_what_it_does_not_serve_as_json(family: Family) -> None:
    """11.1: file upload is not proxied; 6.5: errors have a message"""
    leaf = await family.child(LEAF)
    answer = await leaf.post("/devices/leaf/files", json={"blobName": "x"})
    assert (answer.status_code, answer.json()) == (404, {"message": "Not Found"})
    other = await leaf.get("/devices/leaf/modules/$edgeHub/getModuleOnBehalfOf")
    assert (other.status_code, other.json()) == (405, {"message": "Method Not Allowed"})


async def test_a_childs_modules_are_made_and_removed_through_its_parent(family: Family) -> None:
    """11.2: registry calls on behalf; 6.4, last paragraph."""
    hub, device = await family.child(Identity("middle", EDGE_HUB)), await family.child(Identity("middle"))
    await ready(hub, f"{BASE}/devicesAndModulesInTargetDeviceScope", {})
    made = await hub.put(
        f"{BASE}/putModuleOnBehalfOf",
        json={"authChain": "middle", "module": {"moduleId": "camera", "managedBy": "IotEdge"}},
    )
    assert made.raise_for_status().json()["managedBy"] == "IotEdge"
    (await device.put("/devices/middle/modules/lamp", json={"moduleId": "lamp"})).raise_for_status()
    shown = await hub.post(f"{BASE}/getModuleOnBehalfOf", json={"authChain": "middle", "targetModuleId": "camera"})
    assert shown.json()["authentication"]["symmetricKey"]["primaryKey"]
    listed = await hub.post(f"{BASE}/getModulesOnTargetDevice", json={"authChain": "middle"})
    assert [module["moduleId"] for module in listed.json()] == ["$edgeAgent", "$edgeHub", "camera", "lamp"]
    gone = await hub.post(f"{BASE}/deleteModuleOnBehalfOf", json={"authChain": "middle", "moduleId": "camera"})
    assert gone.status_code == 204
    assert (await device.delete("/devices/middle/modules/lamp")).status_code == 204
    assert (await device.get("/devices/middle/modules/lamp")).status_code == 404
    modules = await family.cloud.client.get("/devices/middle/modules")
    assert [module["moduleId"] for module in modules.json()] == ["$edgeAgent", "$edgeHub"]


async def test_a_parent_answers_only_its_children_and_only_of_those_below_them(family: Family) -> None:
    """11.2: 400, 401, 403, 404 with errorMessage"""
    hub = await family.child(Identity("middle", EDGE_HUB))
    path, one = f"{BASE}/devicesAndModulesInTargetDeviceScope", f"{BASE}/getDeviceAndModuleOnBehalfOf"
    await ready(hub, path, {})
    cases: list[tuple[int, str, Any]] = [
        (400, path, {"authChain": "a;;b"}),
        (400, one, {}),
        (403, path, {"authChain": "leaf;middle"}),
        (403, path, {"authChain": "middle;top"}),
        (404, path, {"authChain": "nobody;middle"}),
        (404, one, {"targetDeviceId": "leaf"}),
        (404, one, {"targetDeviceId": "middle", "targetModuleId": "nobody"}),
        (401, path.replace("middle", "grandchild"), {}),
    ]
    for status, address, body in cases:
        answer = await hub.post(address, json=body)
        assert (answer.status_code, bool(answer.json()["errorMessage"])) == (status, True), (address, body)
    assert (await hub.post(path, json={}, headers={"Authorization": ""})).status_code == 401


async def test_a_leaf_is_served_until_the_cloud_removes_it(family: Family) -> None:
    """11.1"""
    leaf = await family.device(LEAF)
    await leaf.send(Message(b"1"), timeout=30)
    assert (await family.cloud.events(1))[0]["deviceId"] == "leaf"

    (await family.cloud.client.delete("/devices/leaf", headers={"If-Match": "*"})).raise_for_status()
    await family.refresh()

    async with asyncio.timeout(30):
        while not (leaf.problem and leaf.problem.code == "token-refused"):
            await asyncio.sleep(0.05)
    assert not leaf.connected


async def test_a_disabled_leaf_is_cut_off_and_comes_back_when_it_is_enabled(family: Family) -> None:
    leaf = await family.device(LEAF)
    await leaf.wait_connected(30)
    shown = (await family.cloud.client.get("/devices/leaf")).json()
    for status, code in (("disabled", "token-refused"), ("enabled", None)):
        change = await family.cloud.client.put(
            "/devices/leaf", json={**shown, "status": status}, headers={"If-Match": "*"}
        )
        change.raise_for_status()
        await family.refresh()
        async with asyncio.timeout(30):
            while (leaf.problem.code if leaf.problem else None) != code or leaf.connected is (code is not None):
                await asyncio.sleep(0.05)


async def test_a_leaf_comes_back_with_the_key_that_it_has_been_given_since(family: Family) -> None:
    """1.3, 11.1: a key that does not fit is asked for once more before it is refused; 3 where nobody answers"""
    async with asyncio.timeout(30):
        while await family.knock(LEAF) == 3:
            await asyncio.sleep(0.1)
    shown = (await family.cloud.client.get("/devices/leaf")).json()
    old, new = family.keys[LEAF], Secret(base64.b64encode(b"n" * 32).decode())
    shown["authentication"]["symmetricKey"] = {"primaryKey": new.reveal(), "secondaryKey": new.reveal()}
    changed = await family.cloud.client.put("/devices/leaf", json=shown, headers={"If-Match": "*"})
    changed.raise_for_status()

    family.keys[LEAF] = new
    assert await family.knock(LEAF) == 0
    family.keys[LEAF] = old
    assert await family.knock(LEAF) == 5
    await family.stop_cloud()
    family.keys[LEAF] = new
    assert await family.knock(LEAF) == 0
    await asyncio.sleep(0.4)  # until it may be asked again
    family.keys[LEAF] = old
    assert await family.knock(LEAF) == 3
    await family.start_cloud()


async def test_a_device_behind_another_edge_device_is_refused(family: Family) -> None:
    """11.1: when the leaf's parent is this edge device"""
    async with asyncio.timeout(30):
        while (code := await family.knock(GRANDCHILD)) == 3:
            await asyncio.sleep(0.1)
    assert code == 5


async def test_without_the_cloud_those_known_come_in_and_strangers_are_told_to_come_back(family: Family) -> None:
    """1.3, 11.1: 3, never 5, while an identity is not fetched and nobody can be asked"""
    async with asyncio.timeout(30):
        while await family.knock(LEAF) == 3:
            await asyncio.sleep(0.1)
    await family.stop_cloud()
    await family.stop_edge()
    await family.start_edge()
    family.keys[Identity("stranger")] = family.keys[LEAF]
    assert await family.knock(LEAF) == 0
    assert await family.knock(Identity("stranger")) == 3
    leaf = await family.device(LEAF)
    await leaf.send(Message(b"kept"), timeout=30)
    await family.start_cloud()
    assert [event["deviceId"] for event in await family.cloud.events(1)] == ["leaf"]
