"""Upkeep on a real engine: health checks are waited for, who fails them is restarted, former images go."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from hotori.edge.device import EdgeRules
from hotori.edge.main import EdgeConfig, run_edge
from hotori.edge.module_engine import ModuleEngine
from hotori.images.image import Layer
from hotori.model.identity import EDGE_AGENT
from hotori.reconcile.image_policy import ImageRules
from hotori.reconcile.restart import RestartRules
from hotori.runtimes.engine import Engine
from hotori.runtimes.engine_pull import pull_image
from hotori.testing.addresses import loopback_address
from hotori.testing.engines import TestEngine
from hotori.testing.registry_server import TinyImages
from hotori.testing.runtime_suite import WAITS
from tests.edge.test_with_cloud import a_module
from tests.edge.whole_cloud import whole_cloud
from tests.engine_fixtures import remove_all

pytestmark = pytest.mark.slow
SECOND = 1_000_000_000
SLOW = "trap 'exit 0' TERM\nsleep 2\ntouch /tmp/well\nwhile :; do sleep 1 & wait; done\n"


def checked(image: object, command: str, order: int) -> dict[str, Any]:
    check = {"Test": ["CMD-SHELL", command], "Interval": SECOND, "Retries": 10, "Timeout": 5 * SECOND}
    options = json.dumps({"Healthcheck": check})
    module = a_module(image)
    return {**module, "startupOrder": order, "settings": {**module["settings"], "createOptions": options}}


async def test_later_modules_wait_for_a_health_check_and_one_that_fails_it_is_restarted(
    tmp_path: Path, docker_engine: TestEngine, base: Layer
) -> None:
    async with whole_cloud(tmp_path, loopback_address()) as cloud:
        enrolment = await cloud.enrol("edge-1")
        address = cloud.connection.registry_address
        image = await TinyImages(address, tmp_path / "sources", cloud.credential, base).script(SLOW)
        sick = checked(image, "echo no picture; exit 1", 2)
        sick["restartPolicy"] = "on-unhealthy"
        sick["settings"]["createOptions"] = sick["settings"]["createOptions"].replace('"Retries": 10', '"Retries": 1')
        await cloud.deploy("edge-1", {"first": checked(image, "test -f /tmp/well", 1), "sick": sick})
        rules = EdgeRules(restart=RestartRules(unit=0.2), look=0.2)
        engine = ModuleEngine(docker_engine.address, "edge-health")
        config = EdgeConfig(
            tmp_path / "edge-1", enrolment, "", "edge-1.local", https_port=0, rules=rules, engine=engine
        )
        stop = asyncio.Event()
        running = asyncio.create_task(run_edge(config, stop))
        agent = f"edge-1/modules/{EDGE_AGENT}"
        waiting = await cloud.reported(agent, lambda values: is_waiting(values.get("modules", {}).get("sick", {})))
        told = await cloud.reported(agent, lambda values: codes(values, "sick") == ["module-unhealthy"])
        again = await cloud.reported(
            agent, lambda values: values.get("modules", {}).get("sick", {}).get("restartCount", 0) >= 1
        )
        stop.set()
        await running
    await remove_all(docker_engine)

    assert waiting["modules"]["first"]["health"]["status"] == "starting"
    assert told["modules"]["first"]["health"]["status"] == "healthy"
    assert told["modules"]["sick"]["problems"][0]["evidence"] == ["no picture"]
    assert again["modules"]["first"]["restartCount"] == 0


async def test_the_former_image_goes_and_nobody_elses_does(
    tmp_path: Path, docker_engine: TestEngine, base: Layer
) -> None:
    async with whole_cloud(tmp_path, loopback_address()) as cloud:
        enrolment = await cloud.enrol("edge-1")
        source = TinyImages(cloud.connection.registry_address, tmp_path / "sources", cloud.credential, base)
        old, new, foreign = [
            await source.script(WAITS + f"# {name}\n", name=name) for name in ("old", "new", "foreign")
        ]
        connection = Engine(docker_engine.address)
        await pull_image(connection, foreign, cloud.credential, None)
        await cloud.deploy("edge-1", {"camera": a_module(old)})
        rules = EdgeRules(look=0.2, images=ImageRules(keep_for=0.0, every=0.2))
        engine = ModuleEngine(docker_engine.address, "edge-images")
        config = EdgeConfig(
            tmp_path / "edge-1", enrolment, "", "edge-1.local", https_port=0, rules=rules, engine=engine
        )
        stop = asyncio.Event()
        running = asyncio.create_task(run_edge(config, stop))
        agent = f"edge-1/modules/{EDGE_AGENT}"
        await cloud.reported(agent, lambda values: values.get("lastDesiredStatus", {}).get("code") == 200)
        await cloud.deploy("edge-1", {"camera": a_module(new)})
        told = await cloud.reported(agent, lambda values: values.get("images", {}).get("removed", 0) > 0)
        left = {name for found in await connection.get("images/json") for name in found.get("RepoTags") or ()}
        stop.set()
        await running
        await connection.close()
    await remove_all(docker_engine)

    assert (told["images"]["count"], told["images"]["removed"]) == (1, 1)
    assert left >= {str(new), str(foreign)}
    assert str(old) not in left


def is_waiting(module: dict[str, Any]) -> bool:
    return str(module.get("statusDescription", "")).startswith("AwaitHealth")


def codes(values: Any, module: str) -> list[str]:
    return [problem["code"] for problem in values.get("modules", {}).get(module, {}).get("problems", ())]
