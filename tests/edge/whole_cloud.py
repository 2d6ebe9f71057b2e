"""A whole cloud in this process, and the few things that a test asks of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from hotori.cloud.main import CloudConfig, PortalFactory, run_cloud
from hotori.edge.enrolment import EnrolmentFile
from hotori.model.connection_string import IdentityConnection, ServiceConnection
from hotori.model.identity import Identity
from hotori.model.manifest import RegistryCredential
from hotori.model.sas import sign
from hotori.model.secret import Secret
from hotori.net.http import Receive, Scope, Send
from hotori.net.tls import client_context
from hotori.sdk.connection_file import CloudConnection
from hotori.testing.registry_server import TinyImages
from hotori.testing.small_hub import FAR_FUTURE


@dataclass
class WholeCloud:
    """A cloud that runs, with a client that has all rights."""

    connection: CloudConnection
    client: httpx.AsyncClient
    folder: Path

    @property
    def credential(self) -> RegistryCredential:
        found = self.connection
        return RegistryCredential(found.registry_address, found.registry_username, found.registry_password)

    @property
    def images(self) -> TinyImages:
        return TinyImages(self.connection.registry_address, self.folder / "sources", self.credential)

    async def enrol(self, device: str) -> EnrolmentFile:
        """Add an edge device."""
        draft = {"deviceId": device, "capabilities": {"iotEdge": True}, "authentication": {"type": "sas"}}
        answer = (await self.client.put(f"/devices/{device}", json=draft)).raise_for_status().json()
        key = Secret(answer["authentication"]["symmetricKey"]["primaryKey"])
        hub = self.connection.hub
        ca = await asyncio.to_thread(self.connection.ca.read_text)
        return EnrolmentFile(IdentityConnection(hub.host, Identity(device), key), ca, hub, self.credential)

    async def deploy(self, device: str, modules: Mapping[str, Any]) -> None:
        """Apply a manifest in which everything goes to the cloud."""
        content = {
            "$edgeAgent": {
                "schemaVersion": "1.1",
                "runtime": {"type": "docker", "settings": {}},
                "systemModules": {},
                "modules": modules,
            },
            "$edgeHub": {"schemaVersion": "1.1", "routes": {"up": "FROM /messages/* INTO $upstream"}},
        }
        document = {"modulesContent": {name: {"properties.desired": desired} for name, desired in content.items()}}
        answer = await self.client.post(f"/devices/{device}/applyConfigurationContent", json=document)
        answer.raise_for_status()

    async def reported(self, identity: str, fits: Callable[[Any], bool]) -> Any:
        """What a module reports, once it fits."""
        async with asyncio.timeout(30):
            while True:
                answer = await self.client.get(f"/twins/{identity}")
                values = answer.raise_for_status().json()["properties"]["reported"]
                if fits(values):
                    return values
                await asyncio.sleep(0.1)

    async def events(self, count: int) -> list[Any]:
        """The first events of the log, as many as asked for."""
        found: list[Any] = []
        start = {"from": "earliest"}
        async with asyncio.timeout(30), self.client.stream("GET", "/messages/events", params=start) as stream:
            async for line in stream.aiter_lines():
                if line.startswith("data:"):
                    found.append(json.loads(line.removeprefix("data:")))
                    if len(found) == count:
                        break
        return found


async def no_portal(scope: Scope, receive: Receive, send: Send) -> None:
    """These tests look at no pages."""


@asynccontextmanager
async def whole_cloud(
    folder: Path, address: str, portal: PortalFactory = lambda _: no_portal
) -> AsyncIterator[WholeCloud]:
    """Run a cloud in FOLDER/cloud; again on the same folder, it is the same cloud."""
    stop, ready = asyncio.Event(), asyncio.get_running_loop().create_future()
    config = CloudConfig(folder / "cloud", address, address)
    running = asyncio.create_task(run_cloud(config, stop, portal, ready.set_result))
    await asyncio.wait({running, ready}, return_when=asyncio.FIRST_COMPLETED)
    if running.done():
        running.result()
    connection = ready.result()
    service = ServiceConnection.parse(connection.service.reveal())
    token = sign(connection.hub.host, service.key, FAR_FUTURE, service.policy)
    client = httpx.AsyncClient(
        base_url=f"https://{connection.hub.host}:{connection.hub.https_port}",
        verify=client_context(connection.ca),
        timeout=60.0,
        headers={"Authorization": token},
        params={"api-version": "2021-04-12"},
    )
    try:
        async with client:
            yield WholeCloud(connection, client, folder)
    finally:
        stop.set()
        await running
