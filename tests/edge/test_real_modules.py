"""The agent with real processes from real images: what people meet is named by its cause."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from hotori.edge.agent import Agent, AgentParts
from hotori.edge.agent_memory import MemoryStore
from hotori.edge.deployment import DeploymentStore
from hotori.edge.module_environment import Surroundings
from hotori.edge.scope import ScopeDirectory
from hotori.edge.workload import WorkloadSources
from hotori.edge.workload_sockets import WorkloadSockets, socket_folder
from hotori.images.image_store import ImageStore
from hotori.model.json import JsonObject
from hotori.model.platform import Platform
from hotori.model.secret import Secret
from hotori.reconcile.restart import RestartRules
from hotori.runtimes.process import ProcessRuntime
from hotori.store.memory import MemoryRecords
from hotori.testing.registry_server import TinyImages, registry_server
from tests.edge.parts import DEVICE, KEY, PEM, Clock, Cloud, a_key


@dataclass
class Bench:
    """A registry, and an agent that runs."""

    images: TinyImages
    agent: Agent
    reports: list[Any]
    came: asyncio.Event

    async def until(self, status: str) -> Any:
        """The module's entry in the first report in which it has this status and nothing is being done."""
        async with asyncio.timeout(20):
            while True:
                await self.came.wait()
                self.came.clear()
                entry = self.reports[-1]["modules"].get("tiny", {})
                if entry.get("runtimeStatus") == status and (status == "running" or "problems" in entry):
                    return entry


@asynccontextmanager
async def a_bench(folder: Path) -> AsyncIterator[Bench]:
    async def key_of(module: str) -> Secret:
        return Secret(a_key(module))

    records, runtime = MemoryRecords(), ProcessRuntime(folder / "runtime", ImageStore(folder / "images"))
    scope = ScopeDirectory(DEVICE, KEY, Cloud("tiny"), records, Clock())
    await scope.refresh()
    async with registry_server(folder / "registry") as registry:
        parts = AgentParts(
            around=Surroundings(DEVICE.device, "hub.example.net", "127.0.0.1"),
            runtime=runtime,
            scope=scope,
            sockets=WorkloadSockets(socket_folder(folder), WorkloadSources(key_of, PEM, b"s" * 32)),
            store=DeploymentStore(records),
            memories=MemoryStore(records),
            clock=time.time,
            rules=RestartRules(unit=0.2),
            look=0.1,
        )
        reports: list[Any] = []
        came = asyncio.Event()

        def publish(report: JsonObject) -> None:
            reports.append(report)
            came.set()

        bench = Bench(TinyImages(registry.address, folder / "sources"), Agent(parts, publish), reports, came)
        running = asyncio.create_task(bench.agent.run())
        yield bench
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await bench.agent.close(grace=1.0)
        await runtime.close()


def deployment(image: object, **env: str) -> JsonObject:
    return {
        "schemaVersion": "1.1",
        "runtime": {"type": "docker", "settings": {}},
        "systemModules": {},
        "modules": {
            "tiny": {
                "type": "docker",
                "status": "running",
                "restartPolicy": "always",
                "settings": {"image": str(image)},
                "env": {name: {"value": value} for name, value in env.items()},
            }
        },
    }


FAULTY = [
    ("import nothing_of_that_name\n", "module-import-error", {"package": "nothing_of_that_name"}),
    ("import os\nos.environ['CAMERA_ADDRESS']\n", "module-missing-environment", {"variable": "CAMERA_ADDRESS"}),
    ("open('/dev/video99')\n", "module-device-missing", {"device": "/dev/video99"}),
    ("import socket\nsocket.create_connection(('127.0.0.1', 1))\n", "module-connection-refused", {}),
    ("print('farewell')\nraise SystemExit(3)\n", "module-crashed", {"status": "3"}),
    ("import os\nos.abort()\n", "module-segfault", {"signal": "SIGABRT"}),
]


@pytest.mark.parametrize(("script", "code", "values"), FAULTY, ids=[code for _, code, _ in FAULTY])
async def test_a_module_that_ends_is_explained(tmp_path: Path, script: str, code: str, values: dict[str, str]) -> None:
    async with a_bench(tmp_path) as bench:
        bench.agent.deploy(deployment(await bench.images.publish({"main.py": script})), 1)
        entry = await bench.until("backoff")

    problem = entry["problems"][0]
    assert problem["code"] == code
    for value in values.values():
        assert value in f"{problem['title']} {problem['cause']}"
    assert problem["evidence"]


@pytest.mark.parametrize(
    ("files", "entrypoint", "code"),
    [
        ({"run": b"echo hello\n"}, ("/app/run",), "module-script-without-interpreter"),
        ({"main.py": ""}, ("/app/nowhere",), "module-program-missing"),
        ({"run": b"#!/no/such/interpreter\n"}, ("/app/run",), "module-interpreter-missing"),
    ],
)
async def test_a_module_that_cannot_be_started_has_one_cause(
    tmp_path: Path, files: dict[str, str | bytes], entrypoint: tuple[str, ...], code: str
) -> None:
    async with a_bench(tmp_path) as bench:
        bench.agent.deploy(deployment(await bench.images.publish(files, entrypoint=entrypoint)), 1)
        entry = await bench.until("backoff")

    assert [problem["code"] for problem in entry["problems"]] == [code]


async def test_an_image_for_another_processor_is_said_before_it_runs(tmp_path: Path) -> None:
    async with a_bench(tmp_path) as bench:
        image = await bench.images.publish({"main.py": ""}, platform=Platform("s390x"))
        bench.agent.deploy(deployment(image), 1)
        entry = await bench.until("backoff")

    assert [problem["code"] for problem in entry["problems"]] == ["image-wrong-platform"]


async def test_a_module_that_was_mended_runs(tmp_path: Path) -> None:
    script = "import os, time\nos.environ['SETTING']\ntime.sleep(60)\n"
    async with a_bench(tmp_path) as bench:
        image = await bench.images.publish({"main.py": script})
        bench.agent.deploy(deployment(image), 1)
        await bench.until("backoff")
        bench.agent.deploy(deployment(image, SETTING="1"), 2)
        entry = await bench.until("running")

    assert entry["restartCount"] == 0
