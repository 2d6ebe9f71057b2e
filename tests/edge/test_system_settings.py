"""What the `env` of the system modules means: images first, and how much is logged."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hotori.edge.log_levels import set_log_levels
from hotori.model.json import JsonObject
from hotori.model.manifest import AgentConfig
from hotori.problems import Problem
from tests.edge.parts import Cloud, Device, image, manifest

ALL_FIRST = {"ModuleUpdateMode": {"value": "WaitForAllPulls"}}


@pytest.fixture(autouse=True)
def levels() -> Iterator[None]:
    yield
    set_log_levels(AgentConfig({}))


def with_env(desired: JsonObject, agent: Any, hub: Any = None) -> JsonObject:
    return {**desired, "systemModules": {"edgeAgent": {"env": agent}, "edgeHub": {"env": hub or {}}}}


def status(report: Any, name: str) -> tuple[str, str]:
    entry = report["modules"][name]
    return entry["runtimeStatus"], entry["statusDescription"]


async def test_with_wait_for_all_pulls_no_module_is_touched_before_every_image_is_here(tmp_path: Path) -> None:
    # Contract 3.2, ModuleUpdateMode; the startup order holds for what comes after the pulls.
    desired: Any = with_env(manifest("camera", "uploader"), ALL_FIRST)
    desired["modules"]["uploader"]["startupOrder"] = 5
    desired["modules"]["camera"]["startupOrder"] = 7
    async with Device(tmp_path, Cloud("camera", "uploader")) as device:
        gate = device.runtime.gates.setdefault(image("camera"), asyncio.Event())
        device.agent.deploy(desired, 1)
        await device.agent.look()
        for _ in range(20):
            await asyncio.sleep(0)
        before = sorted(device.runtime.verbs)
        gate.set()
        await device.agent.idle()

        assert before == [f"pull {image('camera')}", f"pull {image('uploader')}"]
        assert device.runtime.verbs[2:] == ["create uploader", "start uploader", "create camera", "start camera"]


async def test_with_wait_for_all_pulls_a_missing_image_leaves_everything_as_it_was(tmp_path: Path) -> None:
    async with Device(tmp_path, Cloud("camera", "uploader")) as device:
        device.agent.deploy(with_env(manifest("camera", "uploader"), ALL_FIRST), 1)
        await device.settle()
        done = len(device.runtime.verbs)
        del device.runtime.registry[image("camera", "2")]
        device.agent.deploy(with_env(manifest("camera", "uploader", tag="2"), ALL_FIRST), 2)
        report: Any = await device.settle()

        assert {verb.split()[0] for verb in device.runtime.verbs[done:]} == {"pull"}
        assert status(report, "camera")[0] == "running"
        assert status(report, "uploader") == (
            "running",
            "all images are fetched before any module is made, and camera could not be made",
        )
        assert report["lastDesiredStatus"]["code"] == 500

        device.runtime.registry[image("camera", "2")] = "sha256:2"
        device.clock.now += 10
        mended: Any = await device.settle()

    assert [seen.image for seen in await device.runtime.observe()] == [image("camera", "2"), image("uploader", "2")]
    assert mended["lastDesiredStatus"]["code"] == 200


async def test_a_new_deployment_is_not_held_up_by_pulls_that_wait_for_one_another(tmp_path: Path) -> None:
    async with Device(tmp_path, Cloud("camera", "uploader")) as device:
        device.runtime.gates[image("camera")] = asyncio.Event()
        device.agent.deploy(with_env(manifest("camera", "uploader"), ALL_FIRST), 1)
        await device.agent.look()
        for _ in range(20):
            await asyncio.sleep(0)
        device.agent.deploy(with_env(manifest("uploader"), ALL_FIRST), 2)
        report: Any = await device.settle()

    assert report["lastDesiredStatus"]["code"] == 200
    assert status(report, "uploader")[0] == "running"


async def test_the_log_levels_are_those_of_the_deployment_and_modules_learn_the_agents(tmp_path: Path) -> None:
    debug, error = {"RuntimeLogLevel": {"value": "debug"}}, {"RuntimeLogLevel": {"value": "error"}}
    async with Device(tmp_path, Cloud("camera")) as device:
        device.agent.deploy(with_env(manifest("camera"), debug, error), 1)
        await device.settle()
        levels = [logging.getLogger(name).getEffectiveLevel() for name in ("hotori.edge.agent", "hotori.hub.hub")]
        told = device.runtime.launches["camera"].env["RuntimeLogLevel"]
        device.agent.deploy(manifest("camera"), 2)
        await device.settle()

    assert levels == [logging.DEBUG, logging.ERROR]
    assert told == "debug"
    assert logging.getLogger("hotori").level == logging.NOTSET


def test_the_env_of_a_system_module_is_refused_where_it_is_none() -> None:
    with pytest.raises(Problem) as caught:
        AgentConfig.parse(with_env(manifest(), {"RuntimeLogLevel": "debug"}), "/at")

    assert caught.value.code == "manifest-malformed"
    assert "/at/systemModules/edgeAgent/env/RuntimeLogLevel" in caught.value.cause()


async def test_logs_are_kept_as_the_deployment_says_and_a_fault_in_it_stops_nothing(tmp_path: Path) -> None:
    """Contract 3.2, loggingOptions: the default for modules that give none."""
    options = '{"Type":"json-file","Config":{"max-size":"1m","max-file":"2"}}'
    async with Device(tmp_path, Cloud("camera", "uploader")) as device:
        desired: Any = manifest("camera", "uploader")
        desired["runtime"]["settings"]["loggingOptions"] = options
        own = {"HostConfig": {"LogConfig": {"Type": "local"}}}
        desired["modules"]["uploader"]["settings"]["createOptions"] = json.dumps(own)
        device.agent.deploy(desired, 1)
        await device.settle()
        camera, uploader = (device.runtime.launches[name].create_options for name in ("camera", "uploader"))
        kept = [device.reports[-1]["runtime"]["settings"]["loggingOptions"]]  # type: ignore[index,call-overload]

        desired["runtime"]["settings"]["loggingOptions"] = options.replace('"2"', "2")
        device.agent.deploy(desired, 2)
        await device.settle()
        report: Any = device.reports[-1]
    assert camera == {"HostConfig": {"LogConfig": json.loads(options)}}
    assert uploader == own
    assert kept == [options]
    assert report["lastDesiredStatus"]["code"] == 400
    assert report["problems"][0]["code"] == "manifest-malformed"
    assert "/runtime/settings/loggingOptions/Config" in report["problems"][0]["cause"]["en"]
    assert device.runtime.verbs.count("create camera") == 1
