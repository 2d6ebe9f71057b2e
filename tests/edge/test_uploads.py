"""Logs and bundles into a lent container (contract 7.1), with the real object store and tokens of the real client."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import zipfile
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from azure.storage.blob import generate_container_sas

from hotori.edge.agent_methods import AgentMethods
from hotori.edge.support_bundle import BundleSources, without_secrets
from hotori.edge.tasks import Tasks
from hotori.edge.uploads import Uploader
from hotori.model.connection_string import StorageConnection
from hotori.model.secret import Secret
from hotori.net.http import HttpServer
from hotori.net.ports import bind
from hotori.net.tls import client_context
from hotori.objects.blob_files import BlobFiles
from hotori.objects.server import objects_app
from hotori.sdk.storage import StorageClient
from hotori.store.sqlite import SqliteRecords
from tests.edge.parts import Cloud, Device, manifest, streams_of

ACCOUNT = "hotori"
KEY = base64.b64encode(bytes(range(64))).decode()


@pytest.fixture
async def storage(tmp_path: Path) -> AsyncIterator[StorageConnection]:
    records = SqliteRecords.open(tmp_path / "index.sqlite")
    app = objects_app(BlobFiles(records, tmp_path / "content"), {ACCOUNT: (Secret(KEY),)})
    async with HttpServer(app, bind("127.0.0.1", 0, "object store")) as server:
        connection = StorageConnection(ACCOUNT, Secret(KEY), f"http://127.0.0.1:{server.port}/{ACCOUNT}")
        async with StorageClient(connection) as client:
            await client.create_container("logs")
        yield connection
    await records.close()


@pytest.fixture
async def device(tmp_path: Path) -> AsyncIterator[Device]:
    async with Device(tmp_path, Cloud("camera", "classifier")) as device:
        device.agent.deploy(manifest("camera", "classifier"), 1)
        await device.settle()
        device.runtime.write("camera", "one\ntwo SharedAccessKey=c2VjcmV0;x\n")
        yield device


def lent(storage: StorageConnection, permission: str = "cw") -> str:
    expiry = datetime.now(UTC) + timedelta(hours=1)
    token = generate_container_sas(ACCOUNT, "logs", account_key=KEY, permission=permission, expiry=expiry)
    return f"{storage.endpoint}/logs?{token}"


class Caller:
    """Calls methods of a device's agent, and waits for what they began."""

    def __init__(self, device: Device) -> None:
        sources = BundleSources(device.runtime, {"report": lambda: device.agent.report})
        uploader = Uploader(sources, client_context(), "hub.example.net", "edge-1", "127.0.0.1", device.clock)
        self.tasks = Tasks()
        self._methods = AgentMethods(
            device.runtime, lambda: device.agent.specs, device.agent.restart, device.clock, "hub.example.net", "edge-1",
            uploader, self.tasks, streams_of(device),
        )  # fmt: skip

    async def call(self, name: str, **request: Any) -> tuple[int, Any]:
        return await self._methods.call(name, {"schemaVersion": "1.0", **request})

    async def done(self, name: str, **request: Any) -> dict[str, Any]:
        status, task = await self.call(name, **request)
        assert (status, task["status"]) == (200, "Running")
        async with asyncio.timeout(20):
            while True:
                _, found = await self.call("GetTaskStatus", correlationId=task["correlationId"])
                if found["status"] != "Running":
                    return dict(found)
                await asyncio.sleep(0.01)


async def content(storage: StorageConnection, suffix: str) -> tuple[str, bytes]:
    async with StorageClient(storage) as client:
        (item,) = [item async for item in client.list("logs") if item.name.endswith(suffix)]
        return item.name, await client.get("logs", item.name)


async def test_logs_are_uploaded_one_blob_a_module(device: Device, storage: StorageConnection) -> None:
    caller = Caller(device)
    task = await caller.done("UploadModuleLogs", sasUrl=lent(storage), items={"id": "all"})
    assert (task["status"], task["message"]) == ("Completed", "2 logs were uploaded")
    async with StorageClient(storage) as client:
        names = [item.name async for item in client.list("logs")]
    assert [name.rpartition("-2030")[0] for name in names] == [
        "hub.example.net/edge-1/camera",
        "hub.example.net/edge-1/classifier",
    ]
    assert names[0].endswith(".log")


async def test_logs_are_uploaded_compressed_and_as_json(device: Device, storage: StorageConnection) -> None:
    request = {"items": [{"id": "camera", "filter": {"tail": 2}}], "encoding": "gzip", "contentType": "json"}
    await Caller(device).done("UploadModuleLogs", sasUrl=lent(storage), **request)
    _, data = await content(storage, ".json.gz")  # the client unpacks by Content-Encoding
    assert [line["text"] for line in json.loads(data)] == ["one", "two SharedAccessKey=c2VjcmV0;x"]


async def test_the_name_of_the_parent_stands_for_it_in_the_address(device: Device, storage: StorageConnection) -> None:
    url = lent(storage).replace("//127.0.0.1:", "//$upstream:")
    task = await Caller(device).done("UploadModuleLogs", sasUrl=url, items={"id": "camera"})
    assert task["status"] == "Completed"


async def test_a_token_that_may_not_write_is_named_without_being_shown(
    device: Device, storage: StorageConnection
) -> None:
    url = lent(storage, "r")
    task = await Caller(device).done("UploadModuleLogs", sasUrl=url, items={"id": "camera"})
    assert task["status"] == "Failed"
    assert "AuthorizationPermissionMismatch" in task["message"]
    assert "sig=" not in task["message"]
    assert "could not be stored" in task["message"]  # lent-container-refused


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        ({"items": {"id": "all"}}, 400),
        ({"sasUrl": "", "items": {"id": "all"}}, 400),
        ({"sasUrl": "x", "items": {"id": "all"}}, 500),
    ],
)
async def test_a_request_without_a_container_is_refused_at_once(
    device: Device, request_: dict[str, Any], status: int
) -> None:
    assert (await Caller(device).call("UploadModuleLogs", **request_))[0] == status


async def test_an_unknown_task_is_unknown(device: Device) -> None:
    _, found = await Caller(device).call("GetTaskStatus", correlationId="nobody")
    assert found["status"] == "Unknown"


async def test_a_support_bundle_holds_reports_and_logs_without_keys(device: Device, storage: StorageConnection) -> None:
    task = await Caller(device).done("UploadSupportBundle", sasUrl=lent(storage), since="2d")
    name, data = await content(storage, ".zip")
    assert task["message"] == name
    with zipfile.ZipFile(io.BytesIO(data)) as bundle:
        assert set(bundle.namelist()) == {
            "report.json",
            "inspect/camera.json",
            "inspect/classifier.json",
            "logs/camera_log.txt",
            "logs/classifier_log.txt",
        }
        assert bundle.read("logs/camera_log.txt") == b"one\ntwo SharedAccessKey=***;x\n"
        assert json.loads(bundle.read("report.json"))["lastDesiredVersion"] == 1


async def test_a_bundle_of_the_runtime_alone_has_no_modules(device: Device, storage: StorageConnection) -> None:
    await Caller(device).done("UploadSupportBundle", sasUrl=lent(storage), edgeRuntimeOnly=True)
    _, data = await content(storage, ".zip")
    with zipfile.ZipFile(io.BytesIO(data)) as bundle:
        assert bundle.namelist() == ["report.json"]


@pytest.mark.parametrize(
    "text",
    [
        "HostName=h;SharedAccessKey=hidden==;x=1",
        "SharedAccessSignature sr=h&sig=hidden%3D&se=1",
        "AccountName=a;AccountKey=hidden",
        "https://h/c?sv=1&sig=hidden&se=2",
    ],
)
def test_keys_and_signatures_are_blotted_out(text: str) -> None:
    assert "hidden" not in without_secrets(text)
