"""The edge program updates itself: a real launcher, real programs of two versions, a real cloud and its registry."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
import sysconfig
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import hotori
from hotori.edge.deployment import Deployment
from hotori.edge.enrolment import EnrolmentFile
from hotori.edge.release_folder import ReleaseFolder
from hotori.edge.release_keeper import RELEASE_LABEL
from hotori.images.build_cache import BuildCache
from hotori.images.builder import build_image
from hotori.images.client import RegistryClient
from hotori.images.recipe import FolderLayer, ImageRecipe
from hotori.model.identity import EDGE_AGENT
from hotori.model.image_reference import ImageReference
from hotori.model.json import JsonObject
from hotori.reconcile.release import INSTALLED
from hotori.runtimes.host import host_platform
from hotori.testing.addresses import loopback_address
from tests.edge.test_with_cloud import a_module
from tests.edge.test_with_cloud import edge as edge_without_launcher
from tests.edge.whole_cloud import WholeCloud, whole_cloud

pytestmark = pytest.mark.timeout(240)
AGENT = f"edge-1/modules/{EDGE_AGENT}"
LEFT_OUT = ("__pycache__", "portal", "vision", "cloud", "modules", "solution", "testing")
PACKAGES_HERE = f"import sys\nsys.path.append({sysconfig.get_paths()['purelib']!r})\n"
"""The packages that a release brings along are here those of the tests' own environment."""

NEVER_HEALTHY = """
async def _silent(self, loop, line):
    await asyncio.sleep(1e6)


TrialReport._tell = _silent
"""


@dataclass
class Workshop:
    """Makes releases from the source under test; a fault is text added to one of its files."""

    folder: Path
    made: int = 0

    async def push(self, cloud: WholeCloud, version: str, faults: dict[str, str] | None = None) -> ImageReference:
        source = self.folder / f"{version}-{self.made}"
        self.made += 1
        await asyncio.to_thread(self._write, source, version, faults or {})
        recipe = ImageRecipe(
            host_platform(), (FolderLayer(source, "/packages/hotori"),), (), labels={RELEASE_LABEL: version}
        )
        return await publish(cloud, recipe, self.folder)

    def _write(self, source: Path, version: str, faults: dict[str, str]) -> None:
        shutil.copytree(Path(hotori.__file__).parent, source, ignore=shutil.ignore_patterns(*LEFT_OUT))
        (source / "__init__.py").write_text(f'{PACKAGES_HERE}__version__ = "{version}"\n')
        for name, text in faults.items():
            with (source / name).open("a") as file:
                file.write(text)


async def publish(cloud: WholeCloud, recipe: ImageRecipe, folder: Path) -> ImageReference:
    image = await build_image(recipe, BuildCache(folder / "cache"))
    reference = ImageReference(cloud.connection.registry_address, "hotori-edge", "test")
    async with RegistryClient(reference.registry, cloud.credential, cloud.connection.ca) as client:
        return reference.pinned(await client.push(image, reference))


@dataclass
class LaunchedEdge:
    """A launcher with what it runs, in a process group of its own."""

    folder: Path
    process: asyncio.subprocess.Process
    lines: list[str] = field(default_factory=list)

    async def said(self, words: str) -> None:
        """Wait until it has written this."""
        async with asyncio.timeout(60):
            while not any(words in line for line in self.lines):
                assert self.process.returncode is None, "\n".join(self.lines)
                await asyncio.sleep(0.01)

    def cut_the_power(self) -> None:
        """Everything ends at once."""
        os.killpg(self.process.pid, signal.SIGKILL)

    async def read(self) -> None:
        assert self.process.stderr is not None
        async for line in self.process.stderr:
            self.lines.append(line.decode(errors="replace").rstrip())


@asynccontextmanager
async def launched(folder: Path, address: str, *options: str) -> AsyncIterator[LaunchedEdge]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "hotori.cli", "edge", "launch", "--healthy-within", "12", "--attempts", "2"),
        *("--offline-after", "1", "--data", str(folder / "edge-1"), "--enrolment", str(folder / "edge-1.json")),
        *("--listen", address, "--no-metrics", *options),
        start_new_session=True,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    edge = LaunchedEdge(folder, process)
    reading = asyncio.create_task(edge.read())
    try:
        yield edge
    finally:
        if process.returncode is None:
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), 30)
        finally:
            with_suppressed_kill(process.pid)
            reading.cancel()


def with_suppressed_kill(group: int) -> None:
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        return


async def ask(cloud: WholeCloud, image: object, version: str = "", modules: dict[str, Any] | None = None) -> None:
    """Name a release in the device's deployment."""
    own = {"type": "docker", "settings": {"image": str(image), "createOptions": "{}"}, "version": version}
    agent = {
        "schemaVersion": "1.1",
        "runtime": {"type": "docker", "settings": {}},
        "systemModules": {"edgeAgent": own},
        "modules": modules or {},
    }
    content = {"$edgeAgent": agent, "$edgeHub": {"schemaVersion": "1.1", "routes": {}}}
    document = {"modulesContent": {name: {"properties.desired": desired} for name, desired in content.items()}}
    (await cloud.client.post("/devices/edge-1/applyConfigurationContent", json=document)).raise_for_status()


async def reported(cloud: WholeCloud, fits: Callable[[Any], bool]) -> Any:
    values: Any = {}
    try:
        async with asyncio.timeout(90):
            while True:
                answer = await cloud.client.get(f"/twins/{AGENT}")
                values = answer.raise_for_status().json()["properties"]["reported"]
                if values.get("program") and fits(values):
                    return values
                await asyncio.sleep(0.2)
    except TimeoutError:
        raise AssertionError(values) from None


def runs(image: ImageReference) -> Callable[[Any], bool]:
    """It runs there, is confirmed, and the deployment counts as done."""
    return lambda values: (
        values["program"]["running"] == image.digest
        and values["program"]["state"] == "current"
        and values["lastDesiredStatus"]["code"] == 200
    )


def in_state(state: str) -> Callable[[Any], bool]:
    return lambda values: values["program"]["state"] == state


def codes(values: Any) -> list[str]:
    return [problem["code"] for problem in values.get("problems") or ()]


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    return Workshop(tmp_path_factory.mktemp("workshop"))


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[WholeCloud]:
    async with whole_cloud(tmp_path, loopback_address()) as found:
        ticket = await found.enrol("edge-1")
        ticket.write(tmp_path / "edge-1.json")
        yield found


async def test_a_device_takes_the_version_that_its_deployment_names_and_keeps_it(
    cloud: WholeCloud, workshop: Workshop, tmp_path: Path
) -> None:
    """3.2: the image of edgeAgent, by its digest"""
    address = loopback_address()
    first, second = await workshop.push(cloud, "7.0.1"), await workshop.push(cloud, "7.0.2")
    sleeper = await cloud.images.publish({"main.py": "import time\ntime.sleep(600)\n"})
    modules = {"sleeper": a_module(sleeper)}
    async with launched(tmp_path, address) as edge:
        await ask(cloud, first, modules=modules)
        told = await reported(cloud, runs(first))
        assert (told["version"]["version"], told["program"]["previous"]) == ("7.0.1", "installed")
        assert told["systemModules"]["edgeAgent"]["settings"]["imageHash"] == first.digest
        await ask(cloud, second, modules=modules)  # from a version on trial, whose launcher waits for it
        told = await reported(cloud, runs(second))
        assert (told["version"]["version"], told["program"]["previous"]) == ("7.0.2", first.digest)
        assert codes(told) == []
        await reported(cloud, lambda values: values["modules"]["sleeper"]["runtimeStatus"] == "running")
    assert edge.process.returncode == 0
    async with launched(tmp_path, address):  # the launcher becomes the version in force
        await ask(cloud, first, "back")
        told = await reported(cloud, runs(first))
    assert told["version"]["version"] == "7.0.1"
    folder = ReleaseFolder(tmp_path / "edge-1")
    assert (folder.read().current, folder.read().previous) == (first.digest, second.digest)


async def test_a_version_that_cannot_start_is_taken_back_and_the_reason_reported(
    cloud: WholeCloud, workshop: Workshop, tmp_path: Path
) -> None:
    bad = await workshop.push(cloud, "7.1.0", {"edge/main.py": "\nimport a_module_that_is_missing\n"})
    async with launched(tmp_path, loopback_address()) as edge:
        await ask(cloud, bad)
        told = await reported(cloud, in_state("failed"))
        assert sum("attempt" in line for line in edge.lines) == 2
        assert told["program"]["running"] == "installed"
        assert told["program"]["lastFailure"]["outcome"] == "ended"
        assert told["lastDesiredStatus"]["code"] == 500
        assert codes(told) == ["release-failed"]
        assert any("a_module_that_is_missing" in line for line in told["problems"][0]["evidence"])
        good = await workshop.push(cloud, "7.1.1")
        await ask(cloud, good)
        assert codes(await reported(cloud, runs(good))) == []


async def test_a_version_that_runs_and_is_not_healthy_in_time_is_taken_back(
    cloud: WholeCloud, workshop: Workshop, tmp_path: Path
) -> None:
    bad = await workshop.push(cloud, "7.2.0", {"edge/trial.py": NEVER_HEALTHY})
    async with launched(tmp_path, loopback_address()) as edge:
        await ask(cloud, bad)
        told = await reported(cloud, in_state("failed"))
        assert told["program"]["lastFailure"]["outcome"] == "silent"
        assert sum("attempt" in line for line in edge.lines) == 1, "what hangs is not started again"
        await ask(cloud, bad, "again")
        await edge.said("attempt 1")
        trying = await reported(cloud, in_state("trying"))
        assert trying["lastDesiredVersion"] == 0, "nobody may take the deployment as done before its version is"


async def test_what_is_broken_from_the_start_is_found_before_anything_is_switched(
    cloud: WholeCloud, workshop: Workshop, tmp_path: Path
) -> None:
    bad = await workshop.push(cloud, "7.3.0", {"cli/edge.py": "\nimport a_module_that_is_missing\n"})
    async with launched(tmp_path, loopback_address()) as edge:
        await ask(cloud, bad)
        told = await reported(cloud, lambda values: codes(values) != [])
    assert codes(told) == ["release-not-one"]
    assert any("a_module_that_is_missing" in line for line in told["problems"][0]["evidence"])
    assert not any("trying" in line for line in edge.lines)


async def test_an_image_that_is_no_release_is_left_alone_and_the_deployment_is_done(
    cloud: WholeCloud, workshop: Workshop, tmp_path: Path
) -> None:
    here = await asyncio.to_thread(Path(__file__).resolve)
    module = await publish(cloud, ImageRecipe(host_platform(), (FolderLayer(here, "/main.py"),), ()), workshop.folder)
    async with launched(tmp_path, loopback_address()):
        await ask(cloud, module)
        told = await reported(cloud, lambda values: codes(values) != [])
        done = await reported(cloud, lambda values: values["lastDesiredStatus"]["code"] == 200)
    assert codes(told) == ["release-not-one"]
    assert done["program"]["running"] == "installed"


async def test_an_image_by_tag_is_left_alone(cloud: WholeCloud, tmp_path: Path) -> None:
    """Manifests that were written for others name other agents."""
    async with launched(tmp_path, loopback_address()):
        await ask(cloud, "mcr.example.com/azureiotedge-agent:1.5")
        told = await reported(cloud, lambda values: values["lastDesiredStatus"]["code"] == 200)
    assert (codes(told), told["program"]["wanted"]) == ([], "")


async def test_a_digest_that_the_registry_lacks_and_a_damaged_layer_are_named_and_tried_again(
    cloud: WholeCloud, workshop: Workshop, tmp_path: Path
) -> None:
    image = await workshop.push(cloud, "7.4.0")
    async with launched(tmp_path, loopback_address()):
        await ask(cloud, image.pinned("sha256:" + "0" * 64))
        told = await reported(cloud, lambda values: codes(values) != [])
        assert codes(told) == ["image-not-found"]
        assert told["program"]["nextAttemptTimeUtc"]
        layers = sorted((tmp_path / "cloud" / "images").rglob("*"), key=lambda path: -path.stat().st_size)
        blob = next(path for path in layers if path.is_file())
        content = bytearray(await asyncio.to_thread(blob.read_bytes))
        content[len(content) // 2] ^= 1
        await asyncio.to_thread(blob.write_bytes, bytes(content))
        await ask(cloud, image)
        told = await reported(cloud, lambda values: "image-damaged" in codes(values))
    assert told["program"]["running"] == "installed"
    assert ReleaseFolder(tmp_path / "edge-1").present() == frozenset()


async def test_a_full_disk_is_named_and_the_device_goes_on(
    cloud: WholeCloud, workshop: Workshop, tmp_path: Path, small_disk: Path
) -> None:
    image = await workshop.push(cloud, "7.5.0")
    folder = ReleaseFolder(tmp_path / "edge-1")
    await asyncio.to_thread(folder.root.mkdir, parents=True)
    folder.store.symlink_to(small_disk)
    async with launched(tmp_path, loopback_address()):
        await ask(cloud, image)
        told = await reported(cloud, lambda values: codes(values) != [])
    assert codes(told) == ["disk-full"]
    assert told["program"]["running"] == "installed"


async def test_a_program_without_a_launcher_says_that_it_cannot(
    cloud: WholeCloud, workshop: Workshop, tmp_path: Path
) -> None:
    image = await workshop.push(cloud, "7.6.0")
    ticket = await asyncio.to_thread(EnrolmentFile.read, tmp_path / "edge-1.json")
    async with edge_without_launcher(tmp_path, loopback_address(), ticket):
        await ask(cloud, image)
        told = await reported(cloud, lambda values: codes(values) != [])
    assert codes(told) == ["release-without-launcher"]


@pytest.mark.parametrize(
    ("moment", "after"),
    [
        ("switches to", 0.0),
        ("switches to", 0.4),
        ("trying", 0.0),
        ("trying", 0.5),
        ("trying", 1.0),
        ("is healthy", 0.0),
    ],
)
async def test_a_power_cut_at_any_step_leaves_a_device_that_works_and_gets_there(
    cloud: WholeCloud, workshop: Workshop, tmp_path: Path, moment: str, after: float
) -> None:
    address, image = loopback_address(), await workshop.push(cloud, "7.7.0")
    async with launched(tmp_path, address) as edge:
        await ask(cloud, image)
        await edge.said(moment)
        await asyncio.sleep(after)
        edge.cut_the_power()
    async with launched(tmp_path, address):
        told = await reported(cloud, runs(image))
    assert (told["version"]["version"], codes(told)) == ("7.7.0", [])


async def test_a_power_cut_while_it_is_fetched_costs_nothing(
    cloud: WholeCloud, workshop: Workshop, tmp_path: Path
) -> None:
    address, image = loopback_address(), await workshop.push(cloud, "7.8.0")
    store = ReleaseFolder(tmp_path / "edge-1").store
    async with launched(tmp_path, address) as edge:
        await ask(cloud, image)
        async with asyncio.timeout(60):
            while not (store / "partial").exists() and not (store / "layers").exists():
                await asyncio.sleep(0.002)
        edge.cut_the_power()
    async with launched(tmp_path, address):
        await reported(cloud, runs(image))


async def test_a_program_whose_launcher_is_killed_ends_and_the_next_launcher_goes_on(
    cloud: WholeCloud, workshop: Workshop, tmp_path: Path
) -> None:
    address, image = loopback_address(), await workshop.push(cloud, "7.9.0")
    async with launched(tmp_path, address) as edge:
        await ask(cloud, image)
        await edge.said("is healthy")
        os.kill(edge.process.pid, signal.SIGKILL)
        await edge.process.wait()
        async with launched(tmp_path, address):
            await reported(cloud, lambda values: runs(image)(values) and values["program"]["state"] == "current")


def test_behind_another_edge_device_the_version_comes_through_it() -> None:
    """11.4: `$upstream:PORT` is the parent, which hands images through"""
    image = "$upstream:443/hotori-edge@sha256:" + "a" * 64
    desired: JsonObject = {
        "schemaVersion": "1.1",
        "runtime": {"type": "docker", "settings": {}},
        "systemModules": {"edgeAgent": {"type": "docker", "settings": {"image": image}}},
        "modules": {},
    }
    config = Deployment.read(desired, 1, "edge-0.example.net").config
    assert config is not None
    assert config.agent_image == "edge-0.example.net:443/hotori-edge@sha256:" + "a" * 64


async def test_a_version_comes_up_without_its_cloud_where_nobody_answers(workshop: Workshop, tmp_path: Path) -> None:
    address, hub = loopback_address(), loopback_address()
    async with whole_cloud(tmp_path, hub) as cloud:
        (await cloud.enrol("edge-1")).write(tmp_path / "edge-1.json")
        image = await workshop.push(cloud, "7.10.0")
        async with launched(tmp_path, address) as edge:
            await ask(cloud, image)
            await edge.said("switches to")
            edge.cut_the_power()
    async with launched(tmp_path, address) as edge:
        await edge.said("is healthy")
    assert ReleaseFolder(tmp_path / "edge-1").read().current == image.digest


async def test_whoever_ends_a_device_during_a_trial_costs_the_version_nothing(
    cloud: WholeCloud, workshop: Workshop, tmp_path: Path
) -> None:
    image = await workshop.push(cloud, "7.11.0", {"edge/trial.py": NEVER_HEALTHY})
    async with launched(tmp_path, loopback_address()) as edge:
        await ask(cloud, image)
        await edge.said("attempt 1")
    state = ReleaseFolder(tmp_path / "edge-1").read()
    assert (state.current, state.candidate, state.attempts, state.failed) == (INSTALLED, image.digest, 0, None)


def test_a_state_that_cannot_be_read_means_the_installed_program(tmp_path: Path) -> None:
    folder = ReleaseFolder(tmp_path)
    folder.root.mkdir()
    (folder.root / "state.json").write_bytes(b"\0" * 40)
    assert folder.read().current == INSTALLED
