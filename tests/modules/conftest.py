"""An edge device's hub and a cloud's object store, both real, for modules to work with."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from hotori.model.connection_string import StorageConnection
from hotori.model.identity import Identity
from hotori.model.manifest import HubConfig, RouteSpec
from hotori.model.secret import Secret
from hotori.net.http import HttpServer
from hotori.net.ports import bind
from hotori.objects.blob_files import BlobFiles
from hotori.objects.server import objects_app
from hotori.routing.router import Router
from hotori.store.memory import MemoryRecords
from hotori.testing.addresses import loopback_address
from hotori.testing.small_hub import BookDirectory, SmallHub

ROUTES = {
    "toClassifier": 'FROM /messages/modules/camera/* INTO BrokeredEndpoint("/modules/classifier/inputs/pictures")',
    "toUploader": 'FROM /messages/modules/camera/* INTO BrokeredEndpoint("/modules/uploader/inputs/pictures")',
    "toReader": 'FROM /messages/modules/classifier/* INTO BrokeredEndpoint("/modules/reader/inputs/predictions")',
}


@dataclass(frozen=True)
class Device:
    """A hub with the routes of the main job; predictions go to a module `reader` instead of upstream."""

    hub: SmallHub

    def environ(self, module: str, **settings: str) -> dict[str, str]:
        """What a module's environment is like when it is run by hand (contract 6.2)."""
        assert self.hub.authority is not None
        return {
            "EdgeHubConnectionString": self.hub.connection_string(Identity("edge-1", module), self.hub.address),
            "EdgeModuleCACertificateFile": str(self.hub.authority.certificate),
            "IOTEDGE_MODULEID": module,
            **settings,
        }

    async def desire(self, module: str, patch: dict[str, object]) -> None:
        await self.hub.hub.twins.patch_desired(Identity("edge-1", module), patch)

    async def reported(self, module: str) -> dict[str, object]:
        return (await self.hub.hub.twins.get(Identity("edge-1", module))).reported.values


@pytest.fixture
async def device(tmp_path: Path) -> AsyncIterator[Device]:
    router = Router.compile(HubConfig({name: RouteSpec(name, text) for name, text in ROUTES.items()}))
    modules = ("camera", "classifier", "uploader", "reader", "$edgeHub")
    directory = BookDirectory("edge-1", *(f"edge-1/{module}" for module in modules))
    async with SmallHub(tmp_path / "edge", loopback_address(), directory, device="edge-1", router=router) as hub:
        yield Device(hub)


KEY = Secret(base64.b64encode(bytes(range(64))).decode())


class Cloud:
    """An object store that can go away and come back on the same port."""

    def __init__(self, folder: Path) -> None:
        self._app = objects_app(BlobFiles(MemoryRecords(), folder), {"hotori": (KEY,)})
        self._server: HttpServer | None = None
        self._port = 0

    @property
    def connection(self) -> StorageConnection:
        return StorageConnection("hotori", KEY, f"http://127.0.0.1:{self._port}/hotori")

    async def start(self) -> None:
        server = HttpServer(self._app, bind("127.0.0.1", self._port, "object store"))
        self._server = await server.__aenter__()
        self._port = server.port

    async def stop(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            await server.__aexit__(None, None, None)


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[Cloud]:
    cloud = Cloud(tmp_path / "objects")
    await cloud.start()
    yield cloud
    await cloud.stop()
