"""The quickstart's programs, run as they are, beside a real hub."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hotori.model.identity import Identity
from hotori.testing.addresses import loopback_address
from hotori.testing.small_hub import BookDirectory, SmallHub
from tests.modules.programs import eventually

QUICKSTART = Path(__file__).resolve().parents[2] / "examples" / "quickstart"
DEVICE = Identity("thermometer")


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[SmallHub]:
    async with SmallHub(tmp_path / "cloud", loopback_address(), BookDirectory("thermometer")) as hub:
        yield hub


@pytest.fixture(params=["thermometer_azure.py", "thermometer_hotori.py"])
async def thermometer(request: pytest.FixtureRequest, hub: SmallHub) -> AsyncIterator[asyncio.subprocess.Process]:
    assert hub.authority is not None
    environ = {"DEVICE_CONNECTION_STRING": hub.connection_string(DEVICE), "HUB_CA": str(hub.authority.certificate)}
    command = [sys.executable, str(QUICKSTART / request.param)]
    process = await asyncio.create_subprocess_exec(*command, env={**os.environ, **environ})
    yield process
    process.kill()
    await process.wait()


async def readings(hub: SmallHub) -> AsyncIterator[float]:
    async for event in hub.events.subscribe("earliest"):
        assert event.message.content_type == "application/json"
        yield json.loads(event.message.body)["temperature"]


async def test_it_sends_temperatures_takes_a_pace_and_answers_a_method(
    hub: SmallHub, thermometer: asyncio.subprocess.Process
) -> None:
    async def reports() -> object:
        return (await hub.hub.twins.get(DEVICE)).reported.values.get("interval")

    assert await eventually(reports) == 2.0
    await hub.hub.twins.patch_desired(DEVICE, {"interval": 0.05})

    async def reports_the_new_pace() -> bool:
        return await reports() == 0.05

    await eventually(reports_the_new_pace)
    seen: list[float] = []
    async with asyncio.timeout(20):
        async for reading in readings(hub):
            seen.append(reading)
            if len(seen) == 5:
                break
    assert seen[0] == 20.0
    assert seen == sorted(seen)
    assert (await hub.hub.methods.invoke(DEVICE, "reset", None)).status == 200
    assert (await hub.hub.methods.invoke(DEVICE, "explode", None)).status == 404
    assert thermometer.returncode is None
