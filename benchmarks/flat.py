"""Whether an edge device's memory stays where it is: a million messages through its hub, over TLS, durable each.

Ten modules of the device send and one takes everything; they are the load generator's (`benchmarks/load/mqttload.c`).
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.agent import DEVICE, manifest
from benchmarks.generator import FAN_IN, generate, options
from benchmarks.processes import Usage, usage
from benchmarks.row import Row
from hotori.cli.device import service_client
from hotori.cli.together import Together, together
from hotori.model.identity import Identity
from hotori.model.sas import sign
from hotori.sdk.connection_file import read_document
from hotori.testing.addresses import loopback_address

_SENDERS = tuple(f"sender{number}" for number in range(FAN_IN.publishers))
_SINK = "sink0"
_ROUTES = {"in": f'FROM /messages/modules/* INTO BrokeredEndpoint("/modules/{_SINK}/inputs/in")'}
_TOPIC = f"devices/{DEVICE}/modules/sender{{}}/messages/events/level=info&seq={{n}}"
_FILTER = f"devices/{DEVICE}/modules/sink{{}}/inputs/#"
_EXPIRY = 4_000_000_000
_SETTLE = 5.0
"""Seconds after which what was under way is done."""


@dataclass(frozen=True, slots=True)
class Effort:
    """So many messages, in runs of the generator of `run` seconds each; given up after `longest` seconds. The first
    `warm_up` seconds are not counted: queues and files are made in them."""

    messages: int = 1_000_000
    run: float = 20.0
    longest: float = 420.0
    warm_up: float = 5.0


async def measure(effort: Effort = Effort()) -> list[Row]:
    with tempfile.TemporaryDirectory(prefix="hotori-bench-") as name:
        async with together(Path(name), DEVICE, loopback_address(), loopback_address()) as both:
            await asyncio.sleep(_SETTLE)
            idle = usage(both.edge_program.pid)
            load = await _arguments(both, Path(name) / "credentials")
            await generate(*load, *options(seconds=effort.warm_up))
            await asyncio.sleep(_SETTLE)
            before, began = usage(both.edge_program.pid), time.monotonic()
            sent = await _send(load, effort)
            seconds = time.monotonic() - began
            await asyncio.sleep(_SETTLE)
            return _rows(idle, before, usage(both.edge_program.pid), sent, seconds)


async def _send(load: Sequence[str], effort: Effort) -> int:
    """How many were acknowledged."""
    sent, deadline = 0.0, time.monotonic() + effort.longest
    while sent < effort.messages and time.monotonic() < deadline:
        figures = await generate(*load, *options(seconds=effort.run, warm_up=0))
        sent += figures["in_per_second"] * figures["seconds"]
    return int(sent)


def _rows(idle: Usage, before: Usage, after: Usage, sent: int, seconds: float) -> list[Row]:
    cost = (after.cpu - before.cpu) / max(sent, 1) * 1e6
    flat = f"{sent} messages in {seconds:.0f} s, {cost:.0f} us each with TLS; {idle.resident:.1f} MB before the first"
    return [
        Row("edge-idle-memory", "memory of an edge process without modules: agent and hub", "the limit set for it",
            idle.resident, 60, "MB", "<= 1.0", f"{idle.proportional:.1f} MB where shared pages are divided"),
        Row("edge-flat-memory", "memory of an edge process after a million messages through its hub",
            "itself, after its first seconds of load", after.resident, before.resident, "MB", "<= 1.1", flat),
    ]  # fmt: skip


async def _arguments(both: Together, credentials: Path) -> list[str]:
    """Of the generator; its clients are registered, and what they say is routed."""
    lines = []
    async with service_client(both.cloud) as client:
        await client.apply_manifest(DEVICE, manifest({}, dict(_ROUTES)))
        for module in (*_SENDERS, _SINK):
            view = await client.add_module(Identity(DEVICE, module))
            token = sign(f"{view.hub}/{view.identity.path()}", view.key, _EXPIRY)
            lines.append(f"{view.identity}\t{view.hub}/{view.identity}/?api-version=2021-04-12\t{token}\n")
    await asyncio.to_thread(credentials.write_text, "".join(lines), "ascii")
    hub = (await asyncio.to_thread(read_document, both.edge_program.connect_file))["hub"]
    where = options(host=hub["host"], port=hub["mqtt_port"], pid=both.edge_program.pid, tls=13)
    return [*where, *options(topic=_TOPIC, filter=_FILTER, credentials=credentials), *FAN_IN.arguments()]
