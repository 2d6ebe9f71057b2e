"""The registry into a container and back, with the unmodified client (contract 2.6)."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest
from azure.storage.blob import BlobServiceClient, ContainerClient, generate_container_sas

from hotori.hub.registry import Draft
from hotori.hub.registry_jobs import RegistryJob
from hotori.hub.removal import remove_identity
from hotori.hub.twin_write import TwinWrite
from hotori.model.identity import Identity
from hotori.testing.addresses import loopback_address
from hotori.testing.cloud_hub import ACCOUNT, STORAGE_KEY, CloudHub

if sys.version_info >= (3, 12):
    pytest.skip("azure-iot-hub needs uamqp, which has no wheel here", allow_module_level=True)

from azure.iot.hub import IoTHubJobManager
from azure.iot.hub.protocol.models import JobProperties

T = TypeVar("T")


@pytest.fixture
async def cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[CloudHub]:
    async with CloudHub(tmp_path, loopback_address()) as hub:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(hub.authority.certificate))
        await hub.registry.create_device("dev-1")
        await hub.registry.create_device("edge-1", Draft(edge=True))
        await hub.hub.twins.write(Identity("dev-1"), TwinWrite(tags={"room": "lab"}, desired={"a": 1}))
        yield hub


async def call(work: Callable[..., T], *arguments: object) -> T:
    return await asyncio.to_thread(work, *arguments)


async def container(cloud: CloudHub, name: str = "registry") -> tuple[ContainerClient, str]:
    """A container of the cloud's own store, and its address with a signature."""
    verify = str(cloud.authority.certificate)
    address = f"https://{cloud.host}/{ACCOUNT}"
    credential = {"account_name": ACCOUNT, "account_key": STORAGE_KEY.reveal()}
    service = BlobServiceClient(address, credential=credential, connection_verify=verify)
    client = service.get_container_client(name)
    await call(client.create_container)
    expiry = datetime.now(UTC) + timedelta(hours=1)
    sas = generate_container_sas(ACCOUNT, name, STORAGE_KEY.reveal(), permission="rcwl", expiry=expiry)
    return client, f"{address}/{name}?{sas}"


async def over(cloud: CloudHub, name: str) -> RegistryJob:
    async with asyncio.timeout(15):
        while (job := await cloud.registry_jobs.get(name)).status in ("enqueued", "running"):
            await asyncio.sleep(0.02)
    return job


async def read(client: ContainerClient, name: str = "devices.txt") -> list[dict[str, Any]]:
    content = await call(lambda: client.download_blob(name).readall())
    return [json.loads(line) for line in content.splitlines()]


async def test_an_export_is_imported_again(cloud: CloudHub) -> None:
    manager = IoTHubJobManager.from_connection_string(cloud.service().format())
    client, address = await container(cloud)
    created = await call(
        manager.create_import_export_job, JobProperties(type="export", output_blob_container_uri=address)
    )
    job = await over(cloud, created.job_id)
    assert (job.status, job.failure) == ("completed", None)
    shown = await call(manager.get_import_export_job, created.job_id)
    assert (shown.status, shown.progress) == ("completed", 100)
    assert "sig=" not in shown.output_blob_container_uri, "an address is shown without its signature"
    assert "sig=" not in repr(job)
    lines = await read(client)
    assert [(line["id"], line.get("moduleId")) for line in lines] == [
        ("dev-1", None),
        ("edge-1", None),
        ("edge-1", "$edgeAgent"),
        ("edge-1", "$edgeHub"),
    ]
    before = await cloud.registry.get(Identity("dev-1"))
    await remove_identity(cloud.hub, cloud.registry, Identity("dev-1"))
    again = await call(manager.create_import_export_job, JobProperties(type="import", input_blob_container_uri=address))
    job = await over(cloud, again.job_id)
    assert job.failure == "3 lines were not imported; importErrors.log says why", "edge-1 was still there"
    after = await cloud.registry.get(Identity("dev-1"))
    twin = await cloud.hub.twins.get(Identity("dev-1"))
    assert (after.primary, twin.tags, twin.desired.values) == (before.primary, {"room": "lab"}, {"a": 1})
    assert {job.job_id for job in await call(manager.get_import_export_jobs)} == {created.job_id, again.job_id}
    await call(manager.cancel_import_export_job, created.job_id)


async def test_keys_can_be_left_out_and_errors_are_written_down(cloud: CloudHub) -> None:
    client, address = await container(cloud)
    wanted = {"outputBlobContainerUri": address, "excludeKeysInExport": True, "outputBlobName": "all.txt"}
    job = await cloud.registry_jobs.create({"type": "export", **wanted})
    assert (await over(cloud, job.id)).status == "completed"
    keys = [line["authentication"]["symmetricKey"]["primaryKey"] for line in await read(client, "all.txt")]
    assert keys == [None] * 4
    await call(client.upload_blob, "devices.txt", b'{"id": "dev-9", "importMode": "create"}\n\n{"id": "dev-1"}\n')
    addresses = {"inputBlobContainerUri": address, "outputBlobContainerUri": address}
    job = await cloud.registry_jobs.create({"type": "import", **addresses})
    assert (await over(cloud, job.id)).status == "failed"
    assert (await cloud.registry.get(Identity("dev-9"))).enabled
    assert [(error["line"], error["errorCode"]) for error in await read(client, "importErrors.log")] == [
        (2, "DeviceAlreadyExists")
    ]


@pytest.mark.parametrize("place", ["registry", "nowhere"])
async def test_a_container_that_cannot_be_written_is_a_failure_with_its_reason(cloud: CloudHub, place: str) -> None:
    _, address = await container(cloud)
    wrong = address.replace("sig=", "sig=x") if place == "registry" else "nowhere"
    job = await cloud.registry_jobs.create({"type": "export", "outputBlobContainerUri": wrong})
    failed = await over(cloud, job.id)
    assert failed.status == "failed"
    assert ("AuthenticationFailed" if place == "registry" else "not the address") in str(failed.failure)
