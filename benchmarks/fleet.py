"""Many edge devices on one cloud: real agents and hubs, a few processes full of them, and modules that are processes.

A rollout in waves with the gate is what is measured: how long, and what it asks of the cloud.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.processes import Usage, others, running_commands, usage
from benchmarks.row import Row
from hotori.cli.device import service_client
from hotori.model.json import JsonObject
from hotori.model.manifest import RegistryCredential
from hotori.sdk.configurations import ConfigurationClient
from hotori.sdk.connection_file import CloudConnection
from hotori.sdk.program import Program, running
from hotori.testing.addresses import loopback_address
from hotori.testing.busybox import BUSYBOX
from hotori.testing.fleet import enrol, write_enrolments
from hotori.testing.registry_server import TinyImages

_FILES = ("prlimit", "--nofile=20000:20000")
_PATIENCE = 600.0
HEALTHY = 2.0
"""Seconds for which a wave must be healthy."""
WAVES: list[JsonObject] = [{"percent": 5}, {"percent": 25}, {"percent": 100}]


@dataclass(frozen=True, slots=True)
class Size:
    """So many devices, in so many processes; `idle` seconds are looked at while nothing changes."""

    devices: int = 200
    hosts: int = 4
    idle: float = 20.0


@dataclass(frozen=True, slots=True)
class Cost:
    """What something took: seconds by the wall clock, the cloud's and all the devices' processor seconds."""

    seconds: float
    cloud: float
    devices: float


@dataclass(frozen=True, slots=True)
class Field:
    """Cloud and fleet, running."""

    cloud: CloudConnection
    cloud_pid: int
    hosts: tuple[int, ...]
    size: Size
    started: float
    """Seconds until all devices were ready."""

    @contextlib.asynccontextmanager
    async def cost(self) -> AsyncIterator[Callable[[], Cost]]:
        """What is done until the function is called."""
        began, cloud, devices = time.monotonic(), usage(self.cloud_pid), self._hosts()
        yield lambda: Cost(
            time.monotonic() - began, usage(self.cloud_pid).cpu - cloud.cpu, self._hosts().cpu - devices.cpu
        )

    def _hosts(self) -> Usage:
        return sum((usage(pid) for pid in self.hosts), Usage())


async def measure(size: Size = Size()) -> list[Row]:
    with tempfile.TemporaryDirectory(prefix="hotori-fleet-") as name:
        async with _field(Path(name), size) as field:
            images = [await _publish(field.cloud, Path(name), version) for version in (1, 2)]
            print(f"{size.devices} devices are ready", flush=True)
            first = await _roll_out(field, "first", images[0], 1, None)
            print(f"all run their module; {size.idle:g} s of peace", flush=True)
            async with field.cost() as so_far:
                await asyncio.sleep(size.idle)
                idle = so_far()
            second = await _roll_out(field, "second", images[1], 2, _strategy())
            memory = usage(field.cloud_pid).resident
            return _rows(field, first, idle, second, memory)


def _rows(field: Field, first: Cost, idle: Cost, second: Cost, memory: float) -> list[Row]:
    count, other = field.size.devices, others()
    waiting = len(WAVES) * HEALTHY
    started = f"{count} devices ready in {field.started:.0f} s; others used {other:.2f} of a core"
    each = 1000 / count
    busy = f"first deployment, all at once: {first.seconds:.1f} s, {first.cloud * each:.0f} ms each"
    agents = f"devices {second.devices * each:.0f} ms each, image pulled; {started}"
    quiet = f"a device {idle.devices / idle.seconds / count * 100:.2f} % of a core"
    return [
        Row("fleet-rollout-time", f"{count} devices to another version in {len(WAVES)} waves, each healthy for "
            f"{HEALTHY:g} s", f"the gate's own waiting, {waiting:g} s, and 0.2 s a device", second.seconds,
            waiting + 0.2 * count, "s", "<= 1.0", agents),
        Row("fleet-rollout-cloud", "the cloud's processor time for one device of it", "the limit set for it",
            second.cloud * each, 60, "ms", "<= 1.0", busy),
        Row("fleet-cloud-memory", f"memory of a cloud with {count} edge devices connected", "the limit set for it",
            memory, 100 + 0.5 * count, "MB", "<= 1.0", ""),
        Row("fleet-cloud-idle", f"the cloud's processor while nothing changes, {count} devices connected",
            "the limit set for it", idle.cloud / idle.seconds * 100, 2, "% of a core", "<= 1.0", quiet),
    ]  # fmt: skip


@contextlib.asynccontextmanager
async def _field(folder: Path, size: Size) -> AsyncIterator[Field]:
    program = Program(folder / "cloud", "cloud", "serve", "--listen", loopback_address(), wrapper=_FILES)
    async with running(program), contextlib.AsyncExitStack() as stack:
        cloud = CloudConnection.read(program.connect_file)
        names = [f"edge-{number:03}" for number in range(size.devices)]
        async with service_client(cloud) as client:
            enrolments = await enrol(client, cloud, names)
        began = time.monotonic()
        hosts = []
        for number in range(size.hosts):
            place = folder / f"host-{number}"
            await asyncio.to_thread(write_enrolments, place, enrolments[number :: size.hosts])
            hosts.append(await stack.enter_async_context(_host(place)))
        await asyncio.gather(*(_ready(host) for host in hosts))
        pids = tuple(host.pid for host in hosts)
        yield Field(cloud, program.pid, pids, size, time.monotonic() - began)


@contextlib.asynccontextmanager
async def _host(folder: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    with (folder / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *_FILES, sys.executable, "-m", "hotori.testing.fleet", str(folder),
            stdout=asyncio.subprocess.PIPE, stderr=log,
        )  # fmt: skip
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.communicate()


async def _ready(host: asyncio.subprocess.Process) -> None:
    assert host.stdout is not None
    async with asyncio.timeout(_PATIENCE):
        assert b"ready" in await host.stdout.readline(), "a fleet's process ended before its devices were ready"


async def _publish(cloud: CloudConnection, folder: Path, version: int) -> str:
    """An image that sleeps: busybox, which takes next to no memory, under the name of what it is to do."""
    credential = RegistryCredential(cloud.registry_address, cloud.registry_username, cloud.registry_password)
    images = TinyImages(cloud.registry_address, folder / "images", credential)
    files = {"sleep": await asyncio.to_thread(BUSYBOX.read_bytes), "version": str(version)}
    return str(await images.publish(files, name="sleeper", tag=str(version), entrypoint=("/app/sleep", _nap(version))))


def _nap(version: int) -> str:
    """Seconds to sleep: no other process of this machine is told the same."""
    return str(86_400_000 + version)


def _strategy() -> JsonObject:
    return {"waves": list(WAVES), "healthySeconds": HEALTHY}


async def _roll_out(field: Field, name: str, image: str, version: int, strategy: JsonObject | None) -> Cost:
    """Until every device runs it, and the rollout says so where it is one."""
    module: JsonObject = {
        "type": "docker", "status": "running", "restartPolicy": "always", "settings": {"image": image},
    }  # fmt: skip
    agent: JsonObject = {"schemaVersion": "1.1", "runtime": {"type": "docker"}, "systemModules": {}}
    agent["modules"] = {"sleeper": module}
    hub: JsonObject = {"schemaVersion": "1.1", "routes": {}}
    desired: JsonObject = {
        key: {"properties.desired": value} for key, value in (("$edgeAgent", agent), ("$edgeHub", hub))
    }
    document: JsonObject = {
        "content": {"modulesContent": desired}, "targetCondition": "*", "priority": version,
        **({"rollout": strategy} if strategy else {}),
    }  # fmt: skip
    async with service_client(field.cloud) as client, field.cost() as so_far, asyncio.timeout(_PATIENCE):
        configurations = ConfigurationClient(client)
        await configurations.create(name, document)
        while await asyncio.to_thread(_asleep, version) < field.size.devices or strategy:
            rollout = await configurations.rollout(name) if strategy else {"phase": "rolling"}
            if rollout["phase"] == "complete":
                break
            assert rollout["phase"] == "rolling", rollout["reason"]
            await asyncio.sleep(0.5)
        return so_far()


def _asleep(version: int) -> int:
    return running_commands(f"/sleep\0{_nap(version)}\0".encode())
