"""The rows of agent, memory and fleet: each comes to a figure, on a small scale."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from benchmarks import agent, flat, fleet
from hotori.testing.busybox import BUSYBOX

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not BUSYBOX.exists(), reason=f"there is no {BUSYBOX}; tools/system-packages installs it"),
]


async def test_a_manifest_becomes_a_running_process_and_the_device_stands_idle(tmp_path: Path) -> None:
    rows = await agent.measured(tmp_path, agent.Processes(), agent.Effort(modules=2, idle=1.0))
    assert [row.name for row in rows] == ["agent-start-process", "agent-memory-process", "agent-idle-process"]
    assert rows[0].ours > 0
    assert rows[1].ours > 10


@pytest.mark.skipif(shutil.which("gcc") is None, reason="no gcc to compile the load generator with")
async def test_messages_go_through_a_devices_hub_while_its_memory_is_watched() -> None:
    idle, after = await flat.measure(flat.Effort(messages=500, run=1.0, longest=20.0, warm_up=0.5))
    assert (idle.name, after.name) == ("edge-idle-memory", "edge-flat-memory")
    assert after.ours >= idle.ours
    assert int(after.beside.split()[0]) >= 500


async def test_ten_devices_of_a_fleet_get_another_version_in_waves() -> None:
    rows = await fleet.measure(fleet.Size(devices=10, hosts=2, idle=1.0))
    names = ["fleet-rollout-time", "fleet-rollout-cloud", "fleet-cloud-memory", "fleet-cloud-idle"]
    assert [row.name for row in rows] == names
    assert rows[0].ours >= len(fleet.WAVES) * fleet.HEALTHY
