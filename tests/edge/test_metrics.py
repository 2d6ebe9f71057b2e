"""The metrics of an edge device: on their port while it runs, and what the agent's reports add up to (contract 7.3)."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from hotori.edge.agent_metrics import AgentMeters
from hotori.edge.main import run_edge
from hotori.edge.metrics import PORT, MetricsListener
from hotori.hub.metrics import exposition
from hotori.net.ports import bind
from hotori.problems import Problem
from hotori.testing.addresses import loopback_address
from tests.edge.test_main import a_config, an_enrolment


def samples(text: str) -> dict[str, list[tuple[dict[str, str], float]]]:
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found


async def test_metrics_are_served_on_their_port_with_the_common_labels(tmp_path: Path) -> None:
    config = replace(a_config(tmp_path, an_enrolment(tmp_path)), metrics=MetricsListener())
    stop, ready = asyncio.Event(), asyncio.Event()
    running = asyncio.create_task(run_edge(config, stop, lambda *_: ready.set()))
    async with asyncio.timeout(30):
        await ready.wait()
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.get(f"http://{config.listen}:{PORT}/metrics")
    stop.set()
    await running
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    found = samples(answer.text)
    labels, value = found["edgehub_connected_clients"][0]
    assert value == 0
    assert labels.keys() == {"iothub", "edge_device", "instance_number", "ms_telemetry"}
    assert (labels["iothub"], labels["edge_device"]) == ("hub.example.net", "edge-1")
    total = next(value for sample, value in found["edgeAgent_total_memory_bytes"] if sample["module_name"] == "host")
    used = next(value for sample, value in found["edgeAgent_used_memory_bytes"] if sample["module_name"] == "host")
    assert 0 < used < total
    assert found["edgeAgent_total_disk_space_bytes"][0][1] >= found["edgeAgent_available_disk_space_bytes"][0][1] > 0


def test_a_port_that_is_taken_matters_only_where_it_was_asked_for() -> None:
    address = loopback_address()
    with bind(address, PORT, "somebody else"):
        assert MetricsListener().bind(address) is None
        with pytest.raises(Problem) as met:
            MetricsListener(port=PORT).bind(address)
    assert met.value.code == "port-in-use"


def report(status: str, runtime: str, started: str, exited: str) -> Any:
    module = {"status": status, "runtimeStatus": runtime, "version": "1"}
    return {"modules": {"camera": {**module, "lastStartTimeUtc": started, "lastExitTimeUtc": exited}}}


def test_the_agent_s_reports_add_up_to_times_starts_and_ends() -> None:
    meters = AgentMeters(0.0)
    meters.seen(report("running", "running", "t1", "never"), 10.0)
    meters.seen(report("running", "backoff", "t1", "t2"), 30.0)
    meters.seen(report("running", "running", "t3", "t2"), 35.0)
    meters.seen({"modules": {}}, 40.0)
    meters.seen({"modules": {}}, 90.0)
    found = samples(exposition(meters.families(), {}).decode())
    name, both = {"module_name": "camera"}, {"module_name": "camera", "module_version": "1"}
    assert found["edgeAgent_total_time_expected_running_seconds"] == [(name, 30.0)]
    assert found["edgeAgent_total_time_running_correctly_seconds"] == [(name, 25.0)]
    assert found["edgeAgent_module_start_total"] == [(both, 2)]
    assert found["edgeAgent_module_stop_total"] == [(both, 1)]
