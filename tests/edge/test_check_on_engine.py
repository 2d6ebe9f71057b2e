"""What `hotori edge check` sees of a real engine, and from inside a module of it (FAILURES.md D13, D19, D35)."""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path

import pytest

from hotori.edge.check.engine_checks import EngineChecks
from hotori.edge.module_engine import ModuleEngine
from hotori.images.image import Layer
from hotori.problems import Problem
from hotori.runtimes.docker import DockerRuntime, DockerSettings
from hotori.runtimes.engine import Engine
from hotori.runtimes.module_runtime import ModuleLaunch
from hotori.testing.engines import TestEngine
from hotori.testing.registry_server import TinyImages, registry_server
from hotori.testing.runtime_suite import WAITS
from tests.engine_fixtures import PORT, remove_all

NETWORK = "edge-check"
NOBODY = "nobody.invalid"


@pytest.mark.parametrize("name", ["docker_engine", "podman_engine"])
async def test_the_engine_and_the_network_of_its_modules_are_looked_at(
    name: str, request: pytest.FixtureRequest, tmp_path: Path, registry_address: str, base: Layer
) -> None:
    engine: TestEngine = request.getfixturevalue(name)
    if os.getuid() != 0 or shutil.which("nsenter") is None:
        pytest.skip("looking into a module's network needs root and nsenter")
    checks = EngineChecks(ModuleEngine(engine.address, NETWORK), "edge-1")
    runtime = DockerRuntime(Engine(engine.address), DockerSettings("edge-1", tmp_path / "runtime", NETWORK))
    async with registry_server(tmp_path / "registry", address=registry_address, port=PORT) as registry:
        image = await TinyImages(registry.address, tmp_path / "sources", base=base).script(WAITS)
        await runtime.pull(image, None)
    gateway = await runtime.gateway()
    nobody_there = await checks.network("198.51.100.1", 8883)
    await runtime.create(ModuleLaunch("camera", image, {}))
    await runtime.start("camera")
    async with await asyncio.start_server(lambda _, writer: writer.close(), gateway, 0) as hub:
        port = hub.sockets[0].getsockname()[1]
        reached = await checks.network("198.51.100.1", port)
        with pytest.raises(Problem) as nameless:
            await checks.network(NOBODY, port)
    with pytest.raises(Problem) as shut:
        await checks.network("198.51.100.1", port)
    version, room = await checks.version(), await checks.room()
    try:
        packets = await checks.way_out()
    except Problem as problem:  # as it may be where this test runs
        packets = problem.title()
    await runtime.close()
    await remove_all(engine)

    assert NETWORK in packets
    assert "1500" in packets
    assert nobody_there.endswith("no module runs that could be looked into")
    assert reached.endswith("camera reaches the hub")
    assert (shut.value.code, shut.value.values["address"]) == ("hub-shut-to-modules", f"{gateway}:{port}")
    assert (nameless.value.code, nameless.value.values["name"]) == ("modules-without-names", NOBODY)
    assert version.startswith(engine.name)
    assert room.endswith("free")
