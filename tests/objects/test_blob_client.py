"""The unmodified azure-storage-blob client beside a running object store (contract, 7 and 8)."""

from __future__ import annotations

import asyncio
import io
import os
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import ParamSpec, TypeVar

import pytest
from azure.core import MatchConditions
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ResourceExistsError,
    ResourceModifiedError,
    ResourceNotFoundError,
)
from azure.storage.blob import (
    BlobBlock,
    BlobClient,
    BlobPrefix,
    BlobServiceClient,
    ContainerClient,
    ContentSettings,
    generate_account_sas,
    generate_blob_sas,
    generate_container_sas,
)

from hotori.model.connection_string import StorageConnection
from hotori.objects.blob_files import BlobFiles

P = ParamSpec("P")
R = TypeVar("R")


async def call(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """The client blocks; the server runs in this loop."""
    return await asyncio.to_thread(function, *args, **kwargs)


@pytest.fixture
async def service(connection: StorageConnection) -> AsyncIterator[BlobServiceClient]:
    with BlobServiceClient.from_connection_string(connection.format(), retry_total=0) as service:
        yield service


@pytest.fixture
async def container(service: BlobServiceClient) -> ContainerClient:
    return await call(service.create_container, "pictures")


def content_of(container: ContainerClient, name: str, **options: object) -> bytes:
    data: bytes = container.download_blob(name, **options).readall()
    return data


async def test_what_is_uploaded_is_downloaded(container: ContainerClient) -> None:
    blob = await call(container.upload_blob, "hello.txt", b"Hello, world!")
    assert await call(content_of, container, "hello.txt") == b"Hello, world!"
    properties = await call(blob.get_blob_properties)
    assert properties.size == 13
    assert properties.blob_type == "BlockBlob"
    assert properties.content_settings.content_type == "application/octet-stream"
    assert bytes(properties.content_settings.content_md5).hex() == "6cd3556deb0da54bca060b4c39479839"


async def test_a_name_with_every_kind_of_letter_survives_the_path(container: ContainerClient) -> None:
    name = "dir one//blob é%+#?&=東.txt"
    await call(container.upload_blob, name, b"x")
    assert await call(content_of, container, name) == b"x"
    assert [blob.name for blob in await call(lambda: list(container.list_blobs()))] == [name]


async def test_an_empty_blob_is_downloaded(container: ContainerClient) -> None:
    await call(container.upload_blob, "empty", b"")
    assert await call(content_of, container, "empty") == b""


async def test_a_blob_is_not_overwritten_unless_told(container: ContainerClient) -> None:
    await call(container.upload_blob, "b", b"1")
    with pytest.raises(ResourceExistsError) as met:
        await call(container.upload_blob, "b", b"2")
    assert met.value.error_code == "BlobAlreadyExists"
    await call(container.upload_blob, "b", b"3", overwrite=True)
    assert await call(content_of, container, "b") == b"3"


async def test_a_large_blob_travels_in_blocks(connection: StorageConnection, container: ContainerClient) -> None:
    data = os.urandom(9 << 20)
    options = {"max_single_put_size": 1 << 20, "max_block_size": 1 << 20}
    with BlobClient.from_connection_string(connection.format(), "pictures", "large", **options) as blob:
        await call(blob.upload_blob, io.BytesIO(data), max_concurrency=4)
    assert await call(content_of, container, "large") == data
    blocks, waiting = await call(container.get_blob_client("large").get_block_list, "all")
    assert [block.size for block in blocks] == [1 << 20] * 9
    assert waiting == []


async def test_a_range_crosses_blocks(connection: StorageConnection, container: ContainerClient) -> None:
    blob = container.get_blob_client("b")
    for block in ("a", "b", "c"):
        await call(blob.stage_block, block, block.encode() * 10)
    await call(blob.commit_block_list, [BlobBlock(block) for block in ("a", "b", "c", "a")])
    assert await call(content_of, container, "b", offset=5, length=20) == b"aaaaabbbbbbbbbbccccc"
    assert await call(content_of, container, "b", offset=35, length=100) == b"aaaaa"


async def test_a_range_beyond_the_end_is_invalid(container: ContainerClient) -> None:
    await call(container.upload_blob, "b", b"123")
    with pytest.raises(HttpResponseError) as met:
        await call(content_of, container, "b", offset=3, length=1)
    assert (met.value.status_code, met.value.error_code) == (416, "InvalidRange")


async def test_a_range_can_be_checked_by_its_md5(container: ContainerClient) -> None:
    await call(container.upload_blob, "b", b"0123456789", validate_content=True)
    assert await call(content_of, container, "b", offset=2, length=3, validate_content=True) == b"234"


async def test_blocks_that_wait_can_be_seen_and_committed_blocks_used_again(container: ContainerClient) -> None:
    blob = container.get_blob_client("b")
    await call(blob.stage_block, "1", b"one")
    assert not await call(blob.exists)
    committed, waiting = await call(blob.get_block_list, "all")
    assert (committed, [block.size for block in waiting]) == ([], [3])
    await call(blob.commit_block_list, [BlobBlock("1")])
    await call(blob.stage_block, "2", b"two")
    await call(blob.commit_block_list, [BlobBlock("2"), BlobBlock("1")])
    assert await call(content_of, container, "b") == b"twoone"


async def test_a_list_with_an_unknown_block_is_refused(container: ContainerClient) -> None:
    with pytest.raises(HttpResponseError) as met:
        await call(container.get_blob_client("b").commit_block_list, [BlobBlock("nowhere")])
    assert (met.value.status_code, met.value.error_code) == (400, "InvalidBlockList")


async def test_blobs_are_listed_by_prefix_and_folder_and_page(container: ContainerClient) -> None:
    for name in ("a/1", "a/2", "a/3", "b/1", "c"):
        await call(container.upload_blob, name, name.encode(), metadata={"of": name[0]})
    listed = await call(lambda: list(container.list_blobs(name_starts_with="a/", include=["metadata"])))
    assert [(blob.name, blob.size, blob.metadata) for blob in listed] == [
        (f"a/{number}", 3, {"of": "a"}) for number in (1, 2, 3)
    ]
    walked = await call(lambda: list(container.walk_blobs()))
    assert [item.name for item in walked] == ["a/", "b/", "c"]
    assert isinstance(walked[0], BlobPrefix)
    pages = await call(lambda: [list(page) for page in container.list_blobs(results_per_page=2).by_page()])
    assert [[blob.name for blob in page] for page in pages] == [["a/1", "a/2"], ["a/3", "b/1"], ["c"]]
    folders = await call(lambda: [list(page) for page in container.walk_blobs(results_per_page=1).by_page()])
    assert [[item.name for item in page] for page in folders] == [["a/"], ["b/"], ["c"]]


async def test_a_name_that_xml_cannot_hold_is_listed(container: ContainerClient) -> None:
    await call(container.upload_blob, "bell\u0007", b"")
    assert [blob.name for blob in await call(lambda: list(container.list_blobs()))] == ["bell\u0007"]


async def test_containers_are_made_listed_and_deleted(service: BlobServiceClient, container: ContainerClient) -> None:
    await call(service.create_container, "more", metadata={"purpose": "test"})
    with pytest.raises(ResourceExistsError) as met:
        await call(service.create_container, "more")
    assert met.value.error_code == "ContainerAlreadyExists"
    listed = await call(lambda: list(service.list_containers(include_metadata=True)))
    assert [(one.name, one.metadata or {}) for one in listed] == [("more", {"purpose": "test"}), ("pictures", {})]
    await call(container.upload_blob, "b", b"x")
    await call(container.delete_container)
    assert not await call(container.exists)
    with pytest.raises(ResourceNotFoundError):
        await call(content_of, container, "b")
    await call(service.create_container, "pictures")
    assert await call(lambda: list(container.list_blobs())) == []


async def test_container_pages_follow_each_other(service: BlobServiceClient) -> None:
    for name in ("one", "three", "two"):
        await call(service.create_container, name)
    pages = await call(lambda: [list(page) for page in service.list_containers(results_per_page=2).by_page()])
    assert [[one.name for one in page] for page in pages] == [["one", "three"], ["two"]]


@pytest.mark.parametrize(
    ("name", "code"), [("Upper", "InvalidResourceName"), ("a--b", "InvalidResourceName"), ("ab", "OutOfRangeInput")]
)
async def test_a_bad_container_name_is_refused(service: BlobServiceClient, name: str, code: str) -> None:
    with pytest.raises(HttpResponseError) as met:
        await call(service.create_container, name)
    assert (met.value.status_code, met.value.error_code) == (400, code)


async def test_public_containers_are_refused(service: BlobServiceClient) -> None:
    with pytest.raises(HttpResponseError) as met:
        await call(service.create_container, "open", public_access="blob")
    assert met.value.error_code == "PublicAccessNotPermitted"


async def test_metadata_and_headers_can_be_set(container: ContainerClient) -> None:
    settings = ContentSettings(content_type="image/png", cache_control="no-store", content_language="ja")
    blob = await call(
        container.upload_blob, "b", b"x", metadata={"first_one": "1", "firstone": "2"}, content_settings=settings
    )
    before = await call(blob.get_blob_properties)
    assert before.metadata == {"first_one": "1", "firstone": "2"}
    assert before.content_settings.content_type == "image/png"
    assert before.content_settings.cache_control == "no-store"
    await call(blob.set_blob_metadata, {"second": "2"})
    await call(blob.set_http_headers, ContentSettings(content_type="image/jpeg"))
    after = await call(blob.get_blob_properties)
    assert after.metadata == {"second": "2"}
    assert (after.content_settings.content_type, after.content_settings.cache_control) == ("image/jpeg", None)
    assert after.etag != before.etag
    assert after.creation_time == before.creation_time


async def test_metadata_names_are_identifiers(container: ContainerClient) -> None:
    with pytest.raises(HttpResponseError) as met:
        await call(container.upload_blob, "b", b"x", metadata={"not-one": "1"})
    assert met.value.error_code == "InvalidMetadata"


async def test_container_metadata_can_be_set(container: ContainerClient) -> None:
    await call(container.set_container_metadata, {"season": "spring"})
    properties = await call(container.get_container_properties)
    assert properties.metadata == {"season": "spring"}


async def test_conditions_are_kept(container: ContainerClient) -> None:
    blob = await call(container.upload_blob, "b", b"1")
    etag = (await call(blob.get_blob_properties)).etag
    await call(blob.upload_blob, b"2", overwrite=True, etag=etag, match_condition=MatchConditions.IfNotModified)
    with pytest.raises(ResourceModifiedError):
        await call(blob.upload_blob, b"3", overwrite=True, etag=etag, match_condition=MatchConditions.IfNotModified)
    with pytest.raises(ResourceModifiedError):
        await call(content_of, container, "b", etag=etag, match_condition=MatchConditions.IfNotModified)
    now = (await call(blob.get_blob_properties)).etag
    with pytest.raises(HttpResponseError) as met:
        await call(blob.get_blob_properties, etag=now, match_condition=MatchConditions.IfModified)
    assert met.value.status_code == 304
    later = datetime.now(UTC) + timedelta(hours=1)
    with pytest.raises(HttpResponseError) as met:
        await call(blob.get_blob_properties, if_modified_since=later)
    assert met.value.status_code == 304
    with pytest.raises(ResourceModifiedError):
        await call(blob.delete_blob, if_unmodified_since=later - timedelta(days=2))


async def test_a_deleted_blob_is_gone(container: ContainerClient) -> None:
    blob = await call(container.upload_blob, "b", b"1")
    await call(blob.delete_blob)
    assert not await call(blob.exists)
    with pytest.raises(ResourceNotFoundError) as met:
        await call(blob.delete_blob)
    assert met.value.error_code == "BlobNotFound"


async def test_the_tier_is_remembered(container: ContainerClient) -> None:
    blob = await call(container.upload_blob, "b", b"1")
    assert (await call(blob.get_blob_properties)).blob_tier_inferred
    await call(blob.set_standard_blob_tier, "Cool")
    assert (await call(blob.get_blob_properties)).blob_tier == "Cool"


async def test_a_wrong_key_is_refused(connection: StorageConnection, container: ContainerClient) -> None:
    wrong = connection.format().replace(connection.key.reveal(), "d3Jvbmc=")
    with (
        BlobClient.from_connection_string(wrong, "pictures", "b") as blob,
        pytest.raises(ClientAuthenticationError) as met,
    ):
        await call(blob.upload_blob, b"x")
    assert (met.value.status_code, met.value.error_code) == (403, "AuthenticationFailed")
    assert "Signed here: " in str(met.value)


async def test_an_unknown_account_is_not_found(connection: StorageConnection) -> None:
    other = connection.format().replace("/hotori;", "/nobody;").replace("AccountName=hotori", "AccountName=nobody")
    with (
        BlobServiceClient.from_connection_string(other) as service,
        pytest.raises(ResourceNotFoundError) as met,
    ):
        await call(service.create_container, "pictures")
    assert met.value.error_code == "ResourceNotFound"


async def test_nobody_gets_in_without_a_signature(connection: StorageConnection, container: ContainerClient) -> None:
    with (
        BlobClient(connection.endpoint, "pictures", "b") as blob,
        pytest.raises(HttpResponseError) as met,
    ):
        await call(blob.upload_blob, b"x")
    assert (met.value.status_code, met.value.error_code) == (403, "AuthorizationFailure")


@pytest.mark.parametrize(
    "ask",
    [
        lambda blob: blob.create_snapshot(),
        lambda blob: blob.acquire_lease(),
        lambda blob: blob.set_blob_tags({"a": "b"}),
        lambda blob: blob.upload_blob(b"x", blob_type="AppendBlob"),
        lambda blob: blob.upload_blob(b"x", overwrite=True, tags={"a": "b"}),
        lambda blob: blob.start_copy_from_url("http://127.0.0.1/x"),
    ],
    ids=["snapshot", "lease", "tags", "append", "put with tags", "copy"],
)
async def test_what_is_not_kept_is_said_to_be_so(
    container: ContainerClient, ask: Callable[[BlobClient], object]
) -> None:
    blob = await call(container.upload_blob, "b", b"x")
    with pytest.raises(HttpResponseError) as met:
        await call(ask, blob)
    assert (met.value.status_code, met.value.error_code) == (501, "APINotImplemented")


# Shared access signatures

SOON = datetime.now(UTC) + timedelta(hours=1)
PAST = datetime.now(UTC) - timedelta(hours=1)


def with_token(connection: StorageConnection, token: str, name: str = "b") -> BlobClient:
    return BlobClient(connection.endpoint, "pictures", name, credential=token)


def blob_token(connection: StorageConnection, permission: str, **options: object) -> str:
    options = {"expiry": SOON, **options}
    key = connection.key.reveal()
    return str(
        generate_blob_sas(connection.account, "pictures", "b", account_key=key, permission=permission, **options)
    )


async def test_a_token_opens_its_blob(connection: StorageConnection, container: ContainerClient) -> None:
    await call(container.upload_blob, "b", b"x")
    await call(container.upload_blob, "c", b"x")
    token = blob_token(connection, "r", content_type="text/plain")
    with with_token(connection, token) as blob:
        download = await call(blob.download_blob)
        assert await call(download.readall) == b"x"
        assert download.properties.content_settings.content_type == "text/plain"
        with pytest.raises(HttpResponseError) as met:
            await call(blob.delete_blob)
        assert met.value.error_code == "AuthorizationPermissionMismatch"
    with with_token(connection, token, "c") as blob, pytest.raises(ClientAuthenticationError):
        await call(blob.download_blob)


@pytest.mark.parametrize("options", [{"expiry": PAST}, {"start": SOON}], ids=["expired", "not yet"])
async def test_a_token_has_its_time(
    connection: StorageConnection, container: ContainerClient, options: dict[str, object]
) -> None:
    with (
        with_token(connection, blob_token(connection, "rw", **options)) as blob,
        pytest.raises(ClientAuthenticationError) as met,
    ):
        await call(blob.upload_blob, b"x")
    assert "Token valid from" in str(met.value)


@pytest.mark.parametrize(
    ("options", "code"),
    [({"protocol": "https"}, "AuthorizationProtocolMismatch"), ({"ip": "192.0.2.1"}, "AuthorizationSourceIPMismatch")],
)
async def test_a_token_is_for_its_origin(
    connection: StorageConnection, container: ContainerClient, options: dict[str, object], code: str
) -> None:
    with (
        with_token(connection, blob_token(connection, "rw", **options)) as blob,
        pytest.raises(HttpResponseError) as met,
    ):
        await call(blob.upload_blob, b"x")
    assert met.value.error_code == code


async def test_a_token_that_creates_does_not_overwrite(
    connection: StorageConnection, container: ContainerClient
) -> None:
    with with_token(connection, blob_token(connection, "c", ip="127.0.0.1-127.0.0.9")) as blob:
        await call(blob.upload_blob, b"x")
        with pytest.raises(HttpResponseError) as met:
            await call(blob.upload_blob, b"y", overwrite=True)
    assert met.value.error_code == "AuthorizationPermissionMismatch"


async def test_a_container_token_lists_and_reads(connection: StorageConnection, container: ContainerClient) -> None:
    await call(container.upload_blob, "b", b"x")
    key = connection.key.reveal()
    token = generate_container_sas(connection.account, "pictures", account_key=key, permission="rl", expiry=SOON)
    with ContainerClient(connection.endpoint, "pictures", credential=token) as client:
        assert [blob.name for blob in await call(lambda: list(client.list_blobs()))] == ["b"]
        assert await call(content_of, client, "b") == b"x"
        with pytest.raises(HttpResponseError):
            await call(client.delete_container)


async def test_an_account_token_is_for_its_types(connection: StorageConnection) -> None:
    key = connection.key.reveal()
    token = generate_account_sas(connection.account, key, "c", "rwdlc", SOON)
    with BlobServiceClient(connection.endpoint, credential=token) as service:
        container = await call(service.create_container, "pictures")
        with pytest.raises(HttpResponseError) as met:
            await call(container.upload_blob, "b", b"x")
    assert met.value.error_code == "AuthorizationResourceTypeMismatch"


async def test_nothing_is_left_on_disk_when_blobs_are_gone(store: BlobFiles, container: ContainerClient) -> None:
    blob = container.get_blob_client("b")
    await call(blob.upload_blob, b"1")
    await call(blob.upload_blob, b"2", overwrite=True)
    await call(blob.stage_block, "1", b"one")
    await call(blob.stage_block, "1", b"two")
    await call(blob.commit_block_list, [BlobBlock("1")])
    await call(blob.delete_blob)
    assert await store.content.sweep(frozenset()) == 0
