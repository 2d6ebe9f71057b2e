"""The hub beside other brokers, on the same load in the same run: 256 bytes, QoS 1 in and out.

The broker has one processor and the generator the other. What is compared is processor time for one message that
comes in, since it hardly depends on who else uses the machine; the throughput seen stands beside it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path

from benchmarks.brokers import Aedes, Amqtt, Broker, Hub, Mosquitto, Nats
from benchmarks.generator import DEVICES, FAN_IN, FAN_OUT, PACED, Load, generate, options
from benchmarks.row import Row

Figures = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Effort:
    """How long and how much: `seconds` a measurement, `connections` a second and held.

    Two brokers are measured in turn, so many `rounds`, and of each the best round counts: the speed of a shared machine
    changes within seconds, and never makes a broker faster than it is.
    """

    rounds: int = 3
    seconds: float = 3.0
    warm_up: float = 1.0
    connections: int = 1500
    held: int = 9900
    held_seconds: float = 3.0


@dataclass(frozen=True, slots=True)
class Comparison:
    """One load on our hub and on a peer: messages a second and core, and what the ratio should be at least."""

    name: str
    what: str
    load: Load
    peer: Broker
    aim: str
    tls: int = 0


MOSQUITTO = Mosquitto()
COMPARISONS = (
    Comparison("hub-devices-mosquitto", "200 devices, one message in flight each", DEVICES, MOSQUITTO, ">= 1.0"),
    Comparison("hub-fan-in-mosquitto", "10 senders with 20 in flight, one receiver", FAN_IN, MOSQUITTO, ">= 1.5"),
    Comparison("hub-fan-out-mosquitto", "one sender, ten receivers", FAN_OUT, MOSQUITTO, ">= 1.0"),
    Comparison("hub-devices-nats", "200 devices", DEVICES, Nats(), ">= 2.5"),
    Comparison("hub-devices-aedes", "200 devices", DEVICES, Aedes(), ">= 1.8"),
    Comparison("hub-devices-amqtt", "200 devices", DEVICES, Amqtt(), ">= 20"),
    Comparison("hub-tls-devices-mosquitto", "200 devices, TLS 1.3", DEVICES, MOSQUITTO, ">= 0.8", tls=13),
    Comparison("hub-tls-fan-in-mosquitto", "10 senders, one receiver, TLS 1.3", FAN_IN, MOSQUITTO, ">= 0.8", tls=13),
)


async def measure(effort: Effort = Effort(), comparisons: Sequence[Comparison] = COMPARISONS) -> list[Row]:
    """Throughput for each comparison, then delay, connections and memory."""
    rows = [_throughput(one, *await _in_turn(one, effort)) for one in comparisons]
    return [*rows, *await _delays(effort), await _connects(effort), await _memory(effort)]


async def _in_turn(one: Comparison, effort: Effort, by: str = "cpu_us") -> tuple[Figures, Figures]:
    """The best round of our hub, and of the peer, by one of the figures."""
    ours, peer = [], []
    for _ in range(effort.rounds):
        ours.append(await _carry(Hub(sinks=one.load.subscribers), one.load, one.tls, effort))
        peer.append(await _carry(one.peer, one.load, one.tls, effort))
    return min(ours, key=itemgetter(by)), min(peer, key=itemgetter(by))


async def _carry(broker: Broker, load: Load, tls: int, effort: Effort) -> Figures:
    with tempfile.TemporaryDirectory(prefix="hotori-bench-") as folder:
        async with broker.run(Path(folder)) as running:
            extent = options(seconds=effort.seconds, warm_up=effort.warm_up)
            return await generate(*running.arguments(load, tls=tls), *load.arguments(), *extent)


def _throughput(one: Comparison, ours: Figures, peer: Figures) -> Row:
    beside = "; ".join(f"{name} {_seen(figures)}" for name, figures in (("ours", ours), ("peer", peer)))
    per_core = _per_core(ours), _per_core(peer)
    return Row(
        one.name, f"messages in, a second and core: {one.what}", one.peer.name, *per_core, "msg/s", one.aim, beside
    )


def _per_core(figures: Figures) -> float:
    """How many a second one processor does; the kernel counts its time in hundredths of a second."""
    return 1e6 / max(figures["cpu_us"], 0.1)


def _seen(figures: Figures) -> str:
    """What the wall clock saw, how busy the generator was, and who else was on the machine."""
    return (
        f"{figures['cpu_us']:.1f} us each, {figures['in_per_second']:.0f}/s seen, "
        f"generator {figures['own_cpu']:.2f} and others {figures['other_cpu']:.2f} of a core"
    )


async def _delays(effort: Effort) -> list[Row]:
    paced = Comparison("hub-delay", "2000 messages a second", PACED, MOSQUITTO, "")
    ours, peer = await _in_turn(paced, effort, "p50_us")
    what = "publish to subscriber, durable, 2000 messages a second"
    beside = f"{_seen(ours)}; the aim is %s us on a quiet machine"
    return [
        Row("hub-delay-median", what, MOSQUITTO.name, ours["p50_us"], peer["p50_us"], "us", "<= 250 us", beside % 250),
        Row("hub-delay-p99", f"{what}, 99th percentile", MOSQUITTO.name, ours["p99_us"], peer["p99_us"], "us",
            "<= 1000 us", beside % 1000),
    ]  # fmt: skip


async def _connects(effort: Effort) -> Row:
    ours, peer = [await _connect(broker, "connect", effort.connections, effort) for broker in (Hub(), MOSQUITTO)]
    beside = f"{ours['per_second']:.0f}/s and {peer['per_second']:.0f}/s seen"
    rates = _per_core(ours), _per_core(peer)
    what = "TLS 1.3 connections a second and core; ours checks the token"
    return Row("hub-tls-connects", what, MOSQUITTO.name, *rates, "/s", ">= 0.7", beside)


async def _memory(effort: Effort) -> Row:
    ours, peer = [await _connect(broker, "hold", effort.held, effort) for broker in (Hub(), MOSQUITTO)]
    beside = f"{ours['connected']:.0f} held, {ours['dropped']:.0f} lost; the aim is 25 KiB each and twice the peer's"
    what = "memory of an idle TLS connection"
    return Row("hub-tls-memory", what, MOSQUITTO.name, ours["kb_each"], peer["kb_each"], "KiB", "<= 2.0", beside)


async def _connect(broker: Broker, mode: str, count: int, effort: Effort) -> Figures:
    with tempfile.TemporaryDirectory(prefix="hotori-bench-") as folder:
        async with broker.run(Path(folder)) as running:
            extent = options(mode=mode, connections=count, sources=4, seconds=effort.held_seconds)
            return await generate(*running.arguments(clients=count, tls=13), *extent)
