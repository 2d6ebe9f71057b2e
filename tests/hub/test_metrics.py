"""Metrics, read by Prometheus's own parser: the names of contract 7.3, and our accounting."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from azure.iot.device import IoTHubModuleClient
from azure.iot.device import Message as SdkMessage
from prometheus_client.parser import text_string_to_metric_families

from hotori.hub.hub_metrics import account_families, edge_hub_families
from hotori.hub.meters import Meters
from hotori.hub.metrics import Family, Kind, exposition
from hotori.model.identity import Identity
from hotori.model.manifest import RouteSpec
from hotori.model.message import Message
from hotori.model.summary import Summary
from hotori.net.tls import client_context
from hotori.routing.router import Router
from hotori.sdk.connection import HubConnection
from hotori.testing.addresses import loopback_address
from hotori.testing.cloud_hub import CloudHub
from hotori.testing.small_hub import BookDirectory, SmallHub

CAMERA, CLASSIFIER = Identity("edge-1", "camera"), Identity("edge-1", "classifier")

CAMERA_PATH = "/messages/modules/camera/outputs"


def parsed(text: str) -> dict[str, list[tuple[dict[str, str], float]]]:
    """Samples by name; whatever the parser does not take is an error."""
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found


@pytest.fixture
async def edge(tmp_path: Path) -> AsyncIterator[SmallHub]:
    routes = {
        "in": RouteSpec("in", f"FROM {CAMERA_PATH}/a INTO BrokeredEndpoint('/modules/classifier/inputs/i')"),
        "up": RouteSpec("up", f"FROM {CAMERA_PATH}/* WHERE kind = 'up' INTO $upstream", 3),
    }
    directory = BookDirectory("edge-1", str(CAMERA), str(CLASSIFIER))
    hub = SmallHub(tmp_path / "hub", loopback_address(), directory, device="edge-1", router=Router.compile(routes))
    async with hub:
        yield hub


async def test_an_edge_hub_tells_what_an_unmodified_module_did(edge: SmallHub) -> None:
    """7.3"""
    client = IoTHubModuleClient.create_from_connection_string(
        edge.connection_string(CAMERA), server_verification_cert=edge.authority_pem
    )

    def send() -> None:
        client.connect()
        for output, kind in (("a", "up"), ("a", "x"), ("b", "x")):
            message = SdkMessage("hello")
            message.custom_properties["kind"] = kind
            client.send_message_to_output(message, output)

    await asyncio.to_thread(send)
    labels = {"iothub": edge.name, "edge_device": "edge-1", "instance_number": "1"}
    families = [*edge_hub_families(edge.hub), *account_families(edge.hub)]
    found = parsed(exposition(families, labels).decode())
    await asyncio.to_thread(client.shutdown)

    received = {sample["route_output"]: value for sample, value in found["edgehub_messages_received_total"]}
    assert received == {"a": 2, "b": 1}
    sample, _ = found["edgehub_messages_received_total"][0]
    assert sample == {**labels, "id": "edge-1/camera", "route_output": "a"}
    lengths = {(sample["endpoint"], sample["priority"]): value for sample, value in found["edgehub_queue_length"]}
    assert lengths["upstream/edge-1/camera", "3"] == 1
    assert sum(lengths.values()) == 3
    assert found["edgehub_messages_dropped_total"] == [
        ({**labels, "from": "edge-1/camera", "from_route_output": "", "reason": "no_route"}, 1)
    ]
    assert found["edgehub_connected_clients"] == [(labels, 1)]
    assert found["edgehub_client_connect_success_total"] == [({**labels, "id": "edge-1/camera"}, 1)]
    assert {sample["quantile"] for sample, _ in found["edgehub_message_size_bytes"]} == {"0.1", "0.5", "0.9", "0.99"}
    assert found["edgehub_message_size_bytes_sum"] == [({**labels, "id": "edge-1/camera"}, 5)]
    assert found["edgehub_message_process_duration_seconds_count"][0][1] == 1
    for route in ("in", "up"):
        outcomes = {
            sample["outcome"]: value
            for sample, value in found["hotori_route_messages_total"]
            if sample["route"] == route
        }
        (pending,) = (v for sample, v in found["hotori_route_pending_messages"] if sample["route"] == route)
        assert outcomes["accepted"] == outcomes["delivered"] + outcomes["expired"] + outcomes["dropped"] + pending


def connection(edge: SmallHub, identity: Identity) -> HubConnection:
    async def token(expiry: int) -> str:
        return edge.token(identity, expiry)

    return HubConnection(edge.endpoint, edge.name, identity, token)


async def test_twins_refusals_and_the_way_to_a_module_are_told(edge: SmallHub) -> None:
    """7.3"""
    sender, receiver = connection(edge, CAMERA), connection(edge, CLASSIFIER)
    got = asyncio.Event()

    async def take(name: str, message: Message) -> None:
        got.set()

    receiver.on_input(take)
    async with asyncio.timeout(20), receiver, sender:
        await sender.twin()
        await sender.report({"a": 1})
        await sender.send(Message(b"x", output="a"))
        await got.wait()
        while not edge.hub.meters.sending:
            await asyncio.sleep(0.01)
    edge.directory.disable(CAMERA.parent())
    async with asyncio.timeout(20), connection(edge, CAMERA):
        while not edge.hub.meters.refused:
            await asyncio.sleep(0.01)
    found = parsed(exposition([*edge_hub_families(edge.hub), *account_families(edge.hub)], {}).decode())
    camera = {"id": "edge-1/camera"}
    assert found["edgehub_gettwin_total"] == [({**camera, "source": "edge_hub"}, 1)]
    assert found["edgehub_gettwin_duration_seconds_count"] == [({**camera, "source": "edge_hub"}, 1)]
    assert found["edgehub_reported_properties_update_duration_seconds_count"][0][1] == 1
    ((way, count),) = found["edgehub_message_send_duration_seconds_count"]
    assert (way["to"], way["to_route_input"], count) == ("edge-1/classifier", "i", 1)
    ((refused, _),) = found["edgehub_client_connect_failed_total"]
    assert refused == {**camera, "reason": "identity-disabled"}
    assert found["hotori_queues_disk_bytes"][0][1] > 0


def test_names_that_strangers_make_up_do_not_fill_the_memory() -> None:
    meters = Meters()
    for number in range(5000):
        meters.refuse(str(number) + "x" * 1000, "identity-unknown")
    assert sum(meters.refused.values()) == 5000
    assert len(meters.refused) <= 4097
    assert max(len(client) for client, _ in meters.refused) <= 256


def test_a_name_that_comes_up_twice_is_told_once_with_both_samples() -> None:
    twice = [Family("x", Kind.GAUGE, "x").add(1, id="a"), Family("x", Kind.GAUGE, "x").add(2, id="b")]
    text = exposition(twice, {}).decode()
    assert text.count("# TYPE x gauge") == 1
    assert parsed(text) == {"x": [({"id": "a"}, 1), ({"id": "b"}, 2)]}


async def test_the_cloud_tells_who_may_ask(tmp_path: Path) -> None:
    async with CloudHub(tmp_path, loopback_address()) as cloud, cloud.client() as client:
        for number in range(3):
            await cloud.hub.accept(Message(b"%d" % number, sender=Identity("dev-1")))
        await cloud.groups.open("billing", 1)
        found = parsed(await client.metrics())
        labels = {"iothub": cloud.address}
        assert found["hotori_events_total"] == [(labels, 3)]
        assert found["hotori_messages_received_total"] == [(labels, 3)]
        assert found["hotori_consumer_group_lag_events"] == [({**labels, "group": "billing"}, 2)]
        assert found["hotori_events_disk_bytes"][0][1] > 0
        assert found["process_resident_memory_bytes"][0][1] > 1e6
        context = client_context(cloud.authority.certificate)
        async with httpx.AsyncClient(verify=context, trust_env=False) as stranger:
            assert (await stranger.get(f"https://{cloud.host}/metrics")).status_code == 401


def test_a_label_may_hold_what_a_client_likes() -> None:
    family = Family("x_total", Kind.COUNTER, 'help "and" \\ more\nlines').add(1, id='a"b\\c\nd', route_output="湖")
    assert parsed(exposition([family], {}).decode()) == {"x_total": [({"id": 'a"b\\c\nd', "route_output": "湖"}, 1)]}


def test_quantiles_are_of_the_last_observations_and_count_and_sum_of_all() -> None:
    summary = Summary()
    for value in range(2000):
        summary.observe(float(value))
    assert (summary.count, summary.total) == (2000, sum(range(2000)))
    assert summary.quantiles()[0.5] == 2000 - 512 / 2
    assert Summary().quantiles() == {}


async def test_outputs_without_end_do_not_fill_the_memory() -> None:
    meters = Meters()
    stored: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    for number in range(5000):
        meters.messages([Message(b"", sender=CAMERA, output=str(number))], stored)
    assert len(meters.received) + meters.others == 5000
    assert len(meters.received) <= 4096
