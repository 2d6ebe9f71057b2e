"""The agent keeps modules well: health checks count, calls that hang are given up and named."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from hotori.edge.watched_runtime import CallLimits
from hotori.model.json import JsonObject
from hotori.runtimes.module_runtime import Health
from tests.edge.parts import Cloud, Device, image, manifest

QUICK = CallLimits(look=0.05, change=0.05, pull=0.05, own=5.0)


def module(report: Any, name: str) -> Any:
    return report["modules"][name]


def codes(document: Any) -> list[str]:
    return [problem["code"] for problem in document.get("problems", ())]


def ordered(**orders: int) -> JsonObject:
    """A deployment of modules with their startup order."""
    desired: Any = manifest(*orders)
    for name, order in orders.items():
        desired["modules"][name]["startupOrder"] = order
    return desired


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not is_so():
            await asyncio.sleep(0.01)


async def test_a_later_startup_group_begins_when_the_earlier_one_is_healthy(tmp_path: Path) -> None:
    async with Device(tmp_path, Cloud("camera", "uploader")) as device:
        device.runtime.checked = {"camera"}
        device.agent.deploy(ordered(camera=0, uploader=1), 1)
        await device.agent.look()
        await until(lambda: f"pull {image('uploader')}" in device.runtime.verbs)
        await device.agent.look()
        waiting: Any = device.reports[-1]

        assert "create uploader" not in device.runtime.verbs
        assert module(waiting, "uploader")["statusDescription"] == (
            "AwaitHealth: camera of an earlier startup order must be healthy first, for 120 s at most"
        )
        assert waiting["lastDesiredStatus"]["code"] == 417

        device.runtime.feel("camera", Health.HEALTHY)
        await device.agent.idle()
        report: Any = await device.settle()

    assert module(report, "uploader")["runtimeStatus"] == "running"
    assert report["lastDesiredStatus"]["code"] == 200


async def test_nobody_waits_for_health_for_ever_and_the_report_says_so(tmp_path: Path) -> None:
    device = Device(tmp_path, Cloud("camera", "uploader"))
    device.rules = replace(device.rules, healthy=0.05)
    async with device:
        device.runtime.checked = {"camera"}
        device.agent.deploy(ordered(camera=0, uploader=1), 1)
        await device.settle()
        device.clock.now += 1
        report: Any = await device.settle()

    assert module(report, "uploader")["runtimeStatus"] == "running"
    assert codes(module(report, "camera")) == ["module-health-late"]


async def test_an_unhealthy_module_is_restarted_with_growing_waits_and_says_why(tmp_path: Path) -> None:
    # Contract 7.2: the wait counts from the start here, since an unhealthy module has not ended.
    async with Device(tmp_path, Cloud("camera")) as device:
        device.runtime.checked = {"camera"}
        device.agent.deploy(manifest("camera", restartPolicy="on-unhealthy"), 1)
        await device.settle()
        device.runtime.feel("camera", Health.UNHEALTHY, "no picture for 60 s")
        sick: Any = await device.settle()

        assert module(sick, "camera")["runtimeStatus"] == "unhealthy"
        assert codes(module(sick, "camera")) == ["module-unhealthy"]
        assert module(sick, "camera")["problems"][0]["evidence"] == ["no picture for 60 s"]
        assert module(sick, "camera")["nextAttemptTimeUtc"] == "2030-03-17T17:46:50.000Z"

        device.clock.now += 10
        again: Any = await device.settle()
        assert device.runtime.verbs[-2:] == ["stop camera", "start camera"]
        assert module(again, "camera")["restartCount"] == 1

        device.runtime.feel("camera", Health.UNHEALTHY)
        device.clock.now += 10
        longer: Any = await device.settle()

    assert module(longer, "camera")["nextAttemptTimeUtc"] == "2030-03-17T17:47:10.000Z"


async def test_an_unhealthy_module_whose_policy_is_never_is_left_alone(tmp_path: Path) -> None:
    async with Device(tmp_path, Cloud("camera")) as device:
        device.runtime.checked = {"camera"}
        device.agent.deploy(manifest("camera", restartPolicy="never"), 1)
        await device.settle()
        device.runtime.feel("camera", Health.UNHEALTHY)
        device.clock.now += 1000
        report: Any = await device.settle()

        assert module(report, "camera")["runtimeStatus"] == "unhealthy"
        assert device.runtime.verbs.count("start camera") == 1


async def test_a_step_that_hangs_is_given_up_named_and_tried_again(tmp_path: Path) -> None:
    device = Device(tmp_path, Cloud("camera", "uploader"))
    device.limits = QUICK
    async with device:
        gate = device.runtime.gates.setdefault("start camera", asyncio.Event())
        device.agent.deploy(manifest("camera", "uploader"), 1)
        stuck: Any = await device.settle()

        assert codes(module(stuck, "camera")) == ["agent-stuck"]
        assert module(stuck, "camera")["problems"][0]["title"]["en"] == "The agent waited 0.05 s for: start camera"
        assert module(stuck, "camera")["nextAttemptTimeUtc"] == "2030-03-17T17:46:50.000Z"
        assert module(stuck, "uploader")["runtimeStatus"] == "running"

        gate.set()
        device.clock.now += 10
        report: Any = await device.settle()

    assert module(report, "camera")["runtimeStatus"] == "running"
    assert codes(module(report, "camera")) == []


async def test_a_look_that_hangs_is_reported_and_the_next_one_goes_on(tmp_path: Path) -> None:
    device = Device(tmp_path, Cloud("camera"))
    device.limits = QUICK
    async with device:
        device.agent.deploy(manifest("camera"), 1)
        await device.settle()
        gate = device.runtime.gates.setdefault("observe", asyncio.Event())
        running = asyncio.create_task(device.agent.run())
        await until(lambda: codes(device.reports[-1]) == ["agent-stuck"])
        stuck: Any = device.reports[-1]
        gate.set()
        await until(lambda: codes(device.reports[-1]) == [])
        running.cancel()

    assert stuck["problems"][0]["title"]["en"] == "The agent waited 0.05 s for: observe"
    assert module(stuck, "camera")["runtimeStatus"] == "running"


async def test_a_log_that_hangs_holds_up_no_other_module(tmp_path: Path) -> None:
    device = Device(tmp_path, Cloud("camera", "uploader"))
    device.limits = QUICK
    async with device:
        device.agent.deploy(manifest("camera", "uploader"), 1)
        await device.settle()
        device.runtime.gates["logs camera"] = asyncio.Event()
        device.runtime.end("camera", 1)
        report: Any = await device.settle()

    assert set(codes(module(report, "camera"))) == {"module-crashed", "agent-stuck"}
    assert module(report, "uploader")["runtimeStatus"] == "running"
