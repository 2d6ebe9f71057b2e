"""An edge device that fetches its identity on its first start, and starts without a cloud from then on."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hotori.testing.addresses import loopback_address
from hotori.testing.cloud_hub import CloudHub
from tests.provisioning.test_enrolments import KEY, enrol


async def start(arguments: Sequence[str], key: str = KEY.reveal()) -> Any:
    """Run the program until it is ready; what it said then."""
    program = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "hotori.cli",
        *arguments,
        env={"PATH": "/usr/bin:/bin", "HOTORI_PROVISIONING_KEY": key, "PYTHONUNBUFFERED": "1"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert program.stdout is not None
    assert program.stderr is not None
    try:
        async with asyncio.timeout(60):
            line = await program.stdout.readline()
            return json.loads(line or await program.stderr.read())
    finally:
        if program.returncode is None:
            program.terminate()
        await program.communicate()


def arguments(cloud: CloudHub, folder: Path) -> list[str]:
    return [
        *("edge", "run", "--json", "--data", str(folder / "edge"), "--listen", loopback_address(), "--no-metrics"),
        *("--provisioning-host", cloud.address, "--hub-https-port", str(cloud.https_port)),
        *("--id-scope", cloud.provisioning.scope, "--registration-id", "reg-1"),
        *("--ca", str(cloud.authority.certificate)),
    ]


async def test_a_device_provisions_itself_once_and_then_starts_without_a_cloud(tmp_path: Path) -> None:
    async with CloudHub(tmp_path / "cloud", loopback_address()) as cloud:
        await enrol(cloud, "reg-1", deviceId="edge-1", capabilities={"iotEdge": True})
        words = arguments(cloud, tmp_path)
        first = await start(words)
    second = await start(words)
    assert (first["ready"], first["device"]) == (second["ready"], second["device"]) == (True, "edge-1")


async def test_a_device_with_a_wrong_key_is_told_so(tmp_path: Path) -> None:
    async with CloudHub(tmp_path / "cloud", loopback_address()) as cloud:
        await enrol(cloud, "reg-1", deviceId="edge-1", capabilities={"iotEdge": True})
        told = await start(arguments(cloud, tmp_path), key="d3Jvbmc=")
    assert told["problem"]["code"] == "applicant-refused"
    assert not (tmp_path / "edge" / "enrolment.json").exists()
