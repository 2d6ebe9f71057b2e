"""The benchmarks' harness: every kind of row starts, and comes to a figure."""

from __future__ import annotations

import shutil

import pytest

from benchmarks.generator import DEVICES, FAN_IN, Load
from benchmarks.hub import COMPARISONS, MOSQUITTO, Comparison, Effort, measure
from benchmarks.row import table

TINY = Effort(rounds=1, seconds=0.5, warm_up=0.1, connections=10, held=10, held_seconds=0.1)
FEW = Load(publishers=3)
FANNED = Load(publishers=1, subscribers=2, window=5)


@pytest.mark.skipif(shutil.which("gcc") is None, reason="no gcc to compile the load generator with")
async def test_every_kind_of_row_comes_to_a_figure() -> None:
    comparisons = (
        Comparison("devices", "devices", FEW, MOSQUITTO, ">= 1.0"),
        Comparison("fan-out", "fan-out", FANNED, MOSQUITTO, ">= 1.0"),
        Comparison("tls", "devices over TLS", FEW, MOSQUITTO, ">= 0.8", tls=13),
    )
    rows = await measure(TINY, comparisons)
    delays = ["hub-delay-median", "hub-delay-p99"]
    assert [row.name for row in rows] == ["devices", "fan-out", "tls", *delays, "hub-tls-connects", "hub-tls-memory"]
    assert all(row.name in line for row, line in zip(rows, table(rows).splitlines()[2:], strict=True))
    assert all(row.ours > 0 for row in rows if row.name != "hub-tls-memory")


def test_the_rows_are_those_that_were_promised() -> None:
    loads = {(one.load, one.tls) for one in COMPARISONS if one.peer is MOSQUITTO}
    assert {(DEVICES, 0), (FAN_IN, 0), (DEVICES, 13), (FAN_IN, 13)} <= loads
    assert {one.peer.name.partition(",")[0] for one in COMPARISONS} == {"mosquitto", "nats-server", "aedes", "amqtt"}
