"""The uploader module beside a real hub and a real object store."""

from __future__ import annotations

import asyncio
import logging

import pytest

from hotori.model.connection_string import StorageConnection
from hotori.model.message import Message
from hotori.model.secret import Secret
from hotori.modules.blob_target import desired_connection
from hotori.modules.settings import Settings
from hotori.modules.uploader import Uploader, open_target, uploader
from hotori.sdk.backoff import Backoff
from hotori.sdk.module import ModuleClient
from hotori.sdk.storage import StorageClient
from tests.modules.conftest import Cloud, Device
from tests.modules.programs import eventually, running

QUICK = Backoff(first=0.01, longest=0.05)


def picture(number: int) -> Message:
    properties = {"picture": f"edge-1/camera/{number:06d}.jpg", "expected": "animal"}
    return Message(b"jpeg %d" % number, properties, {"ct": "image/jpeg"}, output="pictures")


def program(cloud: Cloud | None, **settings: str) -> Uploader:
    if cloud:
        settings["STORAGE_CONNECTION_STRING"] = cloud.connection.format()
    read = Settings("uploader", settings)
    return Uploader(open_target(read), read, QUICK, lambda: 0.5)


async def stored(cloud: Cloud) -> list[str]:
    async with StorageClient(cloud.connection) as storage:
        return [item.name async for item in storage.list("pictures")]


def desire(connection: StorageConnection) -> dict[str, object]:
    return {"deviceToCloudUploadProperties": {"cloudStorageConnectionString": connection.format()}}


@pytest.mark.parametrize(
    "desired", [{}, {"deviceToCloudUploadProperties": None}, {"deviceToCloudUploadProperties": {"uploadOn": True}}]
)
def test_desired_properties_without_a_connection_string_name_none(desired: dict[str, object]) -> None:
    assert desired_connection(desired) is None


async def test_a_picture_is_stored_under_its_name_and_the_container_made(cloud: Cloud) -> None:
    uploading = program(cloud)
    await uploading.upload(picture(1))
    await uploading.target.close()
    async with StorageClient(cloud.connection) as storage:
        assert await storage.get("pictures", "edge-1/camera/000001.jpg") == b"jpeg 1"
    assert uploading.counts["uploaded"] == 1


async def test_the_same_picture_twice_is_one_blob(cloud: Cloud) -> None:
    uploading = program(cloud)
    await asyncio.gather(*(uploading.upload(picture(1)) for _ in range(3)))
    await uploading.target.close()
    assert await stored(cloud) == ["edge-1/camera/000001.jpg"]


async def test_while_the_cloud_is_away_a_picture_waits_and_the_log_says_so_once(
    cloud: Cloud, caplog: pytest.LogCaptureFixture
) -> None:
    uploading = program(cloud)
    await cloud.stop()
    with caplog.at_level(logging.INFO):
        task = asyncio.ensure_future(uploading.upload(picture(1)))
        while uploading.counts["retried"] < 3:
            await asyncio.sleep(0.01)
        assert not task.done()
        assert uploading.problem is not None
        assert uploading.problem.code == "cloud-unreachable"
        await cloud.start()
        await task
    await uploading.target.close()
    assert uploading.problem is None
    told = [record.problem.code for record in caplog.records if hasattr(record, "problem")]
    assert told == ["cloud-unreachable"]
    assert await stored(cloud) == ["edge-1/camera/000001.jpg"]


async def test_a_key_that_is_refused_is_named_without_being_shown_and_mended_live(cloud: Cloud) -> None:
    wrong = StorageConnection("hotori", Secret("d3Jvbmc="), cloud.connection.endpoint)
    uploading = program(None, STORAGE_CONNECTION_STRING=wrong.format())
    task = asyncio.ensure_future(uploading.upload(picture(1)))
    while uploading.problem is None:
        await asyncio.sleep(0.01)
    assert uploading.problem.code == "upload-refused"
    assert "d3Jvbmc=" not in str(uploading.problem.document())
    uploading.desired(desire(cloud.connection))  # type: ignore[arg-type]
    await task
    await uploading.target.close()
    assert await stored(cloud) == ["edge-1/camera/000001.jpg"]


async def test_without_a_connection_string_pictures_wait_for_one(cloud: Cloud) -> None:
    uploading = program(None)
    uploading.desired({})
    assert uploading.problem is not None
    assert "STORAGE_CONNECTION_STRING" in uploading.problem.title()
    task = asyncio.ensure_future(uploading.upload(picture(1)))
    uploading.desired(desire(cloud.connection))  # type: ignore[arg-type]
    await task
    await uploading.target.close()
    assert uploading.state()["problem"] is None


async def test_a_desired_connection_string_that_cannot_be_read_changes_nothing(cloud: Cloud) -> None:
    uploading = program(cloud)
    uploading.desired({"deviceToCloudUploadProperties": {"cloudStorageConnectionString": "nonsense"}})
    assert uploading.problem is not None
    assert uploading.problem.code == "connection-string-malformed"
    await uploading.upload(picture(1))
    await uploading.target.close()


async def test_pictures_from_the_hub_are_acknowledged_when_they_are_stored(device: Device, cloud: Cloud) -> None:
    await cloud.stop()

    async def are_stored() -> bool:
        return len(await stored(cloud)) == 12

    async def nothing_waits() -> bool:
        return device.hub.hub.queues.total("module:uploader").pending == 0

    async with ModuleClient.from_environment(device.environ("camera")) as camera:
        for number in range(12):
            await camera.send(picture(number))
    await device.desire("uploader", desire(cloud.connection))
    async with running(uploader(device.environ("uploader"))):
        await asyncio.sleep(0.3)
        assert device.hub.hub.queues.total("module:uploader").pending == 12
        await cloud.start()
        await eventually(nothing_waits)
        await eventually(are_stored)
