"""The cloud's hub: messages into its event log beside mosquitto, and the stream of its events beside a bare server."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.brokers import Mosquitto
from benchmarks.clients import EXPIRY, TOPIC, registration
from benchmarks.generator import DEVICES, Load, generate, options, pinned
from benchmarks.row import Row
from hotori.model.identity import Identity
from hotori.model.sas import sign

STREAM_RATE = 2000
_PACED = Load(publishers=100, subscribers=0, rate=STREAM_RATE)
_BARE = "a bare uvicorn server of events, from memory"
_PATIENCE = 30.0
_AFTERWARDS = 3.0

Figures = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Effort:
    """How long, in seconds, and for how many readers."""

    seconds: float = 4.0
    warm_up: float = 1.0
    readers: int = 20


@dataclass(frozen=True, slots=True)
class Server:
    """A process that serves events; `plain` is the port for devices, 0 where it makes the events itself."""

    pid: int
    https: int
    plain: int = 0
    name: str = ""
    token: str = ""


_DEFAULT = Effort()


async def measure(effort: Effort = _DEFAULT) -> list[Row]:
    """Throughput with 200 devices, then delay and cost of the stream."""
    mosquitto = await _mosquitto(effort)
    alone, followed = [await _intake(effort, readers) for readers in (0, 1)]
    rows = [
        _intake_row("cloud-intake", "200 devices, durable, into the event log", alone, mosquitto),
        _intake_row("cloud-intake-streamed", "the same with a reader of the event stream", followed, mosquitto),
    ]
    for readers in dict.fromkeys((1, effort.readers)):
        rows += _stream_rows(readers, await _stream(effort, readers), await _bare(effort, readers))
    return rows


def _intake_row(name: str, what: str, ours: Figures, peer: Figures) -> Row:
    seen = (f"{each['cpu_us']:.1f} us each, {each['in_per_second']:.0f}/s seen" for each in (ours, peer))
    beside = "ours {}; peer {}".format(*seen)
    rates = 1e6 / max(ours["cpu_us"], 0.1), 1e6 / max(peer["cpu_us"], 0.1)
    title = f"messages in, a second and core: {what}"
    return Row(name, title, "mosquitto, in memory, one subscriber", *rates, "msg/s", ">= 1.0", beside)


def _stream_rows(readers: int, ours: Figures, peer: Figures) -> list[Row]:
    what = f"{STREAM_RATE} events a second to {readers} reader{'s' if readers > 1 else ''}"
    delays = f"99th percentile {ours['p99_ms']:.1f} and {peer['p99_ms']:.1f} ms; ours from the device on, durable"
    seen = f"{ours['per_second']:.0f} and {peer['per_second']:.0f} deliveries a second seen; ours with the intake"
    return [
        Row(f"events-delay-{readers}", f"{what}: delay, median", _BARE, ours["p50_ms"], peer["p50_ms"], "ms",
            "<= 10 ms", delays),
        Row(f"events-cost-{readers}", f"{what}: processor time of a delivery", _BARE, ours["cpu_us"], peer["cpu_us"],
            "us", "<= 1.0" if readers > 1 else "", seen),
    ]  # fmt: skip


async def _mosquitto(effort: Effort) -> Figures:
    with tempfile.TemporaryDirectory(prefix="hotori-bench-") as folder:
        async with Mosquitto().run(Path(folder)) as running:
            extent = options(seconds=effort.seconds, warm_up=effort.warm_up)
            return await generate(*running.arguments(DEVICES), *DEVICES.arguments(), *extent)


async def _intake(effort: Effort, readers: int) -> Figures:
    load = replace(DEVICES, subscribers=0)
    with tempfile.TemporaryDirectory(prefix="hotori-bench-") as folder:
        async with _cloud(Path(folder), load.publishers) as server:
            devices = _devices(server, Path(folder), load, effort.seconds, effort.warm_up)
            reading = _readers(server, readers, effort.seconds) if readers else asyncio.sleep(0, result={})
            figures, _ = await asyncio.gather(devices, reading)
            return figures


async def _stream(effort: Effort, readers: int) -> Figures:
    with tempfile.TemporaryDirectory(prefix="hotori-bench-") as folder:
        async with _cloud(Path(folder), _PACED.publishers) as server:
            # The devices begin before the readers and end after them.
            lasting = effort.seconds * 1.5 + _AFTERWARDS
            devices = asyncio.create_task(_devices(server, Path(folder), _PACED, lasting, effort.warm_up))
            await asyncio.sleep(effort.warm_up)
            figures = await _readers(server, readers, effort.seconds)
            await devices
            return figures


async def _bare(effort: Effort, readers: int) -> Figures:
    async with _process("benchmarks.bench_sse", str(STREAM_RATE)) as server:
        return await _readers(server, readers, effort.seconds)


async def _devices(server: Server, folder: Path, load: Load, seconds: float, warm_up: float) -> Figures:
    credentials = folder / "credentials"
    credentials.write_text("".join(_credentials(server.name, number) for number in range(load.publishers)))
    reached = options(port=server.plain, pid=server.pid, topic=TOPIC, filter="none", credentials=credentials)
    extent = options(seconds=seconds, warm_up=warm_up)
    return await generate(*reached, *load.arguments(), *extent)


def _credentials(hub: str, number: int) -> str:
    """A line for the load generator: id, user name, password."""
    identity = Identity(f"d{number}")
    token = sign(f"{hub}/{identity.path()}", registration(identity).primary, EXPIRY)
    return f"{identity}\t{hub}/{identity}/?api-version=2021-04-12\t{token}\n"


async def _readers(server: Server, readers: int, seconds: float) -> Figures:
    arguments = (str(server.https), str(server.pid), str(readers), str(seconds), server.token)
    command = pinned(1, sys.executable, "-m", "benchmarks.stream_load", *arguments)
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    answer, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"the readers ended with {process.returncode}")
    figures: Figures = json.loads(answer)
    return figures


@contextlib.asynccontextmanager
async def _cloud(folder: Path, devices: int) -> AsyncIterator[Server]:
    async with _process("benchmarks.bench_cloud", str(folder / "cloud"), str(devices)) as server:
        yield server


@contextlib.asynccontextmanager
async def _process(module: str, *arguments: str) -> AsyncIterator[Server]:
    command = pinned(0, sys.executable, "-m", module, *arguments)
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    try:
        assert process.stdout is not None
        ports = json.loads(await asyncio.wait_for(process.stdout.readline(), _PATIENCE))
        yield Server(process.pid, **ports)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.communicate()
