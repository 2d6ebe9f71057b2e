"""An edge device as people run it: how soon a manifest is a running module, and what agent and hub take for themselves.

The cloud, the device and the engine are programs of their own. What is new in each manifest is one module more, of an
image that is there. With ten of them the device is looked at while nothing changes.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

import httpx

from benchmarks.processes import Usage, running_commands, usage
from benchmarks.row import Row
from hotori.cli.device import service_client
from hotori.cli.together import Together, together
from hotori.images.build_cache import BuildCache
from hotori.images.image import Layer
from hotori.model.identity import EDGE_AGENT, Identity
from hotori.model.json import JsonObject
from hotori.model.manifest import RegistryCredential
from hotori.sdk.connection_file import CloudConnection
from hotori.sdk.service import ServiceClient
from hotori.testing.addresses import loopback_address
from hotori.testing.busybox import BUSYBOX, busybox_layer
from hotori.testing.engines import EngineMissingError, TestEngine, dockerd
from hotori.testing.registry_server import TinyImages
from hotori.testing.runtime_suite import WAITS

DEVICE = "edge-1"
_NETWORK = "azure-iot-edge"
_PATIENCE = 120.0
_CALM = 1.5
"""Seconds between two manifests: a device asks its cloud for new identities once a second at most."""


@dataclass(frozen=True, slots=True)
class Effort:
    """`modules` are added one by one; then the device stands `idle` for so many seconds."""

    modules: int = 10
    idle: float = 20.0


class Runtime(Protocol):
    """What runs the modules."""

    def settings(self, number: int) -> JsonObject:
        """A module's, in the manifest."""
        ...

    def started(self, number: int) -> float | None:
        """When its program began to run (Unix seconds); None before."""
        ...


async def measure(effort: Effort = Effort()) -> list[Row]:
    with tempfile.TemporaryDirectory(prefix="hotori-bench-") as name:
        folder = Path(name)
        rows = await measured(folder / "processes", Processes(), effort)
        try:
            with dockerd(folder / "engine") as engine:
                rows += await measured(folder / "containers", Containers(engine), effort)
        except EngineMissingError as missing:
            print(f"containers are not measured: {missing}", flush=True)
    return rows


async def measured(folder: Path, runtime: Processes | Containers, effort: Effort) -> list[Row]:
    """The rows of one runtime."""
    async with together(folder, DEVICE, loopback_address(), runtime.listen, edge_options=runtime.options) as both:
        await runtime.publish(both.cloud, folder)
        delays = await _delays(both, runtime, effort.modules)
        bare = [await asyncio.to_thread(runtime.bare, number) for number in range(effort.modules)]
        before, began = usage(both.edge_program.pid), time.monotonic()
        await asyncio.sleep(effort.idle)
        after, seconds = usage(both.edge_program.pid), time.monotonic() - began
    cpu = (after.cpu - before.cpu) / seconds * 100
    return [_delay_row(runtime, delays, bare), *_idle_rows(runtime, after, cpu, effort)]


async def _delays(both: Together, runtime: Runtime, count: int) -> list[float]:
    """Seconds from the answer to a manifest until its new module runs; the first, which brings its image, is let go."""
    modules: dict[str, Any] = {}
    found = []
    async with service_client(both.cloud) as client, asyncio.timeout(_PATIENCE):
        for number in range(count):
            modules[f"m{number}"] = {
                "type": "docker", "status": "running", "restartPolicy": "always",
                "settings": runtime.settings(number),
            }  # fmt: skip
            await client.apply_manifest(DEVICE, manifest(modules))
            accepted = time.time()
            while (started := await asyncio.to_thread(runtime.started, number)) is None:
                await asyncio.sleep(0.01)
            found.append(started - accepted)
            await _told(client, f"m{number}")
            await asyncio.sleep(_CALM)
    return found[1:]


async def _told(client: ServiceClient, module: str) -> None:
    """Until the device has said that it is done with this one."""
    while True:
        twin: Any = await client.twin(Identity(DEVICE, EDGE_AGENT))
        desired, reported = twin["properties"]["desired"], twin["properties"]["reported"]
        done = reported.get("lastDesiredVersion") == desired["$version"] and module in reported.get("modules", {})
        if done and reported["lastDesiredStatus"]["code"] == 200:
            return
        await asyncio.sleep(0.1)


def manifest(modules: JsonObject, routes: JsonObject | None = None) -> JsonObject:
    runtime: JsonObject = {"type": "docker", "settings": {}}
    agent: JsonObject = {"schemaVersion": "1.1", "runtime": runtime, "systemModules": {}, "modules": dict(modules)}
    hub: JsonObject = {"schemaVersion": "1.1", "routes": routes or {}}
    return {
        "modulesContent": {
            "$edgeAgent": {"properties.desired": agent},
            "$edgeHub": {"properties.desired": hub},
        }
    }


def _delay_row(runtime: Processes | Containers, delays: Sequence[float], bare: Sequence[float]) -> Row:
    ours, own = statistics.median(delays), statistics.median(bare)
    beside = f"{ours * 1000:.0f} ms in all, {max(delays) * 1000:.0f} at most; {runtime.peer} {own * 1000:.0f} ms"
    what = f"from a manifest accepted to its module running, beyond {runtime.peer}"
    return Row(f"agent-start-{runtime.name}", what, "the limit set for it", ours - own, 1.0, "s", "<= 1.0", beside)


def _idle_rows(runtime: Processes | Containers, seen: Usage, cpu: float, effort: Effort) -> list[Row]:
    of = f"agent and hub with {effort.modules} modules, {runtime.name}"
    beside = f"{seen.proportional:.1f} MB where what programs share is divided among them"
    return [
        Row(f"agent-memory-{runtime.name}", f"memory of {of}", "the limit set for it", seen.resident, 80, "MB",
            "<= 1.0", beside),
        Row(f"agent-idle-{runtime.name}", f"processor time of {of}, over {effort.idle:g} s in which nothing changes",
            "the limit set for it", cpu, 1.0, "% of a core", "<= 1.0"),
    ]  # fmt: skip


@dataclass
class Processes:
    """Plain processes of busybox."""

    name = "process"
    peer = "a bare subprocess"
    options: tuple[str, ...] = ()
    listen: str = field(default_factory=loopback_address)
    image: str = ""

    async def publish(self, cloud: CloudConnection, folder: Path) -> None:
        files = {"sleep": await asyncio.to_thread(BUSYBOX.read_bytes)}
        images = _images(cloud, folder, None)
        self.image = str(await images.publish(files, name="sleeper", entrypoint=("/app/sleep",)))

    def settings(self, number: int) -> JsonObject:
        return {"image": self.image, "createOptions": json.dumps({"Cmd": [_nap(number)]})}

    def started(self, number: int) -> float | None:
        return time.time() if running_commands(f"/sleep\0{_nap(number)}\0".encode()) else None

    def bare(self, number: int) -> float:
        began = time.monotonic()
        with subprocess.Popen([str(BUSYBOX), "sleep", "60"], stdin=subprocess.DEVNULL) as process:
            took = time.monotonic() - began
            process.kill()
        return took


@dataclass
class Containers:
    """Containers of a dockerd; the peer asks it for the same over the same socket."""

    engine: TestEngine
    name = "docker"
    peer = "the engine's own create and start"
    listen: str = ""
    image: str = ""

    @property
    def options(self) -> tuple[str, ...]:
        return ("--runtime", "docker", "--docker-host", self.engine.address)

    async def publish(self, cloud: CloudConnection, folder: Path) -> None:
        base = await asyncio.to_thread(busybox_layer, BuildCache(folder / "busybox"))
        self.image = str(await _images(cloud, folder, base).script(WAITS, name="waiter"))

    def settings(self, number: int) -> JsonObject:
        return {"image": self.image, "createOptions": "{}"}

    def started(self, number: int) -> float | None:
        with self._client() as client:
            answer = client.get(f"/containers/m{number}/json")
        state = answer.json().get("State", {}) if answer.is_success else {}
        if not state.get("Running"):
            return None
        return datetime.fromisoformat(f"{state['StartedAt'][:26]}+00:00").timestamp()

    def bare(self, number: int) -> float:
        name, network = f"bare{number}", {"NetworkMode": _NETWORK}
        with self._client() as client:
            wanted = {"Image": self._held(client), "HostConfig": network}
            began = time.monotonic()
            made = client.post("/containers/create", params={"name": name}, json=wanted)
            client.post(f"/containers/{made.raise_for_status().json()['Id']}/start").raise_for_status()
            took = time.monotonic() - began
            client.delete(f"/containers/{name}", params={"force": "true"})
        return took

    def _held(self, client: httpx.Client) -> str:
        """The image of ours that is there, whatever it is called."""
        identifier: str = client.get("/images/json").json()[0]["Id"]
        return identifier

    def _client(self) -> httpx.Client:
        transport = httpx.HTTPTransport(uds=self.engine.address.removeprefix("unix://"))
        return httpx.Client(transport=transport, base_url="http://engine", timeout=30.0)


def _images(cloud: CloudConnection, folder: Path, base: Layer | None) -> TinyImages:
    credential = RegistryCredential(cloud.registry_address, cloud.registry_username, cloud.registry_password)
    return TinyImages(cloud.registry_address, folder / "images", credential, base)


def _nap(number: int) -> str:
    """Seconds to sleep, told to no other process of this machine."""
    return str(os.getpid() * 1000 + 10_000_000 + number)
