"""A device and its cloud, both whole: from an image in the registry to a message in the cloud's event log."""

from __future__ import annotations

import asyncio
import sysconfig
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families

from hotori.edge.cloud_api import CloudApi
from hotori.edge.device import EdgeRules
from hotori.edge.enrolment import EnrolmentFile
from hotori.edge.main import EdgeConfig, run_edge
from hotori.edge.metrics import PORT, MetricsListener
from hotori.edge.scope import ScopeDirectory
from hotori.model.identity import EDGE_AGENT, EDGE_HUB, Identity
from hotori.model.secret import Secret
from hotori.net.authority import Authority
from hotori.net.tls import client_context
from hotori.problems import Problem
from hotori.reconcile.restart import RestartRules
from hotori.store.memory import MemoryRecords
from hotori.testing.addresses import loopback_address
from hotori.testing.small_hub import key_for
from tests.edge.whole_cloud import WholeCloud, whole_cloud

SENDER = f"""\
import sys, time
sys.path.insert(0, {sysconfig.get_paths()["purelib"]!r})
from azure.iot.device import IoTHubModuleClient, Message
client = IoTHubModuleClient.create_from_edge_environment()
client.connect()
client.send_message_to_output(Message("hello"), "greetings")
print("sent", flush=True)
time.sleep(600)
"""


@asynccontextmanager
async def edge(folder: Path, address: str, enrolment: EnrolmentFile | None) -> AsyncIterator[None]:
    """Run a device in FOLDER/edge-1."""
    stop, ready = asyncio.Event(), asyncio.Event()
    rules = EdgeRules(restart=RestartRules(unit=0.2), look=0.2)
    config = EdgeConfig(
        folder / "edge-1", enrolment, address, address, https_port=0, rules=rules, metrics=MetricsListener()
    )
    running = asyncio.create_task(run_edge(config, stop, lambda *_: ready.set()))
    waiting = asyncio.create_task(ready.wait())
    await asyncio.wait({running, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    try:
        yield
    finally:
        stop.set()
        await running


def a_module(image: object) -> dict[str, Any]:
    return {"type": "docker", "status": "running", "restartPolicy": "always", "settings": {"image": str(image)}}


async def test_an_unmodified_module_sends_through_the_edge_to_the_cloud_and_again_after_a_start_without_it(
    tmp_path: Path,
) -> None:
    address, edge_address = loopback_address(), loopback_address()
    async with whole_cloud(tmp_path, address) as cloud:
        enrolment = await cloud.enrol("edge-1")
        await cloud.deploy("edge-1", {"sender": a_module(await cloud.images.publish({"main.py": SENDER}))})
        async with edge(tmp_path, edge_address, enrolment):
            events = await cloud.events(1)
            report = await cloud.reported(
                f"edge-1/modules/{EDGE_AGENT}", lambda values: values.get("lastDesiredStatus", {}).get("code") == 200
            )
            async with asyncio.timeout(30):
                while "edgehub_message_send_duration_seconds_count" not in (told := await metrics(edge_address)):
                    await asyncio.sleep(0.05)
            logs = await call_agent(cloud, "GetModuleLogs", {"schemaVersion": "1.0", "items": [{"id": "sender"}]})

    assert (events[0]["deviceId"], events[0]["moduleId"], events[0]["output"]) == ("edge-1", "sender", "greetings")
    assert report["modules"]["sender"]["runtimeStatus"] == "running"
    assert told["edgeAgent_used_memory_bytes"]["sender"] > 1 << 20
    assert told["edgeAgent_created_pids_total"] == {"sender": 1}
    assert told["edgeAgent_module_start_total"] == {"sender": 1}
    assert told["hotori_upstream_connected"] == {"": 1}
    assert told["edgeAgent_iothub_syncs_total"][""] >= 1
    assert told["edgehub_message_send_duration_seconds_count"] == {"": 1}
    assert logs == [{"id": "sender", "payload": "sent\n"}]

    async with edge(tmp_path, edge_address, None):
        await sent_twice(tmp_path / "edge-1" / "runtime" / "modules" / "sender")
        async with whole_cloud(tmp_path, address) as cloud:
            again = await cloud.events(2)

    assert [event["moduleId"] for event in again] == ["sender", "sender"]


async def metrics(address: str) -> dict[str, dict[str, float]]:
    """Values by metric and module."""
    async with httpx.AsyncClient(trust_env=False) as client:
        text = (await client.get(f"http://{address}:{PORT}/metrics")).text
    found: dict[str, dict[str, float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, {})[sample.labels.get("module_name", "")] = sample.value
    return found


async def sent_twice(folder: Path) -> None:
    """Wait until the module, whose log goes on from its first life, has sent again: there is no cloud to ask."""

    def count() -> int:
        return sum(path.read_text().count("sent") for path in folder.glob("*log*") if path.is_file())

    async with asyncio.timeout(30):
        while await asyncio.to_thread(count) < 2:
            await asyncio.sleep(0.05)


async def call_agent(cloud: WholeCloud, name: str, payload: Any) -> Any:
    answer = await cloud.client.post(
        f"/twins/edge-1/modules/{EDGE_AGENT}/methods", json={"methodName": name, "payload": payload}
    )
    return answer.raise_for_status().json()["payload"]


async def test_the_scope_is_the_devices_modules_and_the_devices_behind_it(tmp_path: Path) -> None:
    async with whole_cloud(tmp_path, loopback_address()) as cloud:
        enrolment = await cloud.enrol("edge-1")
        scope_of_edge = (await cloud.client.get("/devices/edge-1")).json()["deviceScope"]
        leaf = {"deviceId": "leaf-1", "deviceScope": scope_of_edge, "authentication": {"type": "sas"}}
        (await cloud.client.put("/devices/leaf-1", json=leaf)).raise_for_status()
        await cloud.deploy("edge-1", {"camera": a_module("127.0.0.1:5000/camera:1")})
        scope = a_scope(enrolment)

        async with scope[1]:
            assert await scope[0].refresh()

    names = {
        Identity.parse(text) for text in ("edge-1/$edgeAgent", "edge-1/$edgeHub", "edge-1/camera", "leaf-1", "edge-1")
    }
    assert {identity for identity in (*names, Identity("stranger")) if scope[0].known(identity)} == names
    hub = scope[0].known(Identity("edge-1", EDGE_HUB))
    assert hub is not None
    assert hub.keys
    assert hub.generation


def a_scope(enrolment: EnrolmentFile) -> tuple[ScopeDirectory, CloudApi]:
    connection = enrolment.connection
    api = CloudApi(enrolment.hub, connection.host, client_context(enrolment.ca))
    return ScopeDirectory(connection.identity, connection.key, api, MemoryRecords(), time.time), api


async def problem_of(enrolment: EnrolmentFile) -> Problem:
    """Why the scope cannot be fetched."""
    scope, api = a_scope(enrolment)
    async with api:
        assert not await scope.refresh()
    assert scope.problem is not None
    return scope.problem


async def test_a_cloud_that_cannot_be_asked_is_told_apart_by_its_cause(tmp_path: Path) -> None:
    async with whole_cloud(tmp_path, loopback_address()) as cloud:
        good = await cloud.enrol("edge-1")
        other_key = replace(good.connection, key=Secret(key_for("wrong").reveal()))
        refused = await problem_of(replace(good, connection=other_key))
        stranger = Authority.open(tmp_path / "stranger").pem
        untrusted = await problem_of(replace(good, ca=stranger))
    unreachable = await problem_of(good)

    assert refused.code == "token-refused"
    assert untrusted.code == "certificate-untrusted"
    assert (unreachable.code, "no program listens" in unreachable.cause()) == ("cloud-unreachable", True)
