"""Jobs over many devices: a change of twins or a method, with what became of each (contract 2.6)."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest

from hotori.hub.job import Job, JobStatus, read_job
from hotori.hub.query.page import run_query
from hotori.model.identity import Identity
from hotori.model.json import JsonObject
from hotori.model.sas import sign
from hotori.net.tls import client_context
from hotori.problems import Problem
from hotori.testing.addresses import loopback_address
from hotori.testing.cloud_hub import CloudHub

if sys.version_info >= (3, 12):
    pytest.skip("azure-iot-hub needs uamqp, which has no wheel here", allow_module_level=True)

from azure.iot.hub import IoTHubJobManager
from azure.iot.hub.models import CloudToDeviceMethod, Twin, TwinProperties
from azure.iot.hub.protocol.models import JobRequest

T = TypeVar("T")
PATCH: JsonObject = {"tags": {"seen": True}, "properties": {"desired": {"interval": 2}}}


@pytest.fixture
async def cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[CloudHub]:
    async with CloudHub(tmp_path, loopback_address()) as hub:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(hub.authority.certificate))
        for number in range(5):
            await hub.registry.create_device(f"dev-{number}")
        yield hub


async def call(work: Callable[..., T], *arguments: object) -> T:
    """The client blocks, and the hub lives on this loop."""
    return await asyncio.to_thread(work, *arguments)


async def over(cloud: CloudHub, name: str = "job-1") -> Job:
    async with asyncio.timeout(15):
        while not (job := await cloud.jobs.get(name)).status.over:
            await asyncio.sleep(0.02)
    return job


def twin_job(condition: str = "*", **more: Any) -> JsonObject:
    return {"type": "scheduleUpdateTwin", "updateTwin": {"etag": "*", **PATCH}, "queryCondition": condition, **more}


def method_job(condition: str = "*", **more: Any) -> JsonObject:
    method = {"methodName": "blink", "payload": {"times": 2}, "responseTimeoutInSeconds": 10}
    return {"type": "scheduleDeviceMethod", "cloudToDeviceMethod": method, "queryCondition": condition, **more}


async def rows(cloud: CloudHub, where: str = "") -> list[JsonObject]:
    page = await run_query(cloud.hub, cloud.registry, " ".join(["SELECT * FROM devices.jobs", where]), 100, None)
    assert page.kind == "DeviceJob"
    return page.rows


async def test_a_twin_is_changed_on_every_device_that_the_condition_names(cloud: CloudHub) -> None:
    await cloud.jobs.create("job-1", twin_job("deviceId IN ['dev-1', 'dev-3']"))
    job = await over(cloud)
    assert (job.status, job.statistics.succeeded, job.statistics.pending) == (JobStatus.COMPLETED, 2, 0)
    assert job.document()["deviceJobStatistics"] == {
        "deviceCount": 2,
        "failedCount": 0,
        "succeededCount": 2,
        "runningCount": 0,
        "pendingCount": 0,
    }
    changed = [(await cloud.hub.twins.get(Identity(f"dev-{number}"))).tags for number in range(5)]
    assert changed == [{}, {"seen": True}, {}, {"seen": True}, {}]
    assert [(row["deviceId"], row["status"]) for row in await rows(cloud, "WHERE jobId = 'job-1'")] == [
        ("dev-1", "completed"),
        ("dev-3", "completed"),
    ]


async def test_a_method_is_called_and_its_answer_kept(cloud: CloudHub) -> None:
    """2.5: DeviceJob; who is not there is a failure of its own"""

    async def answer(name: str, payload: Any) -> tuple[int, Any]:
        return 207, [name, payload]

    async with await cloud.connection(Identity("dev-1")) as device:
        device.on_method(answer)
        await device.wait_connected()
        wait = {"methodName": "blink", "payload": {"times": 2}, "connectTimeoutInSeconds": 10}
        await cloud.jobs.create("job-1", method_job("deviceId = 'dev-1'") | {"cloudToDeviceMethod": wait})
        await cloud.jobs.create("job-2", method_job("deviceId = 'dev-2'"))
        await over(cloud)
        failed = await over(cloud, "job-2")
    first, second = await rows(cloud)
    assert first["outcome"] == {"deviceMethodResponse": {"status": 207, "payload": ["blink", {"times": 2}]}}
    assert (second["status"], second["error"]["code"]) == ("failed", "404103")  # type: ignore[index, call-overload]
    assert (failed.status, failed.statistics.failed) == (JobStatus.COMPLETED, 1)


async def test_the_unmodified_client_schedules_reads_lists_and_cancels(cloud: CloudHub) -> None:
    """2.6, trap 17: it reads the list as an object"""
    manager = IoTHubJobManager.from_connection_string(cloud.service().format())
    twin = Twin(etag="*", tags={"a": 1}, properties=TwinProperties(desired={"b": 2}))
    request = JobRequest(job_id="job-1", type="scheduleUpdateTwin", update_twin=twin, query_condition="*")
    created = await call(manager.create_scheduled_job, "job-1", request)
    assert (created.job_id, created.type) == ("job-1", "scheduleUpdateTwin")
    await over(cloud)
    done = await call(manager.get_scheduled_job, "job-1")
    assert (done.status, done.device_job_statistics.succeeded_count) == ("completed", 5)
    later = datetime.fromtimestamp(time.time() + 3600, UTC)
    method = CloudToDeviceMethod(method_name="blink")
    request = JobRequest(
        type="scheduleDeviceMethod", cloud_to_device_method=method, query_condition="*", start_time=later
    )
    scheduled = await call(manager.create_scheduled_job, "job-2", request)
    assert scheduled.status == "scheduled"
    listed = await call(manager.query_scheduled_jobs, "scheduleDeviceMethod", "scheduled")
    assert [item["jobId"] for item in listed.items] == ["job-2"]
    assert (await call(manager.cancel_scheduled_job, "job-2")).status == "cancelled"
    assert (await call(manager.cancel_scheduled_job, "job-1")).status == "completed"


async def test_everybody_else_reads_the_list_as_an_array_in_pages(cloud: CloudHub) -> None:
    """2.6: array and query headers"""
    later = datetime.fromtimestamp(time.time() + 3600, UTC).isoformat()
    for number in range(5):
        await cloud.jobs.create(f"job-{number}", twin_job(startTime=later))
    key = cloud.service("service").key
    token = sign(cloud.host, key, int(time.time()) + 3600, "service")
    headers = {"authorization": token, "x-ms-max-item-count": "2"}
    context = client_context(cloud.authority.certificate)
    seen: list[list[str]] = []
    async with httpx.AsyncClient(base_url=f"https://{cloud.host}", verify=context, trust_env=False) as http:
        while True:
            page = await http.get("/jobs/v2/query?jobType=scheduleUpdateTwin&jobStatus=scheduled", headers=headers)
            assert page.headers["x-ms-item-type"] == "JobResponse"
            seen.append([job["jobId"] for job in page.json()])
            if "x-ms-continuation" not in page.headers:
                break
            headers["x-ms-continuation"] = page.headers["x-ms-continuation"]
        missing = await http.get("/jobs/v2/nobody", headers=headers)
        again = await http.put("/jobs/v2/job-1", headers=headers, json=twin_job())
    assert seen == [["job-0", "job-1"], ["job-2", "job-3"], ["job-4"]]
    assert (missing.status_code, missing.headers["iothub-errorcode"]) == (404, "JobNotFound")
    assert (again.status_code, again.json()["problem"]["code"]) == (409, "job-exists")


async def test_a_job_begins_when_it_is_to(cloud: CloudHub) -> None:
    start = time.time() + 0.5
    job = await cloud.jobs.create("job-1", twin_job(startTime=datetime.fromtimestamp(start, UTC).isoformat()))
    assert job.status is JobStatus.SCHEDULED
    await over(cloud)
    assert (
        min(datetime.fromisoformat(str(row["startTimeUtc"])).timestamp() for row in await rows(cloud)) >= start - 0.01
    )


async def test_a_job_goes_on_after_the_hub_was_started_again(cloud: CloudHub) -> None:
    """Nobody is asked twice: who was just being asked counts as failed; who was not is asked now"""
    asked = asyncio.Event()

    async def never(name: str, payload: Any) -> tuple[int, Any]:
        asked.set()
        await asyncio.Event().wait()
        return 200, None

    device = await cloud.connection(Identity("dev-0"))
    device.on_method(never)
    device.start()
    await device.wait_connected()
    method = {"methodName": "blink", "payload": None, "connectTimeoutInSeconds": 10}
    await cloud.jobs.create("method", method_job("deviceId = 'dev-0'") | {"cloudToDeviceMethod": method})
    later = datetime.fromtimestamp(time.time() + 1.0, UTC).isoformat()
    await cloud.jobs.create("twin", twin_job(startTime=later))
    await asyncio.wait_for(asked.wait(), 10)
    await cloud.stop()
    await device.close()
    await cloud.start()
    assert (await over(cloud, "method")).statistics.failed == 1
    assert (await over(cloud, "twin")).statistics.succeeded == 5
    assert (await rows(cloud, "WHERE jobId = 'method'"))[0]["error"] == {
        "code": "500001",
        "description": "the hub was started again while the device was asked",
    }


async def test_a_job_that_takes_too_long_or_is_cancelled_leaves_the_rest_undone(cloud: CloudHub) -> None:
    """2.6: maxExecutionTimeInSeconds"""
    method = {"methodName": "blink", "payload": None, "connectTimeoutInSeconds": 300}
    await cloud.jobs.create("long", method_job("deviceId = 'dev-0'", maxExecutionTimeInSeconds=1))
    slow = method_job("deviceId = 'dev-0'", maxExecutionTimeInSeconds=1) | {"cloudToDeviceMethod": method}
    await cloud.jobs.create("slow", slow)
    await cloud.jobs.create("stopped", method_job("*") | {"cloudToDeviceMethod": method})
    async with asyncio.timeout(10):
        while (await cloud.jobs.get("stopped")).statistics.running < 5:
            await asyncio.sleep(0.02)
    stopped = await cloud.jobs.cancel("stopped")
    assert (stopped.status, stopped.statistics.canceled) == (JobStatus.CANCELLED, 5)
    assert {row["status"] for row in await rows(cloud, "WHERE jobId = 'stopped'")} == {"canceled"}
    timed_out = await over(cloud, "slow")
    assert (timed_out.status, timed_out.failure) == (JobStatus.FAILED, "it was not finished in 1 s")
    assert (await rows(cloud, "WHERE jobId = 'slow'"))[0]["status"] == "failed"


async def test_an_etag_guards_every_twin_by_itself(cloud: CloudHub) -> None:
    await cloud.hub.twins.patch_tags(Identity("dev-2"), {"touched": True})
    fresh = {"etag": "AAAAAAAAAAE=", **PATCH}
    await cloud.jobs.create("job-1", twin_job() | {"updateTwin": fresh})
    job = await over(cloud)
    assert (job.statistics.succeeded, job.statistics.failed) == (4, 1)
    failed = await rows(cloud, "WHERE status = 'failed'")
    assert [row["deviceId"] for row in failed] == ["dev-2"]


@pytest.mark.parametrize(
    ("document", "code"),
    [
        ({}, "request-malformed"),
        (twin_job() | {"type": "dance"}, "request-malformed"),
        (twin_job(""), "request-malformed"),
        (twin_job("deviceId ="), "query-invalid"),
        (twin_job(startTime="soon"), "request-malformed"),
        (twin_job(maxExecutionTimeInSeconds=-1), "request-malformed"),
        (twin_job() | {"updateTwin": {"tags": {"a.b": 1}}}, "twin-invalid"),
        (method_job() | {"cloudToDeviceMethod": {"methodName": ""}}, "request-malformed"),
        (
            method_job() | {"cloudToDeviceMethod": {"methodName": "m", "responseTimeoutInSeconds": 1}},
            "request-malformed",
        ),
    ],
)
def test_a_job_with_a_fault_is_refused_before_it_begins(document: JsonObject, code: str) -> None:
    with pytest.raises(Problem) as caught:
        read_job("job-1", document, 1000.0)
    assert caught.value.code == code


def test_the_column_of_a_fault_is_that_of_the_condition() -> None:
    with pytest.raises(Problem) as caught:
        read_job("job-1", twin_job("deviceId = = 'a'"), 1000.0)
    assert caught.value.values["column"] == "12"
