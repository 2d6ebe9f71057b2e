"""The edge program is replaced by another version of it, and its containers do not notice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hotori.images.image import Layer
from hotori.runtimes.engine import Engine
from hotori.testing.addresses import loopback_address
from hotori.testing.engines import TestEngine
from hotori.testing.registry_server import TinyImages
from tests.edge.test_releases import Workshop, ask, launched, reported, runs
from tests.edge.test_with_cloud import a_module
from tests.edge.whole_cloud import whole_cloud
from tests.engine_fixtures import remove_all

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]
RUNS_ON = "trap 'exit 0' TERM\nwhile :; do sleep 1 & wait; done\n"


async def containers(engine: TestEngine) -> list[tuple[Any, Any]]:
    """Each one's id and when it was started."""
    connection = Engine(engine.address)
    try:
        found = []
        for entry in await connection.get("containers/json", all="true"):
            seen = await connection.get(f"containers/{entry['Id']}/json")
            found.append((seen["Id"], seen["State"]["StartedAt"]))
        return found
    finally:
        await connection.close()


async def test_a_container_runs_on_while_the_program_is_replaced(
    tmp_path: Path, docker_engine: TestEngine, base: Layer
) -> None:
    async with whole_cloud(tmp_path, loopback_address()) as cloud:
        (await cloud.enrol("edge-1")).write(tmp_path / "edge-1.json")
        registry = TinyImages(cloud.connection.registry_address, tmp_path / "sources", cloud.credential, base)
        modules = {"steady": a_module(await registry.script(RUNS_ON))}
        workshop = Workshop(tmp_path)
        first, second = await workshop.push(cloud, "9.0.1"), await workshop.push(cloud, "9.0.2")
        options = ("--runtime", "docker", "--docker-host", docker_engine.address, "--network", "edge-release")
        try:
            async with launched(tmp_path, "", *options, "--name", "edge-1.local"):
                await ask(cloud, first, modules=modules)
                await reported(cloud, runs(first))
                await reported(cloud, lambda values: values["modules"]["steady"]["runtimeStatus"] == "running")
                before = await containers(docker_engine)
                await ask(cloud, second, modules=modules)
                told = await reported(cloud, runs(second))
                after = await containers(docker_engine)
        finally:
            await remove_all(docker_engine)
    assert len(before) == 1
    assert before == after
    assert told["modules"]["steady"]["runtimeStatus"] == "running"
