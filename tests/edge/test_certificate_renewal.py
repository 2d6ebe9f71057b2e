"""The device and the cloud renew their listeners' certificates while they run."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from hotori.cloud.main import CloudConfig, run_cloud
from hotori.edge.main import run_edge
from hotori.net.authority import Authority
from hotori.testing.addresses import loopback_address
from tests.edge.test_main import a_config, an_enrolment
from tests.edge.whole_cloud import no_portal

LOOK = 0.05
_DAYS_AGO = 300 * 24 * 3600.0


def age(folder: Path, names: tuple[str, ...]) -> None:
    """Let the certificate be one that ends soon: as a device has that runs since long ago."""
    for file in folder.glob("server-*"):
        file.unlink()
    Authority.open(folder, lambda: time.time() - _DAYS_AGO).issue_server(names)


async def until_changed(address: str, port: int, old: str) -> None:
    async with asyncio.timeout(30):
        while await shown(address, port) == old:
            await asyncio.sleep(LOOK)


async def shown(address: str, port: int) -> str:
    return await asyncio.to_thread(ssl.get_server_certificate, (address, port))


@asynccontextmanager
async def an_edge(folder: Path) -> AsyncIterator[tuple[str, tuple[int, ...], Path]]:
    config = a_config(folder, an_enrolment(folder))
    config = replace(config, rules=replace(config.rules, certificates=LOOK))
    stop, ready = asyncio.Event(), asyncio.Event()
    ports: list[int] = []

    def told(_: str, hub: object) -> None:
        ports.extend((hub.mqtt_port, hub.https_port))  # type: ignore[attr-defined]
        ready.set()

    running = asyncio.create_task(run_edge(config, stop, told))
    async with asyncio.timeout(30):
        await ready.wait()
    yield config.listen, tuple(ports), config.data / "authority"
    stop.set()
    await running


@asynccontextmanager
async def a_cloud(folder: Path) -> AsyncIterator[tuple[str, tuple[int, ...], Path]]:
    address = loopback_address()
    config = CloudConfig(folder / "cloud", address, address, certificate_look=LOOK)
    stop, ready = asyncio.Event(), asyncio.Event()
    running = asyncio.create_task(run_cloud(config, stop, lambda _: no_portal, lambda _: ready.set()))
    async with asyncio.timeout(30):
        await ready.wait()
    yield address, (8883,), config.data / "authority"
    stop.set()
    await running


@pytest.mark.parametrize("party", [an_edge, a_cloud])
async def test_every_listener_shows_the_certificate_that_replaced_one_near_its_end(
    tmp_path: Path, party: type[object]
) -> None:
    async with party(tmp_path) as (address, ports, folder):  # type: ignore[call-arg,attr-defined]
        first = [await shown(address, port) for port in ports]
        names = (address, "localhost", "127.0.0.1", "::1")
        (file,) = folder.glob("server-*.pem")
        before = file.name
        age(folder, names)
        assert [each.name for each in folder.glob("server-*.pem")] == [before]
        for port, old in zip(ports, first, strict=True):
            await until_changed(address, port, old)
