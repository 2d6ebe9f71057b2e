"""`hotori edge check`: every failure provoked for real, named once, and what follows from it left out."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from starlette.applications import Starlette

from hotori.diagnosis.checks import Check, Outcome, Result, count, unmet
from hotori.edge.check.device_checks import CHECKS, run_checks
from hotori.edge.check.device_folder import DeviceFolder
from hotori.edge.check.host import Machine
from hotori.edge.check.probes import Probes
from hotori.edge.control import SOCKET, Control
from hotori.edge.enrolment import EnrolmentFile
from hotori.edge.last_run import LastRun
from hotori.edge.membership import ENROLMENT
from hotori.edge.module_engine import ModuleEngine
from hotori.edge.report import problem_documents
from hotori.edge.support_bundle import BundleSources
from hotori.edge.workload_sockets import socket_folder
from hotori.hub.registry import Draft
from hotori.model.connection_string import IdentityConnection
from hotori.model.identity import Identity
from hotori.model.manifest import RegistryCredential
from hotori.model.secret import Secret
from hotori.net.authority import LEAF_LIFE, Authority
from hotori.net.http import HttpServer
from hotori.net.ports import bind
from hotori.problems import Problem, Words
from hotori.problems.checks import DISK_SHORT
from hotori.problems.storage import QUEUES_FULL
from hotori.sdk.connection_file import HubAddress
from hotori.testing.addresses import loopback_address
from hotori.testing.cloud_hub import CloudHub
from hotori.testing.registry_server import registry_server
from tests.edge.parts import Cloud, Device, manifest

MODULE_CHECKS = frozenset({"device-running", "deployment", "modules", "ports", "queues", "module-network"})
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
    assert outcomes["cloud-websocket"].seen.endswith("101")
    assert "100%" in outcomes["certificates"].seen


async def test_a_missing_folder_explains_everything_else(tmp_path: Path) -> None:
    outcomes = await looked(Probes(DeviceFolder(tmp_path / "nowhere")), frozenset())
    assert codes(outcomes) == {"data-folder": ["file-unreadable"]}
    assert skipped(outcomes) == outcomes.keys() - {"data-folder", "container-engine", "image-disk", "packets"}


async def test_a_device_that_was_never_enrolled_is_told_so(tmp_path: Path) -> None:
    outcomes = await looked(Probes(DeviceFolder(tmp_path)))
    assert codes(outcomes) == {"enrolment": ["enrolment-missing"]}


async def test_a_cloud_that_is_not_there_is_one_finding_for_each_port(tmp_path: Path, cloud: CloudHub) -> None:
    probes = await enrolled(tmp_path / "edge", cloud)
    await cloud.stop()
    outcomes = await looked(probes)
    assert codes(outcomes) == {"cloud-https": ["cloud-unreachable"], "cloud-mqtt": ["cloud-unreachable"]}
    assert skipped(outcomes) == {"clock", "identity", "cloud-websocket", "registry"}


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
    (problem,) = outcomes["cloud-https"].problems
    assert f"dialled: {cloud.address}" in problem.evidence
    assert any("signed by" in line and cloud.address in line for line in problem.evidence), problem.evidence


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
    assert skipped(outcomes) == {"identity", "registry"}


@pytest.mark.parametrize(("life", "code"), [(0.5, None), (0.8, "certificate-ending"), (0.95, "certificate-at-its-end")])
async def test_certificates_are_told_at_a_quarter_and_at_a_tenth_of_their_life(
    tmp_path: Path, cloud: CloudHub, life: float, code: str | None
) -> None:
    """FAILURES.md D17"""
    probes = await enrolled(tmp_path / "edge", cloud)
    probes.clock = lambda: cloud.clock() + life * LEAF_LIFE.total_seconds()
    outcomes = await looked(probes)
    assert codes(outcomes).get("certificates", [None])[0] == code
    assert "authority" in outcomes["certificates"].seen or code
    if code:
        assert cloud.address in outcomes["certificates"].problems[0].title()


async def test_a_proxy_that_takes_websockets_apart_is_named(tmp_path: Path, cloud: CloudHub) -> None:
    """FAILURES.md D15: HTTPS gets through, and a web server answers where a websocket was asked for."""
    probes = await enrolled(tmp_path / "edge", cloud)
    certificate = cloud.authority.issue_server((cloud.address,))
    async with HttpServer(Starlette(), bind(cloud.address, 0, "proxy"), certificate) as proxy:
        path = tmp_path / "edge" / ENROLMENT
        text = await asyncio.to_thread(path.read_text)
        await asyncio.to_thread(path.write_text, text.replace(str(cloud.https_port), str(proxy.port)))
        outcomes = await looked(probes, MODULE_CHECKS | {"identity"})
    assert codes(outcomes) == {"cloud-websocket": ["websockets-blocked"]}
    assert "404" in outcomes["cloud-websocket"].problems[0].cause()
    assert outcomes["cloud-websocket"].result is Result.WARNING


@pytest.mark.parametrize(("password", "code"), [("right", None), ("wrong", "registry-unauthorized")])
async def test_a_registry_that_does_not_take_the_devices_credential_is_named(
    tmp_path: Path, cloud: CloudHub, password: str, code: str | None
) -> None:
    """FAILURES.md D05"""
    async with registry_server(tmp_path / "registry", {"edge-1": Secret("right")}) as registry:
        probes = await enrolled(tmp_path / "edge", cloud)
        path = tmp_path / "edge" / ENROLMENT
        enrolment = EnrolmentFile.read(path)
        replace(enrolment, registry=RegistryCredential(registry.address, "edge-1", Secret(password))).write(path)
        outcomes = await looked(probes)
    assert codes(outcomes) == ({"registry": [code]} if code else {})


async def test_a_port_that_another_program_has_is_named_with_its_owner_while_the_device_is_down(tmp_path: Path) -> None:
    """FAILURES.md D12"""
    address = loopback_address()
    with bind(address, 0, "something else") as taken:
        LastRun(address, taken.getsockname()[1], 0).write(tmp_path)
        outcomes = await looked(Probes(DeviceFolder(tmp_path)), CLOUD_CHECKS)
    free = await looked(Probes(DeviceFolder(tmp_path)), CLOUD_CHECKS)
    assert codes(outcomes)["ports"] == ["port-in-use"]
    assert f"pid {os.getpid()}" in outcomes["ports"].problems[0].cause()
    assert free["ports"].seen.endswith("are free")


async def test_the_engine_that_the_device_was_started_with_is_looked_at(tmp_path: Path) -> None:
    engine = ModuleEngine(f"unix://{tmp_path}/nosuch.sock")
    LastRun("", 8883, None, engine).write(tmp_path)
    outcomes = await looked(
        Probes(DeviceFolder(tmp_path)), CLOUD_CHECKS - {"container-engine", "image-disk", "packets"}
    )
    assert codes(outcomes)["container-engine"] == ["engine-unreachable"]
    assert "nosuch.sock" in outcomes["container-engine"].problems[0].title()
    assert {"image-disk", "packets", "module-network"} <= skipped(outcomes)


async def test_what_the_hub_says_of_its_queues_is_told(tmp_path: Path) -> None:
    """FAILURES.md D20"""
    full = Problem(QUEUES_FULL, dropped=3, capacity=1000)
    async with Device(tmp_path, Cloud()) as device:
        sources = BundleSources(device.runtime, {"hub": lambda: {"problems": problem_documents([full])}})
        control = Control(device.agent, device.runtime, sources, device.clock)
        async with control.server(socket_folder(tmp_path)):
            outcomes = await looked(Probes(DeviceFolder(tmp_path)), CLOUD_CHECKS | {"deployment"})
        (socket_folder(tmp_path) / SOCKET).unlink(missing_ok=True)
    assert codes(outcomes) == {"queues": ["queues-full"]}


def test_an_old_libseccomp_is_named(tmp_path: Path) -> None:
    """FAILURES.md D28"""
    folder = tmp_path / "usr/lib/arm-linux-gnueabihf"
    folder.mkdir(parents=True)
    assert Machine(tmp_path).libseccomp() == "no libseccomp is installed"
    (folder / "libseccomp.so.2.3.3").touch()
    with pytest.raises(Problem) as caught:
        Machine(tmp_path).libseccomp()
    assert (caught.value.code, caught.value.values["version"]) == ("libseccomp-old", "2.3.3")
    (folder / "libseccomp.so.2.5.4").touch()
    assert Machine(tmp_path).libseccomp() == "libseccomp 2.5.4"


LOOK_OUT = """
from hotori.edge.check.host import Machine
from hotori.problems import Problem
for size in (1500, 1280):
    try:
        print(Machine().packets("azure-iot-edge", size))
    except Problem as problem:
        print(problem.code, problem.title())
open("/proc/sys/net/ipv4/ip_forward", "w").write("0")
try:
    Machine().forwarding()
except Problem as problem:
    print(problem.code)
"""


def test_packets_that_the_way_out_does_not_take_and_forwarding_that_is_off_are_named() -> None:
    """FAILURES.md D14, in a network whose way out takes 1280 bytes, as some mobile networks do."""
    made = "ip link add up0 mtu 1280 type veth peer name up1 && ip link set up0 up && ip link set up1 up"
    up = f"{made} && ip address add 192.0.2.1/24 dev up0"
    command = f"{up} && ip route add default via 192.0.2.254 && exec {sys.executable} -c '{LOOK_OUT}'"
    inside = f"mount -t sysfs sysfs /sys && {command}"
    done = subprocess.run(
        ["unshare", "--net", "--mount", "sh", "-c", inside], capture_output=True, text=True, check=False
    )
    if "ermitted" in done.stderr:
        pytest.skip(f"no network namespace can be made here: {done.stderr.strip()}")
    too_large, fits, off = done.stdout.splitlines()
    assert too_large.startswith("packets-too-large ")
    assert "up0 takes 1280" in too_large
    assert fits == "azure-iot-edge 1280, up0 1280"
    assert off == "forwarding-off"


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
    assert skipped(outcomes) == {"deployment", "modules", "queues", "module-network"}


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
