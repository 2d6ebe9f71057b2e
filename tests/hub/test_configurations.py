"""Configurations over REST (contract 2.7), with the unmodified service SDK."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from azure.iot.hub import IoTHubConfigurationManager
from azure.iot.hub.models import Configuration, ConfigurationContent

from hotori.hub.registry import Draft
from hotori.model.identity import Identity
from hotori.problems import Problem
from hotori.sdk.configurations import ConfigurationClient
from hotori.sdk.service import ServiceClient
from hotori.testing.addresses import loopback_address
from hotori.testing.cloud_hub import CloudHub

AGENT: dict[str, Any] = {
    "schemaVersion": "1.1",
    "runtime": {"type": "docker"},
    "systemModules": {},
    "modules": {"camera": {"settings": {"image": "c:1"}}},
}
MODULES: dict[str, Any] = {
    "$edgeAgent": {"properties.desired": AGENT},
    "$edgeHub": {"properties.desired": {"schemaVersion": "1.1", "routes": {}}},
}
DOCUMENT: dict[str, Any] = {
    "content": {"modulesContent": MODULES},
    "targetCondition": "tags.site = 'lake'",
    "priority": 3,
    "labels": {"team": "a"},
    "metrics": {"queries": {"named": "select deviceId from devices where tags.site = 'lake'"}},
}


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[CloudHub]:
    async with CloudHub(tmp_path, loopback_address()) as hub:
        for device, site in (("edge-1", "lake"), ("edge-2", "hill")):
            await hub.registry.create_device(device, Draft(edge=True))
            await hub.hub.twins.patch_tags(Identity(device), {"site": site})
        yield hub


@pytest.fixture
async def service(cloud: CloudHub) -> AsyncIterator[ServiceClient]:
    async with cloud.client() as client:
        yield client


@pytest.fixture
def manager(cloud: CloudHub, monkeypatch: pytest.MonkeyPatch) -> IoTHubConfigurationManager:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(cloud.authority.certificate))
    return IoTHubConfigurationManager.from_connection_string(cloud.service().format())


def document(**members: Any) -> dict[str, Any]:
    return copy.deepcopy(DOCUMENT) | members


async def test_the_service_sdk_creates_reads_lists_and_deletes(
    cloud: CloudHub, manager: IoTHubConfigurationManager
) -> None:
    """2.7: PUT, GET, GET ?top=, DELETE 204"""
    wanted = Configuration(
        id="lake",
        content=ConfigurationContent(modules_content=MODULES),
        target_condition="tags.site = 'lake'",
        priority=3,
    )
    created = await asyncio.to_thread(manager.create_configuration, wanted)
    assert (created.id, created.priority, created.schema_version) == ("lake", 3, "2.0")
    await cloud.rollouts.settle()
    read = await asyncio.to_thread(manager.get_configuration, "lake")
    assert read.content.modules_content == MODULES
    assert read.system_metrics.results == {
        "targetedCount": 1,
        "appliedCount": 1,
        "reportedSuccessfulCount": 0,
        "reportedFailedCount": 0,
    }
    listed = await asyncio.to_thread(manager.get_configurations, 10)
    assert [each.id for each in listed] == ["lake"]
    await asyncio.to_thread(manager.delete_configuration, "lake")
    assert await asyncio.to_thread(manager.get_configurations, 10) == []


async def test_an_update_needs_the_etag_that_stands_there(
    cloud: CloudHub, manager: IoTHubConfigurationManager, service: ServiceClient
) -> None:
    """2.2: the etag is sent as given, quoted or bare"""
    await ConfigurationClient(service).create("lake", document())
    read = await asyncio.to_thread(manager.get_configuration, "lake")
    read.priority = 7
    changed = await asyncio.to_thread(manager.update_configuration, read, read.etag)
    assert (changed.priority, changed.etag != read.etag) == (7, True)
    with pytest.raises(Exception, match=r"412|Precondition"):
        await asyncio.to_thread(manager.update_configuration, read, read.etag)


async def test_the_content_never_changes(service: ServiceClient) -> None:
    """2.7: only labels, priority, targetCondition and metrics may change"""
    client = ConfigurationClient(service)
    await client.create("lake", document())
    other = document()
    other["content"]["modulesContent"]["$edgeAgent"]["properties.desired"]["modules"] = {}
    with pytest.raises(Problem) as met:
        await service.ask("PUT", "/configurations/lake", other, {"If-Match": "*"})
    assert met.value.code == "configuration-fixed"
    with pytest.raises(Problem) as met:
        await client.create("lake", document())
    assert met.value.code == "configuration-exists"
    with pytest.raises(Problem) as met:
        await client.get("other")
    assert met.value.code == "configuration-unknown"


async def test_the_texts_of_the_metrics_run_as_queries(cloud: CloudHub, service: ServiceClient) -> None:
    """2.7: tools fetch the text and run it themselves"""
    await ConfigurationClient(service).create("lake-1", document())
    await cloud.rollouts.settle()
    shown: Any = await ConfigurationClient(service).get("lake-1")
    assert shown["metrics"]["results"] == {"named": 1}
    rows = await service.query(shown["systemMetrics"]["queries"]["appliedCount"])
    assert rows == [{"deviceId": "edge-1"}]
    assert await service.query(shown["systemMetrics"]["queries"]["targetedCount"]) == [{"deviceId": "edge-1"}]


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"targetCondition": "tags.site ="}, "column"),
        ({"priority": -1}, "/priority"),
        ({"content": {}}, "/content"),
        ({"content": {"modulesContent": {"m": {"desired": {}}}}}, "/content/modulesContent/m/desired"),
        ({"rollout": {"waves": []}}, "/rollout/waves"),
        ({"rollout": {"waves": [{"percent": 120}]}}, "/rollout/waves/0/percent"),
        ({"rollout": {"onFailure": "cry"}}, "/rollout/onFailure"),
        ({"metrics": {"queries": {"x": 1}}}, "/metrics/queries/x"),
        ({"content": {"moduleContent": {"properties.desired.x": 1}}}, "/targetCondition"),
    ],
)
async def test_a_fault_is_found_before_anything_is_kept(
    service: ServiceClient, change: dict[str, Any], pointer: str
) -> None:
    with pytest.raises(Problem) as met:
        await ConfigurationClient(service).create("bad", document(**change))
    assert pointer in f"{met.value.title()} {met.value.cause()}"
    assert await ConfigurationClient(service).all() == []


async def test_conditions_and_metrics_can_be_tried_first(service: ServiceClient) -> None:
    """2.7: testQueries"""
    tried = await service.ask(
        "POST",
        "/configurations/testQueries",
        {"targetCondition": "tags.site ==", "customMetricQueries": {"good": "select * from devices", "bad": "select"}},
    )
    assert tried["targetConditionError"]
    assert list(tried["customMetricQueryErrors"]) == ["bad"]


async def test_there_are_a_hundred_at_most(cloud: CloudHub) -> None:
    """3.4: limits"""
    configurations = cloud.rollouts.configurations
    for number in range(100):
        await configurations.create(f"idle-{number}", document(targetCondition=""))
    with pytest.raises(Problem) as met:
        await configurations.create("one-more", document())
    assert met.value.code == "configurations-too-many"
