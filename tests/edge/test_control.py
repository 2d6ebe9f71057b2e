"""The socket for people on the device itself."""

from __future__ import annotations

import io
import zipfile
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hotori.cli.edge_control import describe
from hotori.edge.control import SOCKET, Control
from hotori.edge.support_bundle import BundleSources
from hotori.problems import Problem
from hotori.sdk.control import ControlClient
from tests.edge.parts import Cloud, Device, manifest


@pytest.fixture
async def device(tmp_path: Path) -> AsyncIterator[Device]:
    async with Device(tmp_path, Cloud("camera")) as device:
        device.agent.deploy(manifest("camera"), 1)
        await device.settle()
        device.runtime.write("camera", "one\ntwo\n")
        yield device


@pytest.fixture
async def client(device: Device, tmp_path: Path) -> AsyncIterator[ControlClient]:
    control = Control(device.agent, device.runtime, BundleSources(device.runtime, {}), device.clock)
    async with control.server(tmp_path), ControlClient(tmp_path / SOCKET) as client:
        yield client


async def test_modules_are_listed_as_they_are_reported(client: ControlClient, device: Device) -> None:
    await device.settle()
    (module,) = await client.modules()
    assert (module["name"], module["runtimeStatus"]) == ("camera", "running")
    assert (await client.report())["lastDesiredVersion"] == 1


async def test_logs_are_read_and_filtered(client: ControlClient) -> None:
    assert await client.logs("camera") == "one\ntwo\n"
    assert await client.logs("camera", tail="1") == "two\n"


async def test_a_module_is_restarted(client: ControlClient, device: Device) -> None:
    await client.restart("camera")
    assert device.runtime.verbs[-2:] == ["stop camera", "start camera"]


async def test_what_cannot_be_is_told_as_a_problem(client: ControlClient, tmp_path: Path) -> None:
    with pytest.raises(Problem) as met:
        await client.restart("nobody")
    assert met.value.code == "module-unknown"
    with pytest.raises(Problem) as met:
        await client.logs("camera", since="yesterday or so")
    assert met.value.code == "request-malformed"
    async with ControlClient(tmp_path / "nothing") as nobody:
        with pytest.raises(Problem) as met:
            await nobody.modules()
    assert met.value.code == "device-not-running"


async def test_only_the_owner_can_open_the_socket(client: ControlClient, tmp_path: Path) -> None:
    assert (tmp_path / SOCKET).stat().st_mode & 0o777 == 0o600


async def test_a_bundle_is_fetched(client: ControlClient) -> None:
    with zipfile.ZipFile(io.BytesIO(await client.support_bundle(since="1 day"))) as bundle:
        assert "logs/camera_log.txt" in bundle.namelist()


@pytest.mark.parametrize(
    ("report", "words"),
    [
        ({"runtimeStatus": "running", "lastStartTimeUtc": "2026-01-01T00:00:00Z"}, "Up 5 minutes"),
        ({"runtimeStatus": "stopped", "lastExitTimeUtc": "2025-12-31T22:04:00Z"}, "Stopped 2 hours ago"),
        (
            {"runtimeStatus": "failed", "exitCode": 1, "lastExitTimeUtc": "2026-01-01T00:04:59Z"},
            "Failed (1) 1 seconds ago",
        ),
        ({"runtimeStatus": "running", "lastStartTimeUtc": "2025-12-31T00:00:00Z"}, "Up 1 day"),
        ({"runtimeStatus": "unknown"}, "Unknown"),
    ],
)
def test_the_description_has_the_words_of_the_contract(report: dict[str, object], words: str) -> None:
    """8.1"""
    assert describe(report, datetime(2026, 1, 1, 0, 5, tzinfo=UTC)) == words  # type: ignore[arg-type]
