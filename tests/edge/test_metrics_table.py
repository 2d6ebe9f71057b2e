"""The table of contract 7.3: every row is told by its name, kind and labels, and no other of IoT Edge's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from hotori.edge.agent_metrics import AgentMeters, machine_families
from hotori.edge.metrics import metrics_app
from hotori.edge.performer import Outcome
from hotori.hub.hub_metrics import edge_hub_families
from hotori.hub.metrics import Family
from hotori.hub.upstream import Upstream
from hotori.hub.upstream_metrics import upstream_families
from hotori.model.identity import EDGE_HUB, Identity
from hotori.model.json import Json
from hotori.model.manifest import RouteSpec
from hotori.model.message import Message
from hotori.reconcile.steps import PullImage
from hotori.routing.router import Router
from hotori.runtimes.module_runtime import ModuleUsage
from hotori.sdk.backoff import Backoff
from hotori.sdk.connection import HubConnection
from hotori.sdk.endpoint import key_tokens
from hotori.sdk.link import ConnectionOptions
from hotori.testing.addresses import loopback_address
from hotori.testing.small_hub import BookDirectory, SmallHub

NAME = "hub.example.test"
CAMERA, CLASSIFIER = Identity("edge-1", "camera"), Identity("edge-1", "classifier")
OPTIONS = ConnectionOptions(backoff=Backoff(first=0.02, longest=0.1, refused=0.1))
COMMON = {"iothub": NAME, "edge_device": "edge-1", "instance_number": "1", "ms_telemetry": "True"}
QUANTILES = {"0.1", "0.5", "0.9", "0.99"}

WAY = "from to from_route_output to_route_input"
ROWS = {
    "edgehub_gettwin_total": ("counter", "source id"),
    "edgehub_messages_received_total": ("counter", "route_output id"),
    "edgehub_messages_sent_total": ("counter", f"{WAY} priority"),
    "edgehub_reported_properties_total": ("counter", "target id"),
    "edgehub_message_size_bytes": ("summary", "id"),
    "edgehub_gettwin_duration_seconds": ("summary", "source id"),
    "edgehub_message_send_duration_seconds": ("summary", WAY),
    "edgehub_message_process_duration_seconds": ("summary", "from to priority"),
    "edgehub_reported_properties_update_duration_seconds": ("summary", "target id"),
    "edgehub_direct_method_duration_seconds": ("summary", "from to"),
    "edgehub_direct_methods_total": ("counter", "from to"),
    "edgehub_queue_length": ("gauge", "endpoint priority"),
    "edgehub_messages_dropped_total": ("counter", "reason from from_route_output"),
    "edgehub_messages_unack_total": ("counter", "reason from from_route_output"),
    "edgehub_offline_count_total": ("counter", "id"),
    "edgehub_offline_duration_seconds": ("summary", "id"),
    "edgehub_operation_retry_total": ("counter", "id operation"),
    "edgehub_client_connect_failed_total": ("counter", "id reason"),
    "edgehub_client_connect_success_total": ("counter", "id"),
    "edgehub_client_disconnect_total": ("counter", "id"),
    "edgehub_connected_clients": ("gauge", ""),
    "edgeAgent_total_time_running_correctly_seconds": ("gauge", "module_name"),
    "edgeAgent_total_time_expected_running_seconds": ("gauge", "module_name"),
    "edgeAgent_module_start_total": ("counter", "module_name module_version"),
    "edgeAgent_module_stop_total": ("counter", "module_name module_version"),
    "edgeAgent_module_prepare_update_total": ("counter", "module_name module_version"),
    "edgeAgent_command_latency_seconds": ("gauge", "command"),
    "edgeAgent_iothub_syncs_total": ("counter", ""),
    "edgeAgent_unsuccessful_iothub_syncs_total": ("counter", ""),
    "edgeAgent_deployment_time_seconds": ("counter", ""),
    "edgeagent_direct_method_invocations_count": ("counter", "method_name"),
    "edgeAgent_host_uptime_seconds": ("gauge", ""),
    "edgeAgent_iotedged_uptime_seconds": ("gauge", ""),
    "edgeAgent_available_disk_space_bytes": ("gauge", "disk_name disk_filesystem disk_filetype"),
    "edgeAgent_total_disk_space_bytes": ("gauge", "disk_name disk_filesystem disk_filetype"),
    "edgeAgent_used_memory_bytes": ("gauge", "module_name"),
    "edgeAgent_total_memory_bytes": ("gauge", "module_name"),
    "edgeAgent_used_cpu_percent": ("summary", "module_name"),
    "edgeAgent_created_pids_total": ("gauge", "module_name"),
    "edgeAgent_total_network_in_bytes": ("gauge", "module_name"),
    "edgeAgent_total_network_out_bytes": ("gauge", "module_name"),
    "edgeAgent_total_disk_read_bytes": ("gauge", "module_name"),
    "edgeAgent_total_disk_write_bytes": ("gauge", "module_name"),
    "edgeAgent_metadata": ("gauge", "edge_agent_version experimental_features host_information"),
}
"""The contract's rows: kind, and labels beside the common ones."""
MORE = {"edgehub_messages_sent_total": {"route"}}
"""Labels that are ours."""


@dataclass(frozen=True)
class House:
    """A cloud, an edge device's hub below it, and its way up."""

    cloud: SmallHub
    edge: SmallHub
    upstream: Upstream

    def client(self, identity: Identity) -> HubConnection:
        tokens = key_tokens(NAME, identity, self.edge.directory.key(identity))
        return HubConnection(self.edge.endpoint, NAME, identity, tokens, OPTIONS)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    directory = BookDirectory("edge-1", "edge-1/$edgeHub", str(CAMERA), str(CLASSIFIER))
    inward = "FROM /messages/modules/camera/outputs/a INTO BrokeredEndpoint('/modules/classifier/inputs/i')"
    router = Router.compile({"in": RouteSpec("in", inward)})
    cloud = SmallHub(tmp_path / "cloud", loopback_address(), directory, name=NAME)
    edge = SmallHub(tmp_path / "edge", loopback_address(), directory, name=NAME, device="edge-1", router=router)
    async with cloud, edge:
        upstream = Upstream(edge.hub, cloud.endpoint, options=OPTIONS, patience=0.3)
        await upstream.start()
        yield House(cloud, edge, upstream)
        await upstream.close()


async def at_work(house: House) -> None:
    """One of everything that is counted at the hub."""
    got = asyncio.Event()

    async def take(name: str, message: Message) -> None:
        got.set()

    async def answer(name: str, payload: Json) -> tuple[int, Json]:
        return 200, None

    sender, receiver = house.client(CAMERA), house.client(CLASSIFIER)
    receiver.on_input(take)
    receiver.on_method(answer)
    async with receiver, sender:
        await sender.twin()
        await sender.report({"a": 1})
        await sender.send(Message(b"x", output="a"))
        await sender.send(Message(b"x", output="nowhere"))
        await got.wait()
        await house.edge.hub.methods.invoke(CLASSIFIER, "look", None, 5.0, 5.0)
        while not house.edge.hub.meters.sending:
            await asyncio.sleep(0.01)
    house.edge.hub.meters.not_stored(CAMERA)
    house.edge.directory.disable(CAMERA)
    async with house.client(CAMERA):
        while not house.edge.hub.meters.refused:
            await asyncio.sleep(0.01)


async def an_outage(house: House) -> None:
    await house.cloud.stop()
    while house.upstream.connected:
        await asyncio.sleep(0.01)
    await house.cloud.start()
    while not house.upstream.outages.lasted.count:
        await asyncio.sleep(0.01)


def agent_families(data: Path) -> Iterable[Family]:
    meters = AgentMeters(0.0)
    module = {"status": "running", "runtimeStatus": "running", "version": "1", "lastStartTimeUtc": "t1"}
    report: Any = {"lastDesiredVersion": 7, "lastDesiredStatus": {"code": 200}, "modules": {"camera": module}}
    meters.deploying(7, 1.0)
    meters.seen(report, 2.0)
    meters.stepped(Outcome(PullImage("camera", "new", "camera:1"), None, last=True, seconds=2.5))
    meters.called("ping")
    used = {"camera": ModuleUsage(processor=1.0, memory=1, processes=1, received=1, sent=1, read=1, written=1)}
    return [*meters.use(used, 1.0), *meters.use(used, 2.0), *meters.families(), *machine_families(data, 1.0)]


async def told(families: Iterable[Family]) -> str:
    async def now() -> Iterable[Family]:
        return families

    transport = httpx.ASGITransport(metrics_app(now, COMMON))
    async with httpx.AsyncClient(transport=transport, base_url="http://device") as client:
        return (await client.get("/metrics")).text


def kinds_of(text: str) -> Mapping[str, str]:
    lines = [line.split() for line in text.splitlines() if line.startswith("# TYPE edge")]
    return {name: kind for _, _, name, kind in lines}


async def test_every_row_of_the_table_is_told(house: House, tmp_path: Path) -> None:
    """7.3"""
    async with asyncio.timeout(30):
        await at_work(house)
        await an_outage(house)
    hub = house.edge.hub
    assert hub.meters.retries.get((Identity("edge-1", EDGE_HUB), "send")) is None
    text = await told([*edge_hub_families(hub), *upstream_families(hub, house.upstream), *agent_families(tmp_path)])
    assert kinds_of(text) == {name: kind for name, (kind, _) in ROWS.items()}
    for family in text_string_to_metric_families(text):
        if not family.name.startswith("edge"):
            continue
        name = next(name for name in (family.name, f"{family.name}_total") if name in ROWS)
        kind, labels = ROWS[name]
        wanted = {*COMMON, *labels.split(), *MORE.get(name, ())}
        quantiles = {sample.labels["quantile"] for sample in family.samples if "quantile" in sample.labels}
        assert quantiles == (QUANTILES if kind == "summary" else set()), name
        for sample in family.samples:
            assert sample.labels.keys() - {"quantile"} == wanted, name
        if kind == "summary":
            assert {sample.name for sample in family.samples} == {name, f"{name}_count", f"{name}_sum"}
