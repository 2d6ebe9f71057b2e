"""Deployments to many devices: layers, waves, a gate on health, the way back (contract 3.4)."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from hotori.hub.registry import IOT_EDGE, Draft
from hotori.hub.rollouts.rollouts import Rollouts
from hotori.model.identity import Identity
from hotori.model.json import JsonObject
from hotori.problems import Problem
from hotori.rollout.phase import Phase, Progress
from hotori.sdk.configurations import ConfigurationClient
from hotori.testing.addresses import loopback_address
from hotori.testing.cloud_hub import CloudHub
from hotori.testing.small_agent import Outcome, SmallAgent, everything_runs

FLEET = ("edge-1", "edge-2", "edge-3", "edge-4")


def content(image: str, **modules: Any) -> dict[str, Any]:
    specs = {"camera": {"type": "docker", "settings": {"image": image}}, **modules}
    agent = {"schemaVersion": "1.1", "runtime": {"type": "docker"}, "systemModules": {}, "modules": specs}
    hub = {"schemaVersion": "1.1", "routes": {"all": "FROM /messages/* INTO $upstream"}}
    return {
        "$edgeAgent": {"properties.desired": agent},
        "$edgeHub": {"properties.desired": hub},
    }


def deployment(image: str, condition: str = "*", priority: int = 1, **members: Any) -> dict[str, Any]:
    return {
        "content": {"modulesContent": content(image)},
        "targetCondition": condition,
        "priority": priority,
        **members,
    }


CAREFUL = {"waves": [{"devices": 1}, {"percent": 100}], "healthySeconds": 0, "failingSeconds": 0}


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[CloudHub]:
    async with CloudHub(tmp_path, loopback_address()) as hub:
        for device in FLEET:
            await hub.registry.create_device(device, Draft(edge=True))
        yield hub


@pytest.fixture
async def agents(cloud: CloudHub) -> AsyncIterator[Callable[..., Any]]:
    async with AsyncExitStack() as stack:

        async def start(outcome: Outcome = everything_runs) -> dict[str, SmallAgent]:
            fleet = {}
            for device in FLEET:
                agent = SmallAgent(await cloud.connection(Identity(device, "$edgeAgent")), outcome)
                stack.push_async_callback(agent.close)
                await agent.start()
                fleet[device] = agent
            return fleet

        yield start


async def image_of(cloud: CloudHub, device: str) -> str | None:
    desired: Any = (await cloud.hub.twins.peek(Identity(device, "$edgeAgent"))).twin.desired.values
    return desired["modules"]["camera"]["settings"]["image"] if desired.get("modules") else None


async def until(check: Callable[[], Any]) -> None:
    async with asyncio.timeout(20):
        while not (result := check()) or (asyncio.iscoroutine(result) and not await result):
            await asyncio.sleep(0.02)


async def phase(rollouts: Rollouts, name: str, wanted: Phase) -> Progress:
    def reached() -> bool:
        progress = rollouts.progress(name)
        return progress is not None and progress.phase is wanted

    await until(reached)
    progress = rollouts.progress(name)
    assert progress is not None
    return progress


async def test_a_deployment_reaches_the_edge_devices_that_its_condition_names(cloud: CloudHub) -> None:
    await cloud.hub.twins.patch_tags(Identity("edge-2"), {"site": "lake"})
    await cloud.registry.create_device("leaf")
    await cloud.rollouts.configurations.create("lake", deployment("c:1", "tags.site = 'lake'"))
    await cloud.rollouts.settle()
    assert [await image_of(cloud, device) for device in FLEET] == [None, "c:1", None, None]
    assert {each.identity.module: each.managed_by for each in await cloud.registry.modules("edge-2")} == {
        "$edgeAgent": None,
        "$edgeHub": None,
        "camera": IOT_EDGE,
    }


async def test_a_tag_that_changes_and_a_device_that_comes_are_noticed(cloud: CloudHub) -> None:
    await cloud.rollouts.configurations.create("lake", deployment("c:1", "tags.site = 'lake' OR deviceId = 'new'"))
    await cloud.hub.twins.patch_tags(Identity("edge-3"), {"site": "lake"})
    await cloud.registry.create_device("new", Draft(edge=True))

    async def both() -> bool:
        return [await image_of(cloud, "edge-3"), await image_of(cloud, "new")] == ["c:1", "c:1"]

    await until(both)


async def test_the_higher_priority_applies_and_after_its_deletion_the_next(cloud: CloudHub) -> None:
    configurations = cloud.rollouts.configurations
    await configurations.create("low", deployment("c:1", priority=1))
    await configurations.create("high", deployment("c:2", priority=2))
    await cloud.rollouts.settle()
    assert await image_of(cloud, "edge-1") == "c:2"
    await configurations.delete("high")
    await cloud.rollouts.settle()
    assert await image_of(cloud, "edge-1") == "c:1"


async def test_a_device_that_nothing_targets_any_more_keeps_its_modules(cloud: CloudHub) -> None:
    await cloud.rollouts.configurations.create("only", deployment("c:1"))
    await cloud.rollouts.settle()
    await cloud.rollouts.configurations.delete("only")
    await cloud.rollouts.settle()
    assert await image_of(cloud, "edge-1") == "c:1"


async def test_a_round_in_which_nothing_changed_writes_nothing(cloud: CloudHub) -> None:
    await cloud.rollouts.configurations.create("all", deployment("c:1"))
    await cloud.rollouts.settle()
    before = await cloud.hub.twins.peek(Identity("edge-1", "$edgeAgent"))
    await cloud.hub.twins.patch_tags(Identity("edge-1"), {"x": 1})
    await cloud.rollouts.settle()
    assert await cloud.hub.twins.peek(Identity("edge-1", "$edgeAgent")) == before


async def test_a_layer_joins_its_base_and_the_origin_of_every_value_is_known(cloud: CloudHub) -> None:
    layer = {
        "content": {
            "modulesContent": {
                "$edgeAgent": {"properties.desired.modules.extra": {"settings": {"image": "e:1"}}},
                "extra": {"properties.desired": {"interval": 5}},
            }
        },
        "targetCondition": "deviceId = 'edge-1'",
        "priority": 9,
    }
    await cloud.rollouts.configurations.create("base", deployment("c:1"))
    await cloud.rollouts.configurations.create("layer", layer)
    await cloud.rollouts.settle()
    extra = await cloud.hub.twins.peek(Identity("edge-1", "extra"))
    assert extra.twin.desired.values == {"interval": 5}
    async with cloud.client() as client:
        shown: Any = await ConfigurationClient(client).effective("edge-1")
    assert shown["applied"] == ["base", "layer"]
    assert shown["origins"]["$edgeAgent"]["/modules/extra/settings/image"] == "layer"
    assert shown["origins"]["$edgeAgent"]["/modules/camera/settings/image"] == "base"


async def test_waves_go_on_while_devices_are_healthy(cloud: CloudHub, agents: Any) -> None:
    fleet = await agents()
    await cloud.rollouts.configurations.create("wave", deployment("c:2", rollout=CAREFUL))
    progress = await phase(cloud.rollouts, "wave", Phase.COMPLETE)
    assert progress.devices.keys() == set(FLEET)
    await until(lambda: all("camera" in agent.seen.get("modules", {}) for agent in fleet.values()))


async def test_a_wave_that_fails_is_rolled_back_with_the_reason_and_the_others_are_never_touched(
    cloud: CloudHub, agents: Any
) -> None:
    def outcome(_: str, spec: JsonObject) -> JsonObject:
        settings: Any = spec["settings"]
        if settings["image"] == "c:bad":
            return {"runtimeStatus": "failed", "exitCode": 1, "statusDescription": "ImportError: no module named x"}
        return {"runtimeStatus": "running"}

    await agents(outcome)
    await cloud.rollouts.configurations.create("good", deployment("c:1", priority=1))
    await cloud.rollouts.settle()
    others = [await cloud.hub.twins.peek(Identity(device, "$edgeAgent")) for device in FLEET[1:]]
    await cloud.rollouts.configurations.create("bad", deployment("c:bad", priority=2, rollout=CAREFUL))
    progress = await phase(cloud.rollouts, "bad", Phase.ROLLED_BACK)
    assert progress.reason == "edge-1: camera is failed (exit code 1): ImportError: no module named x"

    async def back() -> bool:
        return await image_of(cloud, "edge-1") == "c:1"

    await until(back)
    after = [await cloud.hub.twins.peek(Identity(device, "$edgeAgent")) for device in FLEET[1:]]
    assert [each.twin.desired for each in after] == [each.twin.desired for each in others]


async def test_a_device_that_had_a_manifest_of_its_own_gets_that_back(cloud: CloudHub, agents: Any) -> None:
    await agents(lambda _, spec: {"runtimeStatus": "backoff" if "bad" in str(spec) else "running"})
    async with cloud.client() as client:
        await client.apply_manifest(
            "edge-1", {"modulesContent": content("c:own", spare={"settings": {"image": "s:1"}})}
        )
    document = deployment("c:bad", "deviceId = 'edge-1'", rollout=CAREFUL)
    await cloud.rollouts.configurations.create("bad", document)
    await phase(cloud.rollouts, "bad", Phase.ROLLED_BACK)
    await cloud.rollouts.settle()
    assert await image_of(cloud, "edge-1") == "c:own"
    assert await cloud.registry.find(Identity("edge-1", "spare")) is not None


async def test_a_wave_that_becomes_good_just_after_it_was_judged_is_not_forgotten(tmp_path: Path) -> None:
    moments = itertools.count(time.time(), 1.2)
    async with CloudHub(tmp_path, loopback_address(), clock=lambda: next(moments)) as cloud, AsyncExitStack() as stack:
        await cloud.registry.create_device("edge-1", Draft(edge=True))
        agent = SmallAgent(await cloud.connection(Identity("edge-1", "$edgeAgent")), everything_runs)
        stack.push_async_callback(agent.close)
        await agent.start()
        slow = {"waves": [{"percent": 100}], "healthySeconds": 1}
        await cloud.rollouts.configurations.create("slow", deployment("c:1", rollout=slow))
        await phase(cloud.rollouts, "slow", Phase.COMPLETE)


async def test_a_rollout_goes_on_after_a_restart_of_the_hub(cloud: CloudHub) -> None:
    await cloud.rollouts.configurations.create("slow", deployment("c:1", rollout=CAREFUL))
    await cloud.rollouts.settle()
    begun = cloud.rollouts.progress("slow")
    assert begun is not None
    assert list(begun.devices) == ["edge-1"]
    await cloud.stop()
    await cloud.start()
    assert cloud.rollouts.progress("slow") == begun
    await cloud.rollouts.settle()
    assert [await image_of(cloud, device) for device in FLEET] == ["c:1", None, None, None]


async def test_somebody_can_pause_resume_and_take_back_a_rollout(cloud: CloudHub) -> None:
    await cloud.rollouts.configurations.create("slow", deployment("c:1", rollout=CAREFUL))
    await cloud.rollouts.settle()
    async with cloud.client() as service:
        client = ConfigurationClient(service)
        assert (await client.change_rollout("slow", "pause", "lunch"))["reason"] == "lunch"
        with pytest.raises(Problem, match="paused") as met:
            await client.change_rollout("slow", "pause", "again")
        assert met.value.code == "rollout-not-so"
        assert (await client.change_rollout("slow", "resume"))["phase"] == "rolling"
        assert (await client.change_rollout("slow", "rollback", "no"))["phase"] == "rolled-back"
    await cloud.rollouts.settle()
    desired: Any = (await cloud.hub.twins.peek(Identity("edge-1", "$edgeAgent"))).twin.desired.values
    assert desired["modules"] == {}


async def test_device_and_module_configurations_set_parts_of_twins(cloud: CloudHub) -> None:
    await cloud.registry.create_module("edge-1", "gauge")
    await cloud.hub.twins.patch_desired(Identity("edge-1"), {"own": 1})
    configurations = cloud.rollouts.configurations
    device = {
        "content": {"deviceContent": {"properties.desired.net.dns": "x"}},
        "targetCondition": "deviceId = 'edge-1'",
    }
    module = {
        "content": {"moduleContent": {"properties.desired.rate": 2}},
        "targetCondition": "FROM devices.modules WHERE moduleId = 'gauge'",
    }
    await configurations.create("device", device)
    await configurations.create("module", module)
    await cloud.rollouts.settle()
    assert (await cloud.hub.twins.get(Identity("edge-1"))).desired.values == {"own": 1, "net": {"dns": "x"}}
    assert (await cloud.hub.twins.get(Identity("edge-1", "gauge"))).desired.values == {"rate": 2}


async def test_layers_that_do_not_fit_together_fail_by_name_and_touch_nothing(cloud: CloudHub) -> None:
    broken = {
        "content": {"modulesContent": {"$edgeHub": {"properties.desired.routes.bad": "FROM nowhere"}}},
        "targetCondition": "*",
        "priority": 5,
        "rollout": CAREFUL,
    }
    await cloud.rollouts.configurations.create("base", deployment("c:1"))
    await cloud.rollouts.settle()
    await cloud.rollouts.configurations.create("broken", broken)
    progress = await phase(cloud.rollouts, "broken", Phase.ROLLED_BACK)
    assert progress.reason.startswith("edge-1: ")
    assert "bad" in progress.reason
    await cloud.rollouts.settle()
    hub: Any = (await cloud.hub.twins.peek(Identity("edge-1", "$edgeHub"))).twin.desired.values
    assert hub["routes"].keys() == {"all"}
