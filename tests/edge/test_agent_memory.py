"""What an agent remembers across its own restarts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hotori.edge.agent_memory import AgentMemory, MemoryStore
from hotori.edge.deployment import Deployment, DeploymentStore
from hotori.reconcile.restart import RestartRules, RestartState
from hotori.store.memory import MemoryRecords
from tests.edge.parts import Cloud, Device, image, manifest


def module(report: Any, name: str) -> Any:
    return report["modules"][name]


def codes(document: Any) -> list[str]:
    return [problem["code"] for problem in document.get("problems", ())]


async def test_restart_counts_and_last_errors_survive_a_restart_of_the_agent(tmp_path: Path) -> None:
    cloud = Cloud("camera", "uploader")
    async with Device(tmp_path, cloud) as device:
        del device.runtime.registry[image("uploader")]
        device.agent.deploy(manifest("camera", "uploader"), 1)
        await device.settle()
        for _ in range(3):
            device.runtime.write("camera", "ModuleNotFoundError: No module named 'cv2'\n")
            device.runtime.end("camera", 1)
            device.clock.now += 300
            before: Any = await device.settle()

    async with Device(tmp_path, cloud, device.records) as again:
        again.clock.now = device.clock.now + 1
        del again.runtime.registry[image("uploader")]
        await again.agent.look()
        first: Any = again.reports[-1]
        await again.agent.idle()
        report: Any = await again.settle()

    assert module(before, "camera")["restartCount"] == 3
    assert module(first, "camera")["restartCount"] == 3
    assert codes(module(first, "uploader")) == ["image-not-found"]
    assert module(report, "camera")["restartCount"] == 3
    assert module(report, "camera")["runtimeStatus"] == "running"
    assert report["lastDesiredStatus"]["code"] == 500


async def test_the_wait_after_the_first_attempt_goes_on_where_it_was(tmp_path: Path) -> None:
    cloud = Cloud("camera")
    async with Device(tmp_path, cloud) as device:
        del device.runtime.registry[image("camera")]
        device.agent.deploy(manifest("camera"), 1)
        for _ in range(4):
            await device.settle()
            device.clock.now += 300

    async with Device(tmp_path, cloud, device.records) as again:
        again.clock.now = device.clock.now
        del again.runtime.registry[image("camera")]
        report: Any = await again.settle()

    # The fifth failure: 10 s doubled four times.
    assert module(report, "camera")["nextAttemptTimeUtc"] == "2030-03-17T18:09:20.000Z"


async def test_a_new_deployment_forgets_what_was_held_against_the_old_one(tmp_path: Path) -> None:
    cloud = Cloud("camera")
    async with Device(tmp_path, cloud) as device:
        device.agent.deploy(manifest("camera"), 1)
        await device.settle()
        device.runtime.end("camera", 1)
        device.clock.now += 10
        await device.settle()
        device.agent.deploy(manifest("camera", tag="2"), 2)
        await device.settle()

    kept = AgentMemory()
    await MemoryStore(device.records).load(kept)
    assert (await DeploymentStore(device.records).load()).version == 2
    assert kept.states["camera"].count == 0


async def test_nothing_is_written_where_nothing_changed() -> None:
    records = MemoryRecords()
    store, memory = MemoryStore(records), AgentMemory()
    memory.states["camera"] = RestartState(count=2)
    await store.save(memory)
    await store.save(memory)

    record = await records.get("agent", "memory")
    assert record is not None
    assert record.version == 1


def test_the_first_attempt_after_the_agents_start_waits_for_nothing_and_the_next_one_does() -> None:
    memory = AgentMemory()
    memory.recall({**AgentMemory(states={"camera": RestartState(failures=3, failed_at=1000.0)}).document()})
    fresh = memory.states["camera"]

    assert fresh.next_step(RestartRules()) == 0.0
    assert fresh.step_failed(1001.0).next_step(RestartRules()) == 1081.0


async def test_what_a_deployment_left_behind_is_removed_after_a_restart(tmp_path: Path) -> None:
    cloud = Cloud("camera", "uploader")
    async with Device(tmp_path, cloud) as device:
        device.agent.deploy(manifest("camera", "uploader"), 1)
        await device.settle()
    # As if the agent had ended between writing a deployment down and performing it.
    await DeploymentStore(device.records).save(Deployment.read(manifest("uploader"), 2))

    again = Device(tmp_path, cloud, device.records)
    again.runtime = device.runtime
    async with again:
        await again.settle()

    assert [seen.name for seen in await again.runtime.observe()] == ["uploader"]
