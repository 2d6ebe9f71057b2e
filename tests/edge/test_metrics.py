"""The metrics of an edge device: on their port while it runs, and what the agent's reports add up to (contract 7.3)."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from hotori.edge.agent_metrics import AgentMeters
from hotori.edge.main import run_edge
from hotori.edge.metrics import PORT, MetricsListener
from hotori.edge.performer import Outcome
from hotori.hub.metrics import exposition
from hotori.net.ports import bind
from hotori.problems import Problem
from hotori.reconcile.steps import PullImage, StartModule
from hotori.runtimes.module_runtime import ModuleUsage
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
    assert found["hotori_queues_disk_cap_bytes"][0][1] > found["hotori_queues_disk_bytes"][0][1] >= 0
    assert found["edgehub_offline_count_total"][0] == ({**labels, "id": "edge-1"}, 1)
    assert found["edgehub_operation_retry_total"][0][0]["operation"] == "connect"
    assert found["hotori_upstream_connected"][0][1] == 0
    assert found["edgeAgent_total_disk_space_bytes"][0][1] >= found["edgeAgent_available_disk_space_bytes"][0][1] > 0


def test_a_port_that_is_taken_matters_only_where_it_was_asked_for() -> None:
    address = loopback_address()
    with bind(address, PORT, "somebody else"):
        assert MetricsListener().bind(address) is None
        with pytest.raises(Problem) as met:
            MetricsListener(port=PORT).bind(address)
    assert met.value.code == "port-in-use"


def test_what_a_module_uses_is_told_and_its_share_of_the_machine_from_the_second_look_on() -> None:
    """7.3"""
    meters = AgentMeters(100.0)
    usages = {"camera": ModuleUsage(processor=1.0, memory=4096, processes=2, received=7)}
    first = samples(exposition(meters.use(usages, 100.0), {}).decode())
    assert "edgeAgent_used_cpu_percent" not in first
    assert first["edgeAgent_used_memory_bytes"] == [({"module_name": "camera"}, 4096)]
    assert first["edgeAgent_created_pids_total"] == [({"module_name": "camera"}, 2)]
    assert first["edgeAgent_total_network_in_bytes"] == [({"module_name": "camera"}, 7)]
    assert "edgeAgent_total_disk_read_bytes" not in first
    later = {"camera": replace(usages["camera"], processor=1.0 + 5.0 * (os.cpu_count() or 1))}
    second = samples(exposition(meters.use(later, 110.0), {}).decode())
    shares = {(each["module_name"]): value for each, value in second["edgeAgent_used_cpu_percent_sum"]}
    assert shares["camera"] == pytest.approx(50.0)
    assert shares["host"] >= 0


def test_steps_calls_and_deployments_are_counted() -> None:
    """7.3"""
    meters = AgentMeters(0.0)
    meters.stepped(Outcome(PullImage("camera", "new", "camera:1"), None, last=False, seconds=2.5))
    meters.stepped(Outcome(StartModule("camera", "new"), None, last=True, seconds=0.5))
    meters.called("ping")
    meters.called("ping")
    meters.deploying(7, 10.0)
    meters.seen({"lastDesiredVersion": 6, "lastDesiredStatus": {"code": 200}}, 12.0)
    meters.seen({"lastDesiredVersion": 7, "lastDesiredStatus": {"code": 200}}, 14.0)
    meters.seen({"lastDesiredVersion": 7, "lastDesiredStatus": {"code": 200}}, 20.0)
    found = samples(exposition(meters.families(), {}).decode())
    latencies = {each["command"]: value for each, value in found["edgeAgent_command_latency_seconds"]}
    assert latencies == {"prepareUpdate": 2.5, "start": 0.5}
    assert found["edgeAgent_module_prepare_update_total"][0][1] == 1
    # The parser adds `_total` to what is a counter by its type.
    assert found["edgeagent_direct_method_invocations_count_total"] == [({"method_name": "ping"}, 2)]
    assert found["edgeAgent_deployment_time_seconds_total"] == [({}, 4.0)]


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
