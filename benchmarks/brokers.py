"""Our hub and the brokers it is compared with, each a process on one processor. `tools/bench-peers` installs them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import socket
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from benchmarks.clients import SINK_FILTER, TOPIC, write_credentials
from benchmarks.generator import Load, options, pinned
from hotori.net.authority import Authority

PEERS = Path(__file__).resolve().parent.parent / "build" / "peers"
_OPEN_FILES = 20_000
_PATIENCE = 20.0


@dataclass(frozen=True, slots=True)
class Running:
    """A broker that listens. `tls_port` is 0 where it has none; `credentials` is None where it lets everybody in."""

    pid: int
    plain_port: int
    tls_port: int
    topic: str
    filter: str
    credentials: Path | None = None

    def arguments(self, load: Load | None = None, *, clients: int = 0, tls: int = 0) -> list[str]:
        """Of the generator, to reach it; `tls` is 12 or 13 for that version, 0 for plain."""
        port = self.tls_port if tls else self.plain_port
        found = options(port=port, pid=self.pid, topic=self.topic, filter=self.filter)
        if tls:
            found.append(f"--tls={tls}")
        if self.credentials is not None:
            count = load.publishers if load else clients
            write_credentials(self.credentials, count, load.subscribers if load else 0)
            found += options(credentials=self.credentials)
        return found


class Broker(Protocol):
    """Something to measure."""

    @property
    def name(self) -> str: ...

    def run(self, folder: Path) -> contextlib.AbstractAsyncContextManager[Running]:
        """Start it with its files in an empty folder; it ends with the context."""
        ...


@dataclass(frozen=True, slots=True)
class Hub:
    """Ours: durable, with tokens, routes and property bags. `sinks` modules take every message."""

    name: str = "hotori"
    sinks: int = 1

    @contextlib.asynccontextmanager
    async def run(self, folder: Path) -> AsyncIterator[Running]:
        command = (sys.executable, "-m", "benchmarks.bench_hub", str(folder), str(self.sinks))
        async with _process(*command) as process:
            assert process.stdout is not None
            ports = json.loads(await asyncio.wait_for(process.stdout.readline(), _PATIENCE))
            yield Running(process.pid, ports["plain"], ports["tls"], TOPIC, SINK_FILTER, folder / "credentials")


@dataclass(frozen=True, slots=True)
class Mosquitto:
    name: str = "mosquitto, in memory"

    @contextlib.asynccontextmanager
    async def run(self, folder: Path) -> AsyncIterator[Running]:
        plain, tls = _free_ports(2)
        issued = Authority.open(folder / "authority").issue_server(["127.0.0.1", "localhost"])
        configuration = folder / "mosquitto.conf"
        configuration.write_text(
            f"allow_anonymous true\nuser root\nmax_queued_messages 0\nlistener {plain} 127.0.0.1\n"
            f"listener {tls} 127.0.0.1\ncertfile {issued.cert_path}\nkeyfile {issued.key_path}\n"
        )
        async with _process("/usr/sbin/mosquitto", "-c", str(configuration)) as process:
            yield await _listening(process, plain, tls)


@dataclass(frozen=True, slots=True)
class Nats:
    """Topics of its MQTT hold no dots. What it acknowledges it has not flushed to the disk."""

    name: str = "nats-server, MQTT"

    @contextlib.asynccontextmanager
    async def run(self, folder: Path) -> AsyncIterator[Running]:
        plain, own = _free_ports(2)
        configuration = folder / "nats.conf"
        configuration.write_text(
            f'server_name: bench\nlisten: "127.0.0.1:{own}"\njetstream {{ store_dir: "{folder}/store" }}\n'
            f'mqtt {{ listen: "127.0.0.1:{plain}" }}\n'
        )
        program = shutil.which("nats-server") or str(PEERS / "nats" / "usr" / "sbin" / "nats-server")
        async with _process(program, "-c", str(configuration)) as process:
            yield await _listening(process, plain, 0, TOPIC.replace("%24.", "%24"))


@dataclass(frozen=True, slots=True)
class Aedes:
    name: str = "aedes, in memory"

    @contextlib.asynccontextmanager
    async def run(self, folder: Path) -> AsyncIterator[Running]:
        plain, tls = _free_ports(2)
        issued = Authority.open(folder / "authority").issue_server(["127.0.0.1", "localhost"])
        script = str(PEERS / "npm" / "aedes.js")
        files = (str(issued.cert_path), str(issued.key_path))
        async with _process("node", script, str(plain), str(tls), *files) as process:
            yield await _listening(process, plain, tls)


@dataclass(frozen=True, slots=True)
class Amqtt:
    name: str = "amqtt, in memory"

    @contextlib.asynccontextmanager
    async def run(self, folder: Path) -> AsyncIterator[Running]:
        (plain,) = _free_ports(1)
        configuration = folder / "amqtt.yaml"
        configuration.write_text(
            f"listeners:\n  default:\n    type: tcp\n    bind: 127.0.0.1:{plain}\n"
            "plugins:\n  amqtt.plugins.authentication.AnonymousAuthPlugin:\n    allow_anonymous: true\n"
        )
        program = str(PEERS / "amqtt" / "bin" / "amqtt")
        async with _process(program, "-c", str(configuration)) as process:
            yield await _listening(process, plain, 0)


async def _listening(process: asyncio.subprocess.Process, plain: int, tls: int, topic: str = TOPIC) -> Running:
    async with asyncio.timeout(_PATIENCE):
        while not _listens(plain):
            assert process.returncode is None, "the broker has ended"
            await asyncio.sleep(0.05)
    return Running(process.pid, plain, tls, topic, "devices/#")


@contextlib.asynccontextmanager
async def _process(*command: str) -> AsyncIterator[asyncio.subprocess.Process]:
    limited = ("prlimit", f"--nofile={_OPEN_FILES}:{_OPEN_FILES}", *command)
    process = await asyncio.create_subprocess_exec(
        *pinned(0, *limited), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.communicate()


def _free_ports(count: int) -> Sequence[int]:
    with contextlib.ExitStack() as stack:
        listeners = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [int(listener.getsockname()[1]) for listener in listeners]


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
