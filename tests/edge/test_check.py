"""`hotori edge check`: every failure provoked for real, named once, and what follows from it left out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hotori.diagnosis.checks import Check, Outcome, Result, count, unmet
from hotori.edge.check.device_checks import CHECKS, run_checks
from hotori.edge.check.device_folder import DeviceFolder
from hotori.edge.check.probes import Probes
from hotori.edge.control import SOCKET, Control
from hotori.edge.enrolment import EnrolmentFile
from hotori.edge.membership import ENROLMENT
from hotori.edge.support_bundle import BundleSources
from hotori.edge.workload_sockets import socket_folder
from hotori.hub.registry import Draft
from hotori.model.connection_string import IdentityConnection
from hotori.model.identity import Identity
from hotori.model.secret import Secret
from hotori.net.authority import Authority
from hotori.problems import Problem, Words
from hotori.problems.checks import DISK_SHORT
from hotori.sdk.connection_file import HubAddress
from hotori.testing.addresses import loopback_address
from hotori.testing.cloud_hub import CloudHub
from tests.edge.parts import Cloud, Device, manifest

MODULE_CHECKS = frozenset({"device-running", "deployment", "modules"})
CLOUD_CHECKS = frozenset(check.id for check in CHECKS) - MODULE_CHECKS - {"data-folder"}


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[CloudHub]:
    async with CloudHub(tmp_path / "cloud", loopback_address()) as hub:
        await hub.registry.create_device("edge-1", Draft(edge=True))
        yield hub


async def enrolled(folder: Path, cloud: CloudHub, key: Secret | None = None, ca: str | None = None) -> Probes:
    identity = Identity("edge-1")
    connection = IdentityConnection(cloud.address, identity, key or (await cloud.registry.get(identity)).primary)
    folder.mkdir()  # noqa: ASYNC240
    address = HubAddress(cloud.address, 8883, cloud.https_port)
    EnrolmentFile(connection, ca or cloud.authority.pem, address).write(folder / ENROLMENT)
    return Probes(DeviceFolder(folder))


async def looked(probes: Probes, left_out: frozenset[str] = MODULE_CHECKS) -> dict[str, Outcome]:
    return {outcome.check.id: outcome async for outcome in run_checks(probes, left_out)}


def codes(outcomes: dict[str, Outcome]) -> dict[str, list[str]]:
    return {name: [problem.code for problem in each.problems] for name, each in outcomes.items() if each.problems}


def skipped(outcomes: dict[str, Outcome]) -> set[str]:
    return {name for name, each in outcomes.items() if each.result is Result.SKIPPED}


async def test_a_device_that_is_well_passes_every_check(tmp_path: Path, cloud: CloudHub) -> None:
    outcomes = await looked(await enrolled(tmp_path / "edge", cloud))
    assert codes(outcomes) == {}
    assert skipped(outcomes) == set()
    assert outcomes["identity"].seen == "2 modules are registered"
    assert "TLSv1" in outcomes["cloud-mqtt"].seen


async def test_a_missing_folder_explains_everything_else(tmp_path: Path) -> None:
    outcomes = await looked(Probes(DeviceFolder(tmp_path / "nowhere")), frozenset())
    assert codes(outcomes) == {"data-folder": ["file-unreadable"]}
    assert skipped(outcomes) == outcomes.keys() - {"data-folder", "container-engine"}


async def test_a_device_that_was_never_enrolled_is_told_so(tmp_path: Path) -> None:
    outcomes = await looked(Probes(DeviceFolder(tmp_path)))
    assert codes(outcomes) == {"enrolment": ["enrolment-missing"]}


async def test_a_cloud_that_is_not_there_is_one_finding_for_each_port(tmp_path: Path, cloud: CloudHub) -> None:
    probes = await enrolled(tmp_path / "edge", cloud)
    await cloud.stop()
    outcomes = await looked(probes)
    assert codes(outcomes) == {"cloud-https": ["cloud-unreachable"], "cloud-mqtt": ["cloud-unreachable"]}
    assert skipped(outcomes) == {"clock", "identity"}


async def test_a_name_without_an_address_is_named(tmp_path: Path, cloud: CloudHub) -> None:
    probes = await enrolled(tmp_path / "edge", cloud)
    path = tmp_path / "edge" / ENROLMENT
    text = await asyncio.to_thread(path.read_text)
    await asyncio.to_thread(path.write_text, text.replace(f'"host": "{cloud.address}"', '"host": "cloud.invalid"'))
    outcomes = await looked(probes)
    assert list(codes(outcomes)) == ["cloud-name"]
    assert "cloud.invalid" in outcomes["cloud-name"].problems[0].title()


async def test_an_authority_that_is_not_the_clouds_is_named(tmp_path: Path, cloud: CloudHub) -> None:
    stranger = Authority.open(tmp_path / "stranger").pem
    outcomes = await looked(await enrolled(tmp_path / "edge", cloud, ca=stranger))
    assert codes(outcomes)["cloud-https"] == ["certificate-untrusted"]


async def test_a_wrong_key_is_named(tmp_path: Path, cloud: CloudHub) -> None:
    outcomes = await looked(await enrolled(tmp_path / "edge", cloud, key=Secret("d3Jvbmcga2V5IHdyb25nIGtleQ==")))
    assert list(codes(outcomes)) == ["identity"]
    assert codes(outcomes)["identity"] == ["token-refused"]


async def test_a_clock_that_is_off_is_named_before_the_key_is_blamed(tmp_path: Path, cloud: CloudHub) -> None:
    probes = await enrolled(tmp_path / "edge", cloud)
    probes.clock = lambda: cloud.clock() - 7200
    outcomes = await looked(probes)
    assert codes(outcomes) == {"clock": ["clock-off"]}
    assert "clock is -7" in outcomes["clock"].problems[0].title()  # to the second of the answer
    assert skipped(outcomes) == {"identity"}


async def test_a_small_disk_warns(small_disk: Path) -> None:
    outcomes = await looked(Probes(DeviceFolder(small_disk)), frozenset({"enrolment"}) | MODULE_CHECKS)
    assert codes(outcomes)["disk-space"] == ["disk-short"]
    assert outcomes["disk-space"].result is Result.WARNING


async def test_an_authority_that_ends_soon_warns(tmp_path: Path) -> None:
    Authority.open(tmp_path / "authority", clock=lambda: 0.0)
    outcomes = await looked(Probes(DeviceFolder(tmp_path)), frozenset({"enrolment"}) | MODULE_CHECKS)
    assert codes(outcomes)["authority"] == ["authority-ending"]


async def test_a_device_that_does_not_run_is_one_finding(tmp_path: Path) -> None:
    outcomes = await looked(Probes(DeviceFolder(tmp_path)), CLOUD_CHECKS)
    assert codes(outcomes) == {"device-running": ["device-not-running"]}
    assert skipped(outcomes) == {"deployment", "modules"}


async def test_the_problems_of_modules_are_told_as_the_device_reports_them(tmp_path: Path) -> None:
    async with Device(tmp_path, Cloud("camera")) as device:
        device.agent.deploy(manifest("camera"), 1)
        await device.settle()
        device.runtime.write("camera", "ModuleNotFoundError: No module named 'x'\n")
        device.runtime.end("camera", 1)
        await device.settle()
        control = Control(device.agent, device.runtime, BundleSources(device.runtime, {}), device.clock)
        async with control.server(socket_folder(tmp_path)):
            outcomes = await looked(Probes(DeviceFolder(tmp_path)), CLOUD_CHECKS)
        (socket_folder(tmp_path) / SOCKET).unlink(missing_ok=True)
    assert codes(outcomes) == {"modules": ["module-import-error"]}


async def test_a_deployment_that_the_device_refuses_is_told_in_its_words(tmp_path: Path) -> None:
    async with Device(tmp_path, Cloud("camera")) as device:
        device.agent.deploy({"schemaVersion": "9.0"}, 3)
        await device.settle()
        control = Control(device.agent, device.runtime, BundleSources(device.runtime, {}), device.clock)
        async with control.server(socket_folder(tmp_path)):
            outcomes = await looked(Probes(DeviceFolder(tmp_path)), CLOUD_CHECKS)
        (socket_folder(tmp_path) / SOCKET).unlink(missing_ok=True)
    assert codes(outcomes) == {"deployment": ["deployment-not-applied"]}
    assert "9.0" in outcomes["deployment"].problems[0].cause()


def test_a_warning_stands_in_nobodys_way() -> None:
    words = Words("a", "a")
    first, second = Check("first", words, words), Check("second", words, words, ("first",))
    warned = Outcome(first, (Problem(DISK_SHORT, path="/", free="1 MiB"),))
    assert unmet(second, {"first": warned}) == ()
    assert count([warned, Outcome(second)]) == {
        Result.OK: 1,
        Result.WARNING: 1,
        Result.ERROR: 0,
        Result.SKIPPED: 0,
    }


def test_the_json_has_the_members_of_the_contract() -> None:
    """8.2"""
    words = Words("a", "a")
    document = Outcome(Check("first", words, words), missed=("zero",)).document()
    assert document["result"] == {"result": "skipped", "details": ["skipping because of previous failures: zero"]}
