"""A whole device in this process: modules made with the unmodified SDK meet its workload API and its hub."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from azure.iot.device import IoTHubModuleClient, Message

from hotori.edge.device import EdgeDevice, EdgeParts, EdgeRules
from hotori.edge.enrolment import EnrolmentFile
from hotori.edge.listeners import bind_all
from hotori.hub.queues import upstream_endpoint
from hotori.model.connection_string import IdentityConnection
from hotori.model.identity import EDGE_AGENT, EDGE_HUB, Identity
from hotori.net.authority import Authority
from hotori.sdk.connection_file import HubAddress
from hotori.sdk.module import ModuleClient
from hotori.store.memory import MemoryLog, MemoryRecords
from hotori.store.records import Records
from hotori.testing.addresses import loopback_address
from hotori.testing.small_hub import BookDirectory, SmallHub
from tests.edge.parts import DEVICE, KEY, Cloud, image, manifest
from tests.edge.scripted_runtime import ScriptedRuntime

AGENT, HUB, CAMERA = (Identity(DEVICE.device, name) for name in (EDGE_AGENT, EDGE_HUB, "camera"))
RULES = EdgeRules(look=0.2)


@dataclass
class Living:
    """A device that runs."""

    device: EdgeDevice
    runtime: ScriptedRuntime
    address: str

    async def module_environment(self, name: str) -> dict[str, str]:
        """What the module was launched with, as soon as it is."""
        await until(lambda: name in self.runtime.launches)
        return dict(self.runtime.launches[name].env)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(15):
        while not condition():
            await asyncio.sleep(0.02)


def enrolment(folder: Path, above: SmallHub | None) -> EnrolmentFile:
    """Without a hub above, the cloud is an address where nobody listens."""
    if above is None:
        connection = IdentityConnection("hub.example.net", DEVICE, KEY)
        return EnrolmentFile(connection, Authority.open(folder / "x").pem, HubAddress(loopback_address(), 8883, 443))
    connection = IdentityConnection(above.name, DEVICE, KEY)
    return EnrolmentFile(connection, above.authority_pem, HubAddress(above.address, above.port, 443))


@asynccontextmanager
async def living(
    folder: Path, cloud: Cloud, above: SmallHub | None = None, records: Records | None = None
) -> AsyncIterator[Living]:
    address = loopback_address()
    authority = Authority.open(folder / "edge-authority")
    runtime = ScriptedRuntime({image(name): "sha256:1" for name in ("camera", "classifier")})
    parts = EdgeParts(
        data=folder,
        name=address,
        enrolment=enrolment(folder, above),
        records=records or MemoryRecords(),
        queue_log=MemoryLog(),
        runtime=runtime,
        authority=authority,
        architecture="x86_64",
        rules=RULES,
    )
    device = await EdgeDevice.make(parts, cloud)
    ready, over = asyncio.Event(), asyncio.Event()

    async def wait_for_the_end() -> None:
        ready.set()
        await over.wait()

    listeners = bind_all(address, 8883, 0)
    life = asyncio.create_task(device.live(listeners, authority.issue_server([address]), wait_for_the_end))
    began = asyncio.create_task(ready.wait())
    await asyncio.wait({life, began}, return_when=asyncio.FIRST_COMPLETED)
    began.cancel()
    try:
        yield Living(device, runtime, address)
    finally:
        over.set()
        await life
        listeners.close()


@asynccontextmanager
async def a_cloud(folder: Path) -> AsyncIterator[SmallHub]:
    directory = BookDirectory("edge-1", str(AGENT), str(HUB), str(CAMERA))
    async with SmallHub(folder / "cloud", loopback_address(), directory) as hub:
        yield hub


async def reported(cloud: SmallHub, identity: Identity, fits: Callable[[Any], bool]) -> Any:
    """What the cloud knows as reported, once it fits."""
    changed = asyncio.Event()
    cloud.hub.twins.reported_watchers.append(lambda _: changed.set())
    async with asyncio.timeout(15):
        while True:
            values: Any = (await cloud.hub.twins.get(identity)).reported.values
            if values and fits(values):
                return values
            await changed.wait()
            changed.clear()


def sdk_client(environment: dict[str, str]) -> IoTHubModuleClient:
    with patch.dict(os.environ, environment):
        return IoTHubModuleClient.create_from_edge_environment()


async def test_an_unmodified_module_client_is_made_from_the_environment_and_sends(tmp_path: Path) -> None:
    # Contract 6.2: trust bundle, signature, then MQTT to the gateway; PUBACK once the message is durable.
    async with living(tmp_path, Cloud("camera")) as here:
        here.device.agent.deploy(manifest("camera"), 1)
        environment = await here.module_environment("camera")

        client = await asyncio.to_thread(sdk_client, environment)
        await asyncio.to_thread(client.connect)
        await asyncio.to_thread(client.send_message_to_output, Message("hello"), "pictures")
        connected: Any = here.device.hub.sessions.connected(Identity("edge-1", "camera"))
        waiting = here.device.hub.queues.queue(upstream_endpoint(Identity("edge-1", "camera"))).counters
        await asyncio.to_thread(client.shutdown)

    assert connected
    assert (waiting.accepted, waiting.pending) == (1, 1)


async def test_a_deployment_comes_from_the_cloud_and_its_report_goes_back(tmp_path: Path) -> None:
    async with a_cloud(tmp_path) as cloud:
        await cloud.hub.twins.replace_desired(AGENT, manifest("camera"))
        async with living(tmp_path, Cloud("camera"), cloud):
            report = await reported(cloud, AGENT, lambda values: values["lastDesiredStatus"]["code"] == 200)
            await cloud.hub.twins.replace_desired(AGENT, manifest("camera", status="stopped"))
            stopped = await reported(
                cloud, AGENT, lambda values: values["modules"]["camera"]["runtimeStatus"] == "stopped"
            )

    assert report["modules"]["camera"]["runtimeStatus"] == "running"
    assert stopped["lastDesiredVersion"] == 3


async def test_methods_of_the_agent_are_called_from_the_cloud(tmp_path: Path) -> None:
    async with a_cloud(tmp_path) as cloud:
        await cloud.hub.twins.replace_desired(AGENT, manifest("camera"))
        async with living(tmp_path, Cloud("camera"), cloud) as here:
            await reported(cloud, AGENT, lambda values: values["lastDesiredStatus"]["code"] == 200)
            here.runtime.write("camera", "one\ntwo\n")

            ping = await cloud.hub.methods.invoke(AGENT, "ping", connect_timeout=5.0)
            request: Any = {"schemaVersion": "1.0", "items": [{"id": "camera", "filter": {"tail": 1}}]}
            logs = await cloud.hub.methods.invoke(AGENT, "GetModuleLogs", request)
            refresh = await cloud.hub.methods.invoke(HUB, "RefreshDeviceScopeIdentityCache", {"deviceIds": ["edge-1"]})

    assert (ping.status, ping.payload) == (200, None)
    assert (logs.status, logs.payload) == (200, [{"id": "camera", "payload": "two\n"}])
    assert refresh.status == 200


async def test_the_hub_lists_its_routes_and_explains_them_when_it_is_asked(tmp_path: Path) -> None:
    async with a_cloud(tmp_path) as cloud:
        routes = {
            "up": {"route": "FROM /messages/* WHERE label = 'cat' INTO $upstream", "priority": 2},
            "bad": "FROM x",
        }
        await cloud.hub.twins.replace_desired(HUB, {"schemaVersion": "1.1", "routes": routes})
        async with living(tmp_path, Cloud("camera"), cloud):
            await reported(cloud, HUB, lambda values: values.get("lastDesiredStatus", {}).get("code") == 400)
            listed = await cloud.hub.methods.invoke(HUB, "ListRoutes", connect_timeout=5.0)
            message = {"moduleId": "camera", "properties": {"label": "dog"}}
            explained = await cloud.hub.methods.invoke(HUB, "ExplainRoutes", {"message": message})
            refused = await cloud.hub.methods.invoke(HUB, "ExplainRoutes", {"message": 7})

    [route] = listed.payload["routes"]
    assert (route["name"], route["endpoint"], route["priority"], route["pending"]) == ("up", "$upstream", 2, 0)
    assert explained.payload["routes"][0]["condition"]["value"] == "false"
    assert explained.payload["endpoints"] == []
    assert refused.status == 400


async def test_routes_come_from_the_cloud_and_clients_are_reported(tmp_path: Path) -> None:
    async with a_cloud(tmp_path) as cloud:
        await cloud.hub.twins.replace_desired(AGENT, manifest("camera"))
        await cloud.hub.twins.replace_desired(
            HUB, {"schemaVersion": "1.1", "routes": {"up": "FROM /messages/* INTO $upstream", "bad": "FROM x"}}
        )
        async with living(tmp_path, Cloud("camera"), cloud) as here:
            client = await asyncio.to_thread(sdk_client, await here.module_environment("camera"))
            await asyncio.to_thread(client.connect)
            report = await reported(cloud, HUB, lambda values: "edge-1/camera" in values.get("clients", {}))
            await asyncio.to_thread(client.shutdown)
            left = await reported(
                cloud, HUB, lambda values: values["clients"]["edge-1/camera"]["status"] == "Disconnected"
            )

    assert report["clients"]["edge-1/camera"]["status"] == "Connected"
    assert report["lastDesiredStatus"]["code"] == 400
    assert report["problems"][0]["code"] == "route-invalid"
    assert left["clients"]["edge-1/camera"]["lastDisconnectedTimeUtc"]


async def test_a_device_that_starts_without_its_cloud_runs_the_last_deployment_that_could_be_read(
    tmp_path: Path,
) -> None:
    records = MemoryRecords()
    cloud_of_names = Cloud("camera")
    async with a_cloud(tmp_path) as cloud:
        await cloud.hub.twins.replace_desired(AGENT, manifest("camera"))
        async with living(tmp_path, cloud_of_names, cloud, records):
            await reported(cloud, AGENT, lambda values: values["lastDesiredStatus"]["code"] == 200)
            await cloud.hub.twins.patch_desired(AGENT, {"modules": {"camera": {"status": "dancing"}}})
            await reported(cloud, AGENT, lambda values: values["lastDesiredStatus"]["code"] == 400)

    cloud_of_names.reachable = False
    async with living(tmp_path, cloud_of_names, None, records) as again:
        environment = await again.module_environment("camera")

    assert environment["IOTEDGE_MODULEID"] == "camera"


async def test_a_module_that_was_removed_from_the_registry_is_put_out(tmp_path: Path) -> None:
    names = Cloud("camera")
    async with living(tmp_path, names) as here:
        here.device.agent.deploy(manifest("camera"), 1)
        async with ModuleClient.from_environment(await here.module_environment("camera")) as client:
            await client.wait_connected(timeout=15.0)
            del names.documents["camera"]

            await here.device.scope.refresh()

            await until(lambda: not here.device.hub.sessions.connected(CAMERA))
