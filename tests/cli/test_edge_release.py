"""Versions of the edge program by the commands that people type: packed, pushed, asked for, and what became of them."""

import asyncio
import hashlib
import shutil
from pathlib import Path

import pytest

import hotori
from hotori.model.image_reference import ImageReference
from hotori.testing.addresses import loopback_address
from hotori.testing.wheels import make_wheel
from tests.cli.test_device_certificate import hotori as command
from tests.edge.test_releases import LEFT_OUT, PACKAGES_HERE, launched
from tests.edge.whole_cloud import whole_cloud

pytestmark = pytest.mark.timeout(240)


def write_source(folder, version, more=""):
    """The source under test as another version, and a lock with a wheel that no index has."""
    source, wheels = folder / version, folder / "wheels"
    shutil.copytree(Path(hotori.__file__).parent, source, ignore=shutil.ignore_patterns(*LEFT_OUT))
    (source / "__init__.py").write_text(f'{PACKAGES_HERE}import tiny\n__version__ = "{version}"\n')
    with (source / "edge" / "main.py").open("a") as file:
        file.write(more)
    wheels.mkdir(exist_ok=True)
    digest = hashlib.sha256(make_wheel(wheels).read_bytes()).hexdigest()
    (folder / "device.lock").write_text(f"tiny==1.0 --hash=sha256:{digest}\n")
    return ["--package", str(source), "--lock", str(folder / "device.lock"), "--wheels", str(wheels)]


async def test_a_release_is_pushed_without_an_index_and_a_device_runs_it_or_says_why_not(tmp_path: Path):
    async with whole_cloud(tmp_path, loopback_address()) as cloud:
        (await cloud.enrol("edge-1")).write(tmp_path / "edge-1.json")
        words = await asyncio.to_thread(write_source, tmp_path, "8.0.0")
        pushed = await command(tmp_path, "edge", "release", "push", *words)
        assert (pushed[0], pushed[1]["version"]) == (0, "8.0.0")
        digest = ImageReference.parse(pushed[1]["image"]).digest
        tag = f"{cloud.connection.registry_address}/hotori-edge:8.0.0"
        async with launched(tmp_path, loopback_address()):
            updated = await command(tmp_path, "edge", "update", "edge-1", tag)
            assert updated[0] == 0, updated
            assert (updated[1]["state"], updated[1]["image"]) == ("current", pushed[1]["image"])
            twin = (await cloud.client.get("/twins/edge-1/modules/$edgeAgent")).json()["properties"]["reported"]
            assert (twin["version"]["version"], twin["program"]["running"]) == ("8.0.0", digest)
            bad = await asyncio.to_thread(write_source, tmp_path, "8.0.1", "\nraise SystemExit('not today')\n")
            broken = await command(tmp_path, "edge", "release", "push", *bad)
            status, told = await command(tmp_path, "edge", "update", "edge-1", broken[1]["image"])
    assert (status, told["problem"]["code"]) == (1, "release-failed")
    assert "not today" in " ".join(told["problem"]["evidence"])


async def test_an_image_that_is_not_there_is_named_before_the_device_is_asked(tmp_path: Path):
    async with whole_cloud(tmp_path, loopback_address()) as cloud:
        await cloud.enrol("edge-1")
        tag = f"{cloud.connection.registry_address}/hotori-edge:9.9.9"
        status, told = await command(tmp_path, "edge", "update", "edge-1", tag)
    assert (status, told["problem"]["code"]) == (1, "image-not-found")


async def test_a_folder_that_is_no_package_is_named(tmp_path: Path):
    async with whole_cloud(tmp_path, loopback_address()):
        status, told = await command(tmp_path, "edge", "release", "push", "--package", str(tmp_path))
    assert (status, told["problem"]["code"]) == (1, "file-unreadable")
