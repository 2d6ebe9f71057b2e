"""Journey 3: a deployment, its upkeep, and a change of it."""

import os
import signal
from pathlib import Path

from hotori.cli.device import service_client
from hotori.model.identity import EDGE_AGENT, Identity
from tests.journeys.conftest import DEVICE, eventually

AGENT = Identity(DEVICE, EDGE_AGENT)


async def reported_modules(client):
    twin = await client.twin(AGENT)
    return twin["properties"]["reported"].get("modules", {})


async def all_running(client):
    modules = await reported_modules(client)
    running = {name for name, module in modules.items() if module["runtimeStatus"] == "running"}
    return modules if running == {"camera", "classifier", "uploader"} else None


async def applied(client):
    """The agent's twin, once it has judged the deployment that is in force."""
    twin = await client.twin(AGENT)
    reported, desired = twin["properties"]["reported"], twin["properties"]["desired"]
    return twin if reported.get("lastDesiredVersion") == desired["$version"] else None


def pid_of(installation, module):
    """The process of a module of this installation, found by what it runs and for which device folder."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes().decode()
            environment = (process / "environ").read_bytes().decode(errors="replace")
        except OSError:
            continue
        if f"hotori.modules.{module}" in command and str(installation.edge_address) in environment:
            return int(process.name)
    return None


async def test_every_module_runs_and_is_reported_with_its_pinned_image(main_job):
    async with service_client(main_job.cloud) as client:
        modules = await eventually(lambda: all_running(client))
        twin = await eventually(lambda: applied(client))
    assert all("@sha256:" in module["settings"]["image"] for module in modules.values())
    assert twin["properties"]["reported"]["lastDesiredStatus"]["code"] == 200


async def test_a_killed_module_comes_back_and_its_end_is_reported(main_job):
    async with service_client(main_job.cloud) as client:
        before = (await eventually(lambda: all_running(client)))["classifier"]
        os.kill(pid_of(main_job, "classifier"), signal.SIGKILL)

        async def back():
            modules = await all_running(client)
            return modules and modules["classifier"]["lastStartTimeUtc"] > before["lastStartTimeUtc"] and modules

        after = (await eventually(back))["classifier"]
    assert after["restartCount"] == before.get("restartCount", 0) + 1


async def test_a_changed_setting_of_one_module_touches_no_other(main_job):
    async with service_client(main_job.cloud) as client:
        await eventually(lambda: all_running(client))
        camera, uploader = pid_of(main_job, "camera"), pid_of(main_job, "uploader")
        desired = {"modules": {"camera": {"env": {"INTERVAL": {"value": "0.4"}}}}}
        await client.patch_twin(AGENT, desired=desired)

        async def replaced():
            now = pid_of(main_job, "camera")
            return now and now != camera and await all_running(client)

        await eventually(replaced)
        assert pid_of(main_job, "uploader") == uploader


async def test_a_modules_log_can_be_read_from_the_cloud(main_job):
    async with service_client(main_job.cloud) as client:
        await eventually(lambda: all_running(client))
        request = {"schemaVersion": "1.0", "items": {"id": "camera", "filter": {"tail": 5}}, "encoding": "none"}
        answer = await client.invoke(AGENT, "GetModuleLogs", request)
    assert answer.status == 200
    assert answer.payload[0]["id"] == "camera"


async def test_a_setting_in_a_modules_twin_reaches_it_and_is_reported_back(main_job):
    camera = Identity(DEVICE, "camera")
    async with service_client(main_job.cloud) as client:
        await client.patch_twin(camera, desired={"interval": 0.3})

        async def confirmed():
            return (await client.twin(camera))["properties"]["reported"].get("interval") == 0.3

        await eventually(confirmed)
