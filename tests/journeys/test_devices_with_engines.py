"""Devices with a container engine each, on one wire with their cloud: what goes wrong is named, and mends."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.journeys import site_images
from tests.journeys.site import CLOUD, Device, Site, a_site, module, until

pytestmark = pytest.mark.slow
CUT_SECONDS = 120.0
SMALL_DISK = 48
"""Megabytes; less than the image `large` takes."""
SECOND = 1_000_000_000
REGISTRY = f"{CLOUD}:5000"
STEADY = f"{REGISTRY}/steady:1.0"
MOVING = f"{REGISTRY}/moving:1.0"
GOOD = {"first": module(STEADY), "second": module(MOVING)}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    names = ("edge-1", "edge-2", "edge-3")
    with a_site(tmp_path_factory.mktemp("site"), names, {"edge-3": SMALL_DISK}) as running:
        yield running


def states(site: Site, device: str) -> dict[str, str]:
    return {name: each["runtimeStatus"] for name, each in site.modules(device).items()}


def well(site: Site, device: str) -> bool:
    return states(site, device) == dict.fromkeys(GOOD, "running")


def rolled_out(site: Site, name: str) -> dict[str, Any] | None:
    """How the deployment stands, once its rollout has come to an end."""
    (shown,) = site.hotori("deployment", "show", name)
    return shown if shown["progress"]["phase"] == "complete" else None


def codes(entry: dict[str, Any]) -> set[str]:
    return {problem["code"] for problem in entry.get("problems", ())}


def test_a_rollout_in_waves_reaches_every_device(site: Site) -> None:
    manifest = site.write("good", GOOD)
    (created,) = site.hotori("deployment", "create", "good", manifest, "--waves", "1,100%", "--healthy", "1")
    assert created["systemMetrics"]["results"]["targetedCount"] == 3
    done = until(lambda: rolled_out(site, "good"))
    assert set(done["progress"]["devices"]) == set(site.devices)
    for name, device in site.devices.items():
        assert states(site, name) == dict.fromkeys(GOOD, "running")
        assert GOOD.keys() <= device.containers().keys()


FILLS = """filled=$(dd if=/dev/zero of=/fill bs=1M 2>&1); rm /fill; echo "$filled"; exit 1"""


def test_a_disk_that_is_too_small_or_full_is_named_and_what_ran_runs_on(site: Site) -> None:
    """FAILURES.md D19: told before a byte of the image comes, and where a module fills the disk."""
    device, large = site.devices["edge-3"], f"{REGISTRY}/large:1.0"
    before = device.containers()
    target = ("--target", "deviceId = 'edge-3'", "--priority", "5")
    site.hotori("deployment", "create", "large", site.write("large", {**GOOD, "second": module(large)}), *target)
    until(lambda: "image-exceeds-disk" in codes(site.modules("edge-3").get("second", {})), 60.0)
    report = site.report("edge-3")
    (problem,) = report["modules"]["second"]["problems"]
    (seen,) = problem["evidence"]
    assert int(seen.split()[0]) > site_images.LARGE
    assert "steady" not in problem["remedy"]["en"], "what is used cannot go"
    assert report["imageDisk"]["totalBytes"] == SMALL_DISK << 20
    assert report["modules"]["second"]["runtimeStatus"] == "running"
    assert device.containers() == before

    filler = module(STEADY, {"Entrypoint": ["sh", "-c", FILLS]})
    full = site.write("full", {**GOOD, "filler": filler})
    site.hotori("deployment", "create", "full", full, *target[:2], "--priority", "6")
    until(lambda: "module-disk-full" in codes(site.modules("edge-3").get("filler", {})), 60.0)
    assert before.items() <= device.containers().items()
    for name in ("full", "large"):
        site.hotori("deployment", "delete", name, "--yes")
    until(partial(well, site, "edge-3"))
    until(lambda: device.containers() == before)


@dataclass
class Cut:
    """The third device's uplink, which is cut for two minutes while others are tried; then what was known before."""

    since: float = 0.0
    modules: dict[str, Any] = field(default_factory=dict)
    containers: dict[str, str] = field(default_factory=dict)


@pytest.fixture(scope="module")
def cut(site: Site) -> Cut:
    device = site.devices["edge-3"]
    begun = Cut(time.monotonic(), site.modules("edge-3"), device.containers())
    site.wire.cut("edge-3")
    return begun


def test_a_device_that_is_cut_off_comes_back_from_a_power_cut_by_itself(site: Site, cut: Cut) -> None:
    """Engine and agent are killed together; nobody is there to ask."""
    device = site.devices["edge-3"]
    device.program.stop(signal.SIGKILL)
    device.engine.kill()
    device.engine.start()
    device.program.start()
    until(lambda: running(device) == dict.fromkeys(GOOD, "running"))
    device.hotori("restart", "first")
    until(lambda: running(device) == dict.fromkeys(GOOD, "running"))
    assert device.containers() == cut.containers


def running(device: Device) -> dict[str, str]:
    """What the device itself says."""
    (listed,) = device.hotori("list")
    return {each["name"]: each["runtimeStatus"] for each in listed}


def test_a_tag_that_moves_is_told_and_moves_no_device(site: Site) -> None:
    devices = {name: device for name, device in site.devices.items() if name != "edge-3"}
    before = {name: device.containers() for name, device in devices.items()}
    site.images("move")
    (shown,) = site.hotori("deployment", "show", "good")
    assert {image["image"]: image["moved"] for image in shown["images"]} == {STEADY: False, MOVING: True}
    (digest,) = [image["digest"] for image in shown["images"] if image["moved"]]
    for name, device in devices.items():
        device.hotori("restart", "second")
        until(partial(well, site, name))
        assert site.modules(name)["second"]["settings"]["imageHash"] == digest
        assert device.containers() == before[name]


@pytest.fixture
def registries(site: Site) -> Iterator[None]:
    """Two more registries beside the cloud's."""
    command = [sys.executable, site_images.__file__, "serve", CLOUD, str(site.folder / "registries")]
    with subprocess.Popen([*site.wire.inside("cloud"), *command], stdout=subprocess.PIPE, text=True) as serving:
        assert serving.stdout
        assert json.loads(serving.stdout.readline()) == {"ready": True}
        yield
        serving.terminate()


@pytest.fixture
def taken_port(site: Site) -> Iterator[int]:
    """A port of the second device that a program of its own has."""
    program = (
        "import socket, time; taken = socket.create_server(('', 7001)); print('true', flush=True); time.sleep(600)"
    )
    command = [*site.wire.inside("edge-2"), sys.executable, "-c", program]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as taking:
        assert taking.stdout
        assert json.loads(taking.stdout.readline())
        yield 7001
        taking.terminate()


def published(port: int) -> dict[str, object]:
    return {"HostConfig": {"PortBindings": {"80/tcp": [{"HostPort": str(port)}]}}}


def a_python(program: str) -> dict[str, object]:
    """Options that run a program with this machine's Python, which no tiny image holds."""
    folders = dict.fromkeys((sys.base_prefix, "/lib", "/lib64", "/usr/lib"))
    binds = [f"{folder}:{folder}:ro" for folder in folders if Path(folder).exists()]
    return {"Entrypoint": [f"{sys.base_prefix}/bin/python3", "-c", program], "HostConfig": {"Binds": binds}}


DEVICE = {"PathOnHost": "/dev/ttyUSB77", "PathInContainer": "/dev/ttyUSB77", "CgroupPermissions": "rwm"}
SMALL = {"Entrypoint": ["tail", "/dev/zero"], "HostConfig": {"Memory": 16 << 20, "MemorySwap": 16 << 20}}
ILL = {"Test": ["CMD-SHELL", "echo no picture; exit 1"], "Interval": SECOND, "Retries": 1, "Timeout": SECOND}
BROKEN = {
    "foreign": (module(f"{REGISTRY}/foreign:1.0"), "image-wrong-platform"),
    "mislabelled": (module(f"{REGISTRY}/mislabelled:1.0"), "module-wrong-architecture"),
    "missing": (module(f"{CLOUD}:{site_images.OPEN_PORT}/shelf:2.0"), "image-not-found"),
    "locked": (module(f"{CLOUD}:{site_images.LOCKED_PORT}/shelf:1.0"), "registry-unauthorized"),
    "down": (module(f"{CLOUD}:5999/shelf:1.0"), "registry-unreachable"),
    "rival": (module(STEADY, published(7000)), "module-port-in-use"),
    "latecomer": (module(STEADY, published(7001)), "module-port-in-use"),
    "importer": (module(STEADY, a_python("import nosuchpackage")), "module-import-error"),
    "glutton": (module(STEADY, SMALL), "module-out-of-memory"),
    "camera": (module(STEADY, {"HostConfig": {"Devices": [DEVICE]}}), "module-device-missing"),
    "ill": (module(STEADY, {"Healthcheck": ILL}), "module-unhealthy"),
}
HOLDER = module(STEADY, published(7000), startupOrder=1)


@pytest.mark.usefixtures("registries")
def test_each_failure_is_named_and_touches_no_other_module(site: Site, taken_port: int) -> None:
    before = {name: device.containers() for name, device in site.devices.items()}
    address = f"{CLOUD}:{site_images.LOCKED_PORT}"
    credentials = {"locked": {"address": address, "username": "user", "password": "wrong"}}
    modules = {"first": GOOD["first"], "holder": HOLDER, **{name: each for name, (each, _) in BROKEN.items()}}
    manifest = site.write("broken", modules, registryCredentials=credentials)
    target = ("--target", "deviceId = 'edge-2'", "--priority", "5")
    site.hotori("deployment", "create", "broken", manifest, *target)
    wanted = {name: code for name, (_, code) in BROKEN.items()}

    seen: dict[str, Any] = {}

    def all_named() -> bool:
        seen.update(site.modules("edge-2"))
        return all(code in codes(seen.get(name, {})) for name, code in wanted.items())

    until(all_named, 60.0)
    assert (seen["first"]["runtimeStatus"], seen["holder"]["runtimeStatus"]) == ("running", "running")
    assert "pid" in cause(seen["latecomer"], "module-port-in-use")
    assert "container holder" in cause(seen["rival"], "module-port-in-use")
    # What is ill is started again and again, and for a second after each start it is not known to be ill.
    until(lambda: named_in_list(site.devices["edge-2"], wanted))
    until(lambda: named_by_check(site.devices["edge-2"]) == set(wanted.values()))
    for name, device in site.devices.items():
        assert device.containers()["first"] == before[name]["first"]
    assert before["edge-1"] == site.devices["edge-1"].containers()


def named_in_list(device: Device, wanted: Mapping[str, str]) -> bool:
    (listed,) = device.hotori("list")
    shown = {each["name"]: codes(each) for each in listed}
    return all(code in shown[name] for name, code in wanted.items())


def named_by_check(device: Device) -> set[str]:
    (checked,) = device.hotori("check", good=(1,))
    return {problem["code"] for problem in checked["checks"]["modules"]["additional_info"]["problems"]}


def cause(entry: dict[str, Any], code: str) -> str:
    (found,) = [problem for problem in entry["problems"] if problem["code"] == code]
    return json.dumps(found)


def test_what_a_deployment_replaced_comes_back_when_it_is_deleted(site: Site) -> None:
    site.hotori("deployment", "delete", "broken", "--yes")
    until(partial(well, site, "edge-2"))
    until(lambda: site.devices["edge-2"].containers().keys() == GOOD.keys())


def test_a_killed_engine_is_named_and_its_modules_run_again_once_it_is_back(site: Site) -> None:
    device = site.devices["edge-2"]
    device.engine.kill()
    until(lambda: "engine-unreachable" in codes(site.report("edge-2")))
    device.engine.start()
    until(lambda: not codes(site.report("edge-2")) and well(site, "edge-2"))
    assert device.containers().keys() == GOOD.keys()


def test_an_agent_killed_at_any_step_of_a_plan_ends_in_the_desired_state(site: Site) -> None:
    device = site.devices["edge-1"]
    device.run_stranger("stranger", "first")
    strangers = {name: device.containers()[name] for name in ("first", "stranger")}
    moments = ("is taken up", "PullImage", "StopModule", "RemoveModule", "CreateModule", "StartModule")
    for number, moment in enumerate(moments):
        modules = {
            "first": GOOD["first"],
            "second": module(MOVING, env={"NUMBER": {"value": str(number)}}),
            f"only-{number}": module(STEADY),
        }
        heard = device.program.log.stat().st_size
        manifest = site.write(f"plan-{number}", modules)
        target = ("--target", "deviceId = 'edge-1'", "--priority", str(10 + number))
        site.hotori("deployment", "create", f"plan-{number}", manifest, *target)
        until(partial(said, device.program.log, heard, moment), pace=0.01)
        device.program.stop(signal.SIGKILL)
        device.program.start()
        until(partial(runs, site, "edge-1", modules))
        until(partial(holds, device, modules.keys() | {"stranger"}))
        assert strangers.items() <= device.containers().items()


def test_what_happened_while_the_uplink_was_cut_for_two_minutes_is_made_up_for(site: Site, cut: Cut) -> None:
    """The cut goes on beside the trials before; alone, this one waits for all of it."""
    device = site.devices["edge-3"]
    wanted = {**GOOD, "late": module(STEADY)}
    target = ("--target", "deviceId = 'edge-3'", "--priority", "30")
    site.hotori("deployment", "create", "late", site.write("late", wanted), *target)
    time.sleep(max(0.0, CUT_SECONDS - (time.monotonic() - cut.since)))
    assert site.modules("edge-3") == cut.modules, "nothing came through"
    assert device.containers() == cut.containers
    site.wire.mend("edge-3")
    until(partial(runs, site, "edge-3", wanted))
    assert device.containers()["first"] == cut.containers["first"]


def holds(device: Device, names: Set[str]) -> bool:
    """Whether these containers run on the device, and no other: what is no longer wanted goes beside what begins."""
    return device.containers().keys() == names


def said(log: Path, start: int, words: str) -> bool:
    return words.encode() in log.read_bytes()[start:]


def runs(site: Site, device: str, modules: Mapping[str, Any]) -> bool:
    """Whether all of it is in force, and nothing else."""
    reported = site.modules(device)
    return reported.keys() == modules.keys() and all(
        each["runtimeStatus"] == "running" and each["env"] == modules[name].get("env", {})
        for name, each in reported.items()
    )
