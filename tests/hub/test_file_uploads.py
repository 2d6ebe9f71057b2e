"""Files of devices, put into the object store with the unmodified clients (contract 1.10)."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from azure.core.exceptions import HttpResponseError
from azure.iot.device import IoTHubDeviceClient
from azure.storage.blob import BlobClient

from hotori.hub.file_uploads import GRANT_SECONDS
from hotori.model.identity import Identity
from hotori.model.sas import sign
from hotori.net.tls import client_context
from hotori.testing.addresses import loopback_address
from hotori.testing.cloud_hub import CloudHub

DEVICE = Identity("dev-1")
FILES, ENDED = "/devices/dev-1/files", "/devices/dev-1/files/notifications"
NEWS = "/messages/serviceBound/filenotifications"


class Clock:
    ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def cloud(tmp_path: Path, clock: Clock) -> AsyncIterator[CloudHub]:
    async with CloudHub(tmp_path, loopback_address(), clock) as hub:
        await hub.registry.create_device("dev-1")
        yield hub


@pytest.fixture
async def device(cloud: CloudHub) -> AsyncIterator[httpx.AsyncClient]:
    async with client(cloud) as http:
        key = (await cloud.registry.get(DEVICE)).primary
        http.headers["authorization"] = sign(f"{cloud.address}/{DEVICE.path()}", key, int(cloud.clock()) + 99_999)
        yield http


@pytest.fixture
async def service(cloud: CloudHub) -> AsyncIterator[httpx.AsyncClient]:
    async with client(cloud) as http:
        key = cloud.service("service").key
        http.headers["authorization"] = sign(cloud.host, key, int(cloud.clock()) + 99_999, "service")
        yield http


def client(cloud: CloudHub) -> httpx.AsyncClient:
    context = client_context(cloud.authority.certificate)
    return httpx.AsyncClient(base_url=f"https://{cloud.host}", verify=context, trust_env=False)


def address(grant: dict[str, Any]) -> str:
    """As every sample of a device writes it."""
    return "https://{hostName}/{containerName}/{blobName}{sasToken}".format(**grant)


async def begin(device: httpx.AsyncClient, name: str = "log.txt") -> dict[str, Any]:
    answer = await device.post(FILES, json={"blobName": name})
    assert answer.status_code == 200, answer.text
    grant: dict[str, Any] = answer.json()
    return grant


async def test_the_unmodified_clients_upload_a_file_and_tell_of_it(tmp_path: Path) -> None:
    """1.10, 2.8"""
    cloud = CloudHub(tmp_path / "hub", loopback_address())
    cloud.https_port = 443
    async with cloud:
        await cloud.registry.create_device("dev-1")
        line = await cloud.connection_string(DEVICE)
        sdk = IoTHubDeviceClient.create_from_connection_string(line, server_verification_cert=cloud.authority.pem)
        try:
            grant = await asyncio.to_thread(sdk.get_storage_info_for_blob, "folder/my log.txt")
            assert grant["blobName"] == "dev-1/folder/my log.txt"
            assert grant["sasToken"].startswith("?")
            blob = BlobClient.from_blob_url(address(grant), connection_verify=str(cloud.authority.certificate))
            with blob:
                await asyncio.to_thread(blob.upload_blob, b"all is well")
            await asyncio.to_thread(sdk.notify_blob_upload_status, grant["correlationId"], True, 200, "OK")
        finally:
            await asyncio.to_thread(sdk.shutdown)
        locked = await cloud.hub.service_bound.locks.receive("service:filenotifications")
        assert locked is not None
        news = json.loads(locked.received[0].message.body)
        assert (news["deviceId"], news["blobName"]) == ("dev-1", "dev-1/folder/my log.txt")
        assert (news["blobSizeInBytes"], news["blobUri"]) == (
            11,
            f"https://{cloud.host}/files/device-files/dev-1/folder/my%20log.txt",
        )


async def test_a_grant_is_for_its_blob_alone(cloud: CloudHub, device: httpx.AsyncClient) -> None:
    grant = await begin(device)
    verify = str(cloud.authority.certificate)
    foreign = BlobClient.from_blob_url(address(grant | {"blobName": "dev-2/log.txt"}), connection_verify=verify)
    with foreign as blob, pytest.raises(HttpResponseError, match="AuthenticationFailed"):
        await asyncio.to_thread(blob.upload_blob, b"not mine")


async def test_a_device_has_ten_uploads_at_once(device: httpx.AsyncClient, clock: Clock) -> None:
    """1.10: 403006; a grant that is over counts no more"""
    grants = [await begin(device, str(number)) for number in range(10)]
    full = await device.post(FILES, json={"blobName": "eleven"})
    assert full.status_code == 403
    assert full.headers["iothub-errorcode"] == "DeviceMaximumActiveFileUploadLimitExceeded"
    assert full.json()["problem"]["code"] == "uploads-full"
    failed = {"correlationId": grants[0]["correlationId"], "isSuccess": False, "statusCode": 500}
    assert (await device.post(ENDED, json=failed)).status_code == 204
    await begin(device)
    clock.ahead += GRANT_SECONDS + 1
    await begin(device)


async def test_only_what_is_there_is_told_of(
    cloud: CloudHub, device: httpx.AsyncClient, service: httpx.AsyncClient
) -> None:
    """2.8: one notification at a time, over both spellings of the address"""
    grant = await begin(device)
    ended = {"correlationId": grant["correlationId"], "isSuccess": True, "statusCode": 200}
    assert (await device.post(ENDED, json=ended)).status_code == 400
    assert (await service.get(NEWS)).status_code == 204
    with BlobClient.from_blob_url(address(grant), connection_verify=str(cloud.authority.certificate)) as blob:
        await asyncio.to_thread(blob.upload_blob, b"x", overwrite=True)
    assert (await device.post(ENDED, json=ended)).status_code == 204
    assert (await device.post(ENDED, json=ended)).status_code == 400, "it has ended"
    news = await service.get("/messages/servicebound/fileuploadnotifications")
    assert news.json()["blobName"] == "dev-1/log.txt"
    token = news.headers["etag"].strip('"')
    assert (await service.delete(f"{NEWS}/{token}")).status_code == 204
    assert (await service.get(NEWS)).status_code == 204


@pytest.mark.parametrize("body", [{}, {"blobName": ""}, {"blobName": 1}, {"blobName": "x" * 1024}])
async def test_a_request_that_means_nothing_is_refused(device: httpx.AsyncClient, body: dict[str, Any]) -> None:
    assert (await device.post(FILES, json=body)).status_code == 400
    assert (await device.post(ENDED, json=body)).status_code == 400


async def test_an_upload_under_way_survives_a_restart(cloud: CloudHub, device: httpx.AsyncClient) -> None:
    grant = await begin(device)
    await cloud.stop()
    await cloud.start()
    failed = {"correlationId": grant["correlationId"], "isSuccess": False}
    assert (await device.post(ENDED, json=failed)).status_code == 204
