"""Our own client beside a running object store."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from hotori.model.connection_string import StorageConnection
from hotori.model.secret import Secret
from hotori.net.authority import Authority
from hotori.net.http import HttpServer
from hotori.net.ports import bind
from hotori.objects.blob_files import BlobFiles
from hotori.objects.server import objects_app
from hotori.problems import Problem
from hotori.sdk.storage import StorageClient, StorageRequestError
from hotori.store.memory import MemoryRecords

KEY = Secret("a2V5")


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority.open(tmp_path / "authority")


@pytest.fixture
async def connection(tmp_path: Path, authority: Authority) -> AsyncIterator[StorageConnection]:
    """An object store behind TLS."""
    app = objects_app(BlobFiles(MemoryRecords(), tmp_path / "content"), {"hotori": (KEY,)})
    certificate = authority.issue_server(["127.0.0.1"])
    async with HttpServer(app, bind("127.0.0.1", 0, "object store"), certificate) as server:
        yield StorageConnection("hotori", KEY, f"https://127.0.0.1:{server.port}/hotori")


@pytest.fixture
async def storage(connection: StorageConnection, authority: Authority) -> AsyncIterator[StorageClient]:
    async with StorageClient(connection, authority.certificate) as storage:
        assert await storage.create_container("pictures")
        yield storage


async def test_what_is_put_can_be_got(storage: StorageClient) -> None:
    await storage.put("pictures", "edge-1/camera/東 1+1%.jpg", b"picture", "image/jpeg")
    assert await storage.get("pictures", "edge-1/camera/東 1+1%.jpg") == b"picture"
    (item,) = [item async for item in storage.list("pictures", "edge-1/")]
    assert (item.name, item.size, item.content_type) == ("edge-1/camera/東 1+1%.jpg", 7, "image/jpeg")


async def test_a_blob_can_be_replaced_and_deleted(storage: StorageClient) -> None:
    await storage.put("pictures", "b", b"1")
    await storage.put("pictures", "b", b"")
    assert await storage.get("pictures", "b") == b""
    assert await storage.exists("pictures", "b")
    await storage.delete("pictures", "b")
    assert not await storage.exists("pictures", "b")


async def test_a_large_blob_travels_in_blocks(storage: StorageClient) -> None:
    data = os.urandom(1 << 20) * 33
    await storage.put("pictures", "large", data, "video/mp4")
    assert await storage.get("pictures", "large") == data
    assert [item.content_type async for item in storage.list("pictures")] == ["video/mp4"]


async def test_a_container_that_exists_is_not_an_error(storage: StorageClient) -> None:
    assert not await storage.create_container("pictures")


async def test_names_with_letters_of_xml_are_listed(storage: StorageClient) -> None:
    names = sorted(["<&>", '"quoted"', "plain"])
    for name in names:
        await storage.put("pictures", name, b"")
    assert [item.name async for item in storage.list("pictures")] == names


async def test_a_long_listing_is_read_to_its_end(storage: StorageClient) -> None:
    names = [f"{number:04}" for number in range(5)]
    for name in names:
        await storage.put("pictures", name, b"")
    assert [item.name async for item in storage.list("pictures", page=2)] == names


async def test_a_missing_blob_is_said_to_be_missing(storage: StorageClient) -> None:
    with pytest.raises(StorageRequestError) as met:
        await storage.get("pictures", "none")
    assert (met.value.status, met.value.code) == (404, "BlobNotFound")
    assert "does not exist" in met.value.message


async def test_a_wrong_key_is_refused(connection: StorageConnection, authority: Authority) -> None:
    async with StorageClient(replace(connection, key=Secret("d3Jvbmc=")), authority.certificate) as storage:
        with pytest.raises(StorageRequestError) as met:
            await storage.create_container("pictures")
    assert (met.value.status, met.value.code) == (403, "AuthenticationFailed")


async def test_a_store_that_does_not_listen_is_a_problem() -> None:
    listener = bind("127.0.0.1", 0, "nothing")
    port = listener.getsockname()[1]
    listener.close()
    async with StorageClient(StorageConnection("hotori", KEY, f"http://127.0.0.1:{port}/hotori")) as storage:
        with pytest.raises(Problem) as met:
            await storage.create_container("pictures")
    assert met.value.code == "cloud-unreachable"


async def test_another_authority_is_a_problem(connection: StorageConnection, tmp_path: Path) -> None:
    other = Authority.open(tmp_path / "other")
    async with StorageClient(connection, other.certificate) as storage:
        with pytest.raises(Problem) as met:
            await storage.create_container("pictures")
    assert met.value.code == "certificate-untrusted"
