"""Manifests for one device (contract 2.7, 3): checked as a whole, then applied as a whole."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from hotori.hub.apply import check_content
from hotori.hub.registry import IOT_EDGE, Draft
from hotori.model.identity import Identity
from hotori.problems import Problem
from hotori.sdk.service import ServiceClient
from hotori.testing.addresses import loopback_address
from hotori.testing.cloud_hub import CloudHub

MODULES = "/modulesContent/$edgeAgent/properties.desired/modules"


def manifest(*modules: str, **desired: Any) -> dict[str, Any]:
    """A manifest with these modules, and desired properties for some."""
    specs = {name: {"type": "docker", "settings": {"image": f"127.0.0.1:5000/{name}:1"}} for name in modules}
    agent = {"schemaVersion": "1.1", "runtime": {"type": "docker"}, "systemModules": {}, "modules": specs}
    hub = {"schemaVersion": "1.1", "routes": {"all": "FROM /messages/* INTO $upstream"}}
    content = {"$edgeAgent": agent, "$edgeHub": hub, **desired}
    return {"modulesContent": {name: {"properties.desired": values} for name, values in content.items()}}


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[CloudHub]:
    async with CloudHub(tmp_path, loopback_address()) as hub:
        await hub.registry.create_device("edge-1", Draft(edge=True))
        yield hub


@pytest.fixture
async def client(cloud: CloudHub) -> AsyncIterator[ServiceClient]:
    async with cloud.client() as client:
        yield client


async def modules(cloud: CloudHub) -> dict[str | None, str | None]:
    return {module.identity.module: module.managed_by for module in await cloud.registry.modules("edge-1")}


async def desired(cloud: CloudHub, module: str) -> dict[str, Any]:
    return (await cloud.hub.twins.get(Identity("edge-1", module))).desired.values


async def fault(client: ServiceClient, document: Any) -> Problem:
    with pytest.raises(Problem) as met:
        await client.apply_manifest("edge-1", document)
    return met.value


async def test_missing_modules_are_made_and_every_named_twin_is_replaced(
    cloud: CloudHub, client: ServiceClient
) -> None:
    await client.apply_manifest("edge-1", manifest("camera", "uploader", camera={"interval": 2, "old": True}))
    assert await modules(cloud) == {"$edgeAgent": None, "$edgeHub": None, "camera": IOT_EDGE, "uploader": IOT_EDGE}
    assert set((await desired(cloud, "$edgeAgent"))["modules"]) == {"camera", "uploader"}
    await client.apply_manifest("edge-1", manifest("camera", "uploader", camera={"interval": 3}))
    assert await desired(cloud, "camera") == {"interval": 3}
    twin = await cloud.hub.twins.get(Identity("edge-1", "camera"))
    assert twin.desired.version == 3


async def test_modules_that_are_named_no_longer_go_unless_somebody_made_them_by_hand(
    cloud: CloudHub, client: ServiceClient
) -> None:
    """2.7, trap: managedBy empty survives"""
    await cloud.registry.create_module("edge-1", "by-hand")
    await client.apply_manifest("edge-1", manifest("camera", "uploader", settings={"a": 1}))
    await client.apply_manifest("edge-1", manifest("camera"))
    assert await modules(cloud) == {"$edgeAgent": None, "$edgeHub": None, "by-hand": None, "camera": IOT_EDGE}
    await client.apply_manifest("edge-1", manifest("camera", "uploader"))
    assert await desired(cloud, "uploader") == {}, "a module that comes again has a new twin"


async def test_a_module_made_by_hand_stays_so_when_a_manifest_names_it(cloud: CloudHub, client: ServiceClient) -> None:
    await cloud.registry.create_module("edge-1", "camera")
    await client.apply_manifest("edge-1", manifest("camera"))
    await client.apply_manifest("edge-1", manifest())
    assert (await modules(cloud))["camera"] is None


async def test_twins_that_are_not_named_are_left_alone(cloud: CloudHub, client: ServiceClient) -> None:
    await client.apply_manifest("edge-1", manifest("camera", camera={"interval": 2}))
    await client.apply_manifest("edge-1", manifest("camera"))
    assert await desired(cloud, "camera") == {"interval": 2}


async def test_a_path_sets_just_that_part(cloud: CloudHub, client: ServiceClient) -> None:
    """2.7: properties.desired.a.b"""
    await client.apply_manifest("edge-1", manifest("camera", camera={"interval": 2, "size": {"width": 640}}))
    document = manifest("camera")
    document["modulesContent"]["camera"] = {"properties.desired.size.height": 480}
    await client.apply_manifest("edge-1", document)
    assert await desired(cloud, "camera") == {"interval": 2, "size": {"width": 640, "height": 480}}


async def test_connected_modules_hear_of_it(cloud: CloudHub, client: ServiceClient) -> None:
    await client.apply_manifest("edge-1", manifest("camera", camera={"interval": 2}))
    told: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    async with await cloud.connection(Identity("edge-1", "camera")) as camera:

        async def on_desired(patch: dict[str, Any], version: int) -> None:
            told.put_nowait(patch)

        camera.on_desired(on_desired)
        assert await asyncio.wait_for(told.get(), 10) == {"interval": 2}
        await client.apply_manifest("edge-1", manifest("camera", camera={"size": 1}))
        assert await asyncio.wait_for(told.get(), 10) == {"interval": None, "size": 1}


FAULTS: list[tuple[str, Any, str]] = [
    ("manifest-malformed", {"deviceContent": {"properties.desired.a": 1}}, "/deviceContent"),
    ("manifest-malformed", {"modulesContent": []}, "/"),
    ("manifest-malformed", [], "/"),
]


@pytest.mark.parametrize(("code", "document", "pointer"), FAULTS)
def test_what_is_no_manifest_is_refused(code: str, document: Any, pointer: str) -> None:
    with pytest.raises(Problem) as met:
        check_content(document)
    assert (met.value.code, met.value.values["pointer"]) == (code, pointer)


def broken(path: list[str], value: Any) -> dict[str, Any]:
    """A good manifest with one value put wrong."""
    document = copy.deepcopy(manifest("camera", camera={"interval": 2}))
    inner: Any = document["modulesContent"]
    for name in path[:-1]:
        inner = inner[name]
    inner[path[-1]] = value
    return document


_AGENT, _HUB, _CAMERA = (
    ["$edgeAgent", "properties.desired"],
    ["$edgeHub", "properties.desired"],
    ["camera", "properties.desired"],
)


@pytest.mark.parametrize(
    ("path", "value", "code", "pointer"),
    [
        ([*_AGENT, "modules", "camera"], {"type": "docker"}, "manifest-malformed", f"{MODULES}/camera/settings"),
        ([*_AGENT, "modules", "a b"], {}, "manifest-malformed", f"{MODULES}/a b"),
        (
            [*_AGENT, "runtime"],
            {"settings": {"loggingOptions": "{}"}},
            "manifest-malformed",
            "/modulesContent/$edgeAgent/properties.desired/runtime/settings/loggingOptions/Type",
        ),
        ([*_AGENT, "schemaVersion"], "2.0", "schema-unsupported", "$edgeAgent"),
        (["$edgeHub"], {}, "manifest-malformed", "/modulesContent/$edgeHub/properties.desired/schemaVersion"),
        ([*_HUB, "routes", "bad"], "FROM /messages/*", "route-invalid", "/modulesContent/$edgeHub/properties.desired"),
        ([*_CAMERA, "a.b"], 1, "manifest-malformed", "/modulesContent/camera/properties.desired/a.b"),
        (["camera", "desired"], {}, "manifest-malformed", "/modulesContent/camera/desired"),
        (["camera"], 1, "manifest-malformed", "/modulesContent/camera"),
        (_CAMERA, [], "manifest-malformed", "/modulesContent/camera/properties.desired"),
        ([*_CAMERA, "url"], "${URL}", "placeholder-left", "${URL}"),
        (["bad name"], {"properties.desired": {}}, "manifest-malformed", "/modulesContent/bad name"),
    ],
)
async def test_a_fault_is_told_with_its_place_and_nothing_is_applied(
    cloud: CloudHub, client: ServiceClient, path: list[str], value: Any, code: str, pointer: str
) -> None:
    """2.7"""
    problem = await fault(client, broken(path, value))
    assert problem.code == code
    assert pointer in problem.title() + problem.cause()
    assert await modules(cloud) == {"$edgeAgent": None, "$edgeHub": None}
    assert await desired(cloud, "$edgeAgent") == {}


def test_a_wrapped_manifest_is_understood_and_its_faults_are_found_inside() -> None:
    """3.1: the configuration form"""
    assert set(check_content({"content": manifest("camera")}).agent.modules) == {"camera"}
    with pytest.raises(Problem) as met:
        check_content({"content": broken([*_CAMERA, "a b"], 1)})
    assert met.value.values["pointer"] == "/content/modulesContent/camera/properties.desired/a b"


async def test_a_device_without_modules_takes_no_manifest(cloud: CloudHub, client: ServiceClient) -> None:
    await cloud.registry.create_device("dev-1")
    for device, code in (("dev-1", "not-an-edge-device"), ("dev-2", "device-unknown")):
        with pytest.raises(Problem) as met:
            await client.apply_manifest(device, manifest("camera"))
        assert met.value.code == code


async def test_two_manifests_at_once_do_not_mix(cloud: CloudHub, client: ServiceClient) -> None:
    first, second = manifest("a", a={"from": 1}, b={"from": 1}), manifest("a", a={"from": 2}, b={"from": 2})
    for _ in range(5):
        await asyncio.gather(client.apply_manifest("edge-1", first), client.apply_manifest("edge-1", second))
        assert await desired(cloud, "a") == await desired(cloud, "b")
