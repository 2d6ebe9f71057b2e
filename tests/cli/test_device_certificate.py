"""Edge devices that the cloud's own authority gives certificates, by the commands that people type."""

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest

from hotori.edge.enrolment import EnrolmentFile
from hotori.testing.addresses import loopback_address
from tests.edge.test_device_certificates import answer_to
from tests.edge.whole_cloud import whole_cloud


async def hotori(folder, *words):
    """What a command answers, and its status."""
    environment = {**os.environ, "HOTORI_CLOUD": str(folder / "cloud"), "HOME": str(folder)}
    program = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "hotori.cli", *words, "--json",
        cwd=folder, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, error = await program.communicate()
    return program.returncode, json.loads(out or error)


async def test_a_device_is_added_with_a_certificate_of_the_cloud_and_given_another_later(tmp_path: Path):
    async with whole_cloud(tmp_path, loopback_address()) as cloud:
        added = await hotori(
            tmp_path, "device", "add", "edge-1", "--edge", "--auth", "x509-ca", "--write", "edge-1.json"
        )
        first = EnrolmentFile.read(tmp_path / "edge-1.json")
        again = await hotori(tmp_path, "device", "certificate", "edge-1", "--write", "again.json")
        second = EnrolmentFile.read(tmp_path / "again.json")
        assert (added[0], again[0], again[1]["device"]) == (0, 0, "edge-1")
        assert first.connection.by_certificate
        assert first.certificate != second.certificate
        assert [await answer_to(cloud, shown.certificate) for shown in (first, second)] == [200, 200]


async def test_the_file_of_a_device_with_a_certificate_of_its_own_has_it(tmp_path: Path):
    async with whole_cloud(tmp_path, loopback_address()) as cloud:
        await hotori(tmp_path, "device", "add", "edge-1", "--edge", "--auth", "x509", "--write", "edge-1.json")
        shown = EnrolmentFile.read(tmp_path / "edge-1.json").certificate
        assert await answer_to(cloud, shown) == 200


@pytest.mark.parametrize(("name", "code"), [("ghost", "device-unknown"), ("by-key", "certificate-request-refused")])
async def test_who_cannot_have_a_certificate_is_named(tmp_path: Path, name: str, code: str):
    async with whole_cloud(tmp_path, loopback_address()) as cloud:
        await cloud.enrol("by-key")
        status, told = await hotori(tmp_path, "device", "certificate", name, "--write", "x.json")
    assert (status, told["problem"]["code"]) == (1, code)
