"""Images for those below, handed through one after the other (contract 11.4)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette

from hotori.edge.image_gate import ImageGate
from hotori.model.manifest import RegistryCredential
from hotori.model.secret import Secret
from hotori.net.authority import Authority
from hotori.net.http import HttpServer
from hotori.net.ports import bind
from hotori.net.tls import client_context
from hotori.testing.registry_server import TestRegistry, TinyImages, registry_server

PASSWORD = Secret("secret")


class Gates:
    """A registry, an edge device before it, and one before that; a client of the last."""

    def __init__(self, folder: Path, stack: AsyncExitStack) -> None:
        self._folder, self._stack = folder, stack
        self._authority = Authority.open(folder / "authority")
        self.registry: TestRegistry
        self.client: httpx.AsyncClient

    async def start(self) -> None:
        self.registry = await self._stack.enter_async_context(
            registry_server(self._folder / "registry", {"hotori": PASSWORD})
        )
        trusted = client_context(self._authority.certificate)
        first = await self._serve(ImageGate(self.registry.address, trusted, "http"))
        second = await self._serve(ImageGate(first, trusted))
        self.client = await self._stack.enter_async_context(
            httpx.AsyncClient(base_url=f"https://{second}", verify=trusted, auth=("hotori", PASSWORD.reveal()))
        )

    async def _serve(self, gate: ImageGate) -> str:
        await self._stack.enter_async_context(gate)
        certificate = self._authority.issue_server(["127.0.0.1"])
        server = HttpServer(Starlette(routes=gate.routes()), bind("127.0.0.1", 0, "gate"), certificate)
        await self._stack.enter_async_context(server)
        return f"127.0.0.1:{server.port}"


@pytest.fixture
async def gates(tmp_path: Path) -> AsyncIterator[Gates]:
    async with AsyncExitStack() as stack:
        gates = Gates(tmp_path, stack)
        await gates.start()
        yield gates


async def test_an_image_comes_through_two_devices_byte_for_byte(gates: Gates, tmp_path: Path) -> None:
    credential = RegistryCredential(gates.registry.address, "hotori", PASSWORD)
    await TinyImages(gates.registry.address, tmp_path / "sources", credential).publish({"main.py": "1"}, name="a/b")
    accept = {"Accept": "application/vnd.oci.image.manifest.v1+json"}

    head = await gates.client.head("/v2/a/b/manifests/1.0", headers=accept)
    manifest = (await gates.client.get("/v2/a/b/manifests/1.0", headers=accept)).raise_for_status()
    layer = manifest.json()["layers"][0]
    blob = await gates.client.get(f"/v2/a/b/blobs/{layer['digest']}")
    rest = await gates.client.get(f"/v2/a/b/blobs/{layer['digest']}", headers={"Range": "bytes=10-"})

    assert head.headers["docker-content-digest"] == manifest.headers["docker-content-digest"]
    assert len(blob.content) == layer["size"]
    assert (rest.status_code, rest.content) == (206, blob.content[10:])


async def test_the_registry_judges_who_may_pull(gates: Gates) -> None:
    refused = await gates.client.get("/v2/", auth=("hotori", "wrong"))

    assert refused.status_code == 401
    assert refused.headers["www-authenticate"].startswith("Basic")


async def test_nothing_can_be_pushed_through(gates: Gates) -> None:
    assert (await gates.client.post("/v2/a/b/blobs/uploads/")).status_code == 405


async def test_a_registry_that_is_away_is_named(gates: Gates) -> None:
    trusted = client_context()
    async with ImageGate("127.0.0.1:9", trusted, "http") as gate:
        transport = httpx.ASGITransport(Starlette(routes=gate.routes()))
        async with httpx.AsyncClient(transport=transport, base_url="http://gate") as client:
            answer = await client.get("/v2/")

    assert answer.status_code == 503
    assert "127.0.0.1:9" in answer.json()["errors"][0]["message"]
