"""The agent: deployments are performed, troubles stay where they are, and everything is reported."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hotori.edge.health import observe
from hotori.reconcile.modules import ObservedState
from hotori.runtimes.module_runtime import Health, ModuleObservation, ModuleState
from tests.edge.parts import Cloud, Device, image, manifest, module_document


def module(report: Any, name: str) -> Any:
    return report["modules"][name]


def has_socket(device: Device, name: str) -> bool:
    return Path(device.sockets.uri(name).removeprefix("unix://")).exists()


def codes(document: Any) -> list[str]:
    return [problem["code"] for problem in document.get("problems", ())]


async def test_a_deployment_is_pulled_created_started_and_reported(tmp_path: Path) -> None:
    async with Device(tmp_path, Cloud("camera")) as device:
        device.agent.deploy(manifest("camera"), 7)
        report: Any = await device.settle()

    assert device.runtime.verbs[:3] == ["pull 127.0.0.1:5000/camera:1", "create camera", "start camera"]
    assert report["lastDesiredVersion"] == 7
    assert report["lastDesiredStatus"] == {"code": 200, "description": ""}
    entry = module(report, "camera")
    assert entry["runtimeStatus"] == "running"
    assert entry["settings"]["imageHash"] == "sha256:" + "1" * 64
    assert entry["lastStartTimeUtc"] == "2030-03-17T17:46:40.000Z"
    assert entry["lastExitTimeUtc"] == "0001-01-01T00:00:00Z"


async def test_the_version_moves_with_the_verdict_on_it(tmp_path: Path) -> None:
    async with Device(tmp_path, Cloud("camera")) as device:
        device.agent.deploy(manifest("camera"), 1)
        await device.settle()
        gate = device.runtime.gates.setdefault(image("camera", "2"), asyncio.Event())
        device.agent.deploy(manifest("camera", tag="2"), 2)
        await device.agent.look()
        await asyncio.sleep(0)
        await device.agent.look()
        meanwhile: Any = device.reports[-1]
        gate.set()
        await device.agent.idle()
        applied: Any = await device.settle()

    assert (meanwhile["lastDesiredVersion"], meanwhile["lastDesiredStatus"]["code"]) == (1, 200)
    assert module(meanwhile, "camera")["statusDescription"].startswith("PullImage")
    assert (applied["lastDesiredVersion"], applied["lastDesiredStatus"]["code"]) == (2, 200)


async def test_a_module_finds_the_environment_of_the_contract(tmp_path: Path) -> None:
    # Contract 6.1: manifest first, injected over it, createOptions.Env over all.
    async with Device(tmp_path, Cloud("camera")) as device:
        options = '{"Env": ["IOTEDGE_APIVERSION=2019-01-30", "FROM_OPTIONS=yes"]}'
        desired: Any = manifest("camera", env={"INTERVAL": {"value": 5}, "IOTEDGE_DEVICEID": {"value": "liar"}})
        desired["modules"]["camera"]["settings"]["createOptions"] = options
        device.agent.deploy(desired, 1)
        await device.settle()

        env = device.runtime.launches["camera"].env

    assert env["INTERVAL"] == "5"
    assert env["IOTEDGE_DEVICEID"] == "edge-1"
    assert env["IOTEDGE_MODULEID"] == "camera"
    assert env["IOTEDGE_MODULEGENERATIONID"] == "1"
    assert env["IOTEDGE_IOTHUBHOSTNAME"] == "hub.example.net"
    assert env["IOTEDGE_GATEWAYHOSTNAME"] == "edge-1.example.net"
    assert env["IOTEDGE_AUTHSCHEME"] == "sasToken"
    assert env["IOTEDGE_APIVERSION"] == "2019-01-30"
    assert env["FROM_OPTIONS"] == "yes"
    assert env["IOTEDGE_WORKLOADURI"].startswith("unix:///")


async def test_an_empty_twin_is_417_and_stops_nothing(tmp_path: Path) -> None:
    async with Device(tmp_path, Cloud("camera")) as device:
        fresh: Any = await device.settle()
        device.agent.deploy(manifest("camera"), 1)
        await device.settle()
        device.agent.deploy({}, 2)
        emptied: Any = await device.settle()

    assert fresh["lastDesiredStatus"]["code"] == 417
    assert emptied["lastDesiredStatus"]["code"] == 417
    assert module(emptied, "camera")["runtimeStatus"] == "running"


@pytest.mark.parametrize(
    ("change", "code", "problem"),
    [({"modules": []}, 400, "manifest-malformed"), ({"schemaVersion": "2.0"}, 412, "schema-unsupported")],
)
async def test_a_deployment_that_cannot_be_read_leaves_the_former_one_running(
    tmp_path: Path, change: dict[str, Any], code: int, problem: str
) -> None:
    async with Device(tmp_path, Cloud("camera")) as device:
        device.agent.deploy(manifest("camera"), 1)
        await device.settle()
        device.agent.deploy({**manifest("camera"), **change}, 2)
        report: Any = await device.settle()

    assert report["lastDesiredVersion"] == 2
    assert report["lastDesiredStatus"]["code"] == code
    assert codes(report) == [problem]
    assert module(report, "camera")["runtimeStatus"] == "running"


async def test_a_pull_that_fails_blocks_no_other_module_and_is_tried_again(tmp_path: Path) -> None:
    async with Device(tmp_path, Cloud("camera", "classifier")) as device:
        del device.runtime.registry["127.0.0.1:5000/camera:1"]
        device.agent.deploy(manifest("camera", "classifier"), 1)
        report: Any = await device.settle()

        assert module(report, "classifier")["runtimeStatus"] == "running"
        assert module(report, "camera")["runtimeStatus"] == "backoff"
        assert codes(module(report, "camera")) == ["image-not-found"]
        assert module(report, "camera")["nextAttemptTimeUtc"] == "2030-03-17T17:46:50.000Z"
        assert report["lastDesiredStatus"]["code"] == 500

        device.runtime.registry["127.0.0.1:5000/camera:1"] = "sha256:1"
        device.clock.now += 10
        mended: Any = await device.settle()

    assert module(mended, "camera")["runtimeStatus"] == "running"
    assert codes(module(mended, "camera")) == []
    assert mended["lastDesiredStatus"]["code"] == 200


async def test_a_replacement_that_cannot_be_pulled_leaves_the_old_module_running(tmp_path: Path) -> None:
    async with Device(tmp_path, Cloud("camera")) as device:
        device.agent.deploy(manifest("camera"), 1)
        await device.settle()
        del device.runtime.registry["127.0.0.1:5000/camera:2"]
        device.agent.deploy(manifest("camera", tag="2"), 2)
        report: Any = await device.settle()

    assert module(report, "camera")["runtimeStatus"] == "running"
    assert codes(module(report, "camera")) == ["image-not-found"]
    assert "stop camera" not in device.runtime.verbs[:-1]


async def test_a_module_that_ends_is_explained_and_restarted_after_its_wait(tmp_path: Path) -> None:
    async with Device(tmp_path, Cloud("camera")) as device:
        device.agent.deploy(manifest("camera"), 1)
        await device.settle()
        device.runtime.write("camera", "ModuleNotFoundError: No module named 'cv2'\n")
        device.runtime.end("camera", 1)
        ended: Any = await device.settle()

        assert module(ended, "camera")["runtimeStatus"] == "backoff"
        assert module(ended, "camera")["exitCode"] == 1
        assert codes(module(ended, "camera")) == ["module-import-error"]
        assert ended["lastDesiredStatus"]["code"] == 200

        device.clock.now += 10
        restarted: Any = await device.settle()
        assert module(restarted, "camera")["runtimeStatus"] == "running"
        assert module(restarted, "camera")["restartCount"] == 1
        assert codes(module(restarted, "camera")) == ["module-import-error"]

        device.clock.now += 600
        proven: Any = await device.settle()

    assert module(proven, "camera")["restartCount"] == 0
    assert codes(module(proven, "camera")) == []


async def test_no_report_has_the_new_start_of_a_module_with_the_old_count(tmp_path: Path) -> None:
    async with Device(tmp_path, Cloud("camera")) as device:
        device.agent.deploy(manifest("camera"), 1)
        await device.settle()
        device.runtime.end("camera", 1)
        ended: Any = await device.settle()

        device.clock.now += 10
        gate = device.runtime.gates.setdefault("started camera", asyncio.Event())
        await device.agent.look()
        await asyncio.sleep(0)
        (running,) = await device.runtime.observe()
        await device.agent.look()
        meanwhile: Any = device.reports[-1]
        gate.set()
        await device.agent.idle()
        restarted: Any = await device.settle()

    assert running.state is ModuleState.RUNNING
    told = [
        (module(each, "camera")[name]) for each in (ended, meanwhile) for name in ("lastStartTimeUtc", "restartCount")
    ]
    assert told == ["2030-03-17T17:46:40.000Z", 0] * 2
    assert module(restarted, "camera")["lastStartTimeUtc"] == "2030-03-17T17:46:50.000Z"
    assert module(restarted, "camera")["restartCount"] == 1


async def test_a_module_that_keeps_ending_is_reported_failed_with_its_cause_alone(tmp_path: Path) -> None:
    async with Device(tmp_path, Cloud("camera")) as device:
        device.agent.deploy(manifest("camera"), 1)
        await device.settle()
        for _ in range(20):
            device.runtime.end("camera", 1)
            device.clock.now += 301
            await device.settle()
        device.runtime.end("camera", 1)
        report: Any = await device.settle()

    assert module(report, "camera")["runtimeStatus"] == "failed"
    assert codes(module(report, "camera")) == ["module-crashed"]
    assert module(report, "camera")["nextAttemptTimeUtc"] > module(report, "camera")["lastExitTimeUtc"]


async def test_a_module_that_is_no_longer_desired_goes_with_its_socket(tmp_path: Path) -> None:
    async with Device(tmp_path, Cloud("camera", "classifier")) as device:
        device.agent.deploy(manifest("camera", "classifier"), 1)
        await device.settle()
        assert has_socket(device, "classifier")

        device.agent.deploy(manifest("camera"), 2)
        report: Any = await device.settle()

        assert list(report["modules"]) == ["camera"]
        assert [seen.name for seen in await device.runtime.observe()] == ["camera"]
        assert not has_socket(device, "classifier")


async def test_a_device_that_starts_offline_runs_what_it_last_ran(tmp_path: Path) -> None:
    cloud = Cloud("camera")
    async with Device(tmp_path, cloud) as device:
        device.agent.deploy(manifest("camera"), 3)
        await device.settle()

    cloud.reachable = False
    async with Device(tmp_path, cloud, device.records) as again:
        report: Any = await again.settle()

    assert report["lastDesiredVersion"] == 3
    assert module(report, "camera")["runtimeStatus"] == "running"


async def test_a_module_waits_until_its_identity_is_known(tmp_path: Path) -> None:
    cloud = Cloud()
    async with Device(tmp_path, cloud) as device:
        device.agent.deploy(manifest("camera"), 1)
        waiting: Any = await device.settle()
        cloud.documents["camera"] = module_document("camera")
        await device.scope.refresh()
        report: Any = await device.settle()

    assert module(waiting, "camera")["runtimeStatus"] == "unknown"
    assert module(waiting, "camera")["statusDescription"] == "its identity is awaited"
    assert module(report, "camera")["runtimeStatus"] == "running"


async def test_an_identity_made_anew_makes_the_module_anew(tmp_path: Path) -> None:
    cloud = Cloud("camera")
    async with Device(tmp_path, cloud) as device:
        device.agent.deploy(manifest("camera"), 1)
        await device.settle()
        cloud.documents["camera"] = module_document("camera", generation="2")
        await device.scope.refresh()
        await device.settle()

        assert device.runtime.launches["camera"].env["IOTEDGE_MODULEGENERATIONID"] == "2"


async def test_at_the_end_every_module_is_stopped(tmp_path: Path) -> None:
    async with Device(tmp_path, Cloud("camera", "classifier")) as device:
        device.agent.deploy(manifest("camera", "classifier"), 1)
        await device.settle()

    assert {seen.state for seen in await device.runtime.observe()} == {"stopped"}


async def test_modules_go_on_while_another_version_of_the_program_takes_over(tmp_path: Path) -> None:
    async with Device(tmp_path, Cloud("camera")) as device:
        device.agent.deploy(manifest("camera"), 1)
        await device.settle()
        await device.agent.close(keep=True)
        assert {seen.state for seen in await device.runtime.observe()} == {"running"}


async def test_secrets_of_registries_are_not_reported(tmp_path: Path) -> None:
    desired: Any = manifest("camera")
    credential = {"r": {"address": "127.0.0.1:5000", "username": "u", "password": "do-not-show"}}
    desired["runtime"]["settings"]["registryCredentials"] = credential
    async with Device(tmp_path, Cloud("camera")) as device:
        device.agent.deploy(desired, 1)
        report = await device.settle()

    assert "do-not-show" not in str(report)


def test_a_module_that_runs_and_is_sick_is_unhealthy_to_the_planner() -> None:
    seen = ModuleObservation("camera", ModuleState.RUNNING, "image", "print", health=Health.UNHEALTHY)
    assert observe(seen).state is ObservedState.UNHEALTHY
    assert observe(replace(seen, health=Health.STARTING)).state is ObservedState.STARTING
    assert observe(replace(seen, state=ModuleState.FAILED)).state is ObservedState.FAILED
