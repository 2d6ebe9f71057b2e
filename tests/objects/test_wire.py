"""Requests and answers as they are on the wire (contract, 1 to 4)."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from email.utils import formatdate
from pathlib import Path
from time import time

import httpx
import pytest

from hotori.model.connection_string import StorageConnection
from hotori.model.shared_key import SignedRequest
from hotori.net.http import HttpServer
from hotori.net.ports import bind
from hotori.objects.blob_files import BlobFiles
from hotori.objects.server import objects_app
from hotori.store.memory import MemoryRecords
from tests.objects.conftest import KEY


class Raw:
    """Sends signed requests with whatever headers one likes."""

    def __init__(self, http: httpx.AsyncClient, connection: StorageConnection) -> None:
        self._http, self.connection = http, connection

    async def __call__(
        self, method: str, path: str, content: bytes = b"", *, date: float | None = None, **headers: str
    ) -> httpx.Response:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        sent.setdefault("x-ms-date", formatdate(time() if date is None else date, usegmt=True))
        request = self._http.build_request(method, self.connection.endpoint + path, content=content, headers=sent)
        target, _, query = request.url.raw_path.decode().partition("?")
        signed = SignedRequest(method, target, query, dict(request.headers))
        request.headers["authorization"] = signed.authorization(self.connection.account, self.connection.key)
        return await self._http.send(request)


@pytest.fixture
async def raw(connection: StorageConnection) -> Raw:
    # One connection for each request: the fixture's loop goes down before idle ones would.
    http = httpx.AsyncClient(limits=httpx.Limits(max_keepalive_connections=0))
    sender = Raw(http, connection)
    assert (await sender("PUT", "/pictures?restype=container")).status_code == 201
    return sender


BLOCK_BLOB = {"x_ms_blob_type": "BlockBlob"}


@pytest.mark.parametrize("version", ["2011-08-18", "2019-02-02", "2026-10-06", "2099-01-01"])
async def test_any_version_is_accepted_and_echoed(raw: Raw, version: str) -> None:
    answer = await raw("GET", "/?comp=list", x_ms_version=version, x_ms_client_request_id="mine")
    assert answer.status_code == 200
    assert answer.headers["x-ms-version"] == version
    assert answer.headers["x-ms-client-request-id"] == "mine"
    assert answer.headers["x-ms-request-id"]
    assert answer.headers["content-type"] == "application/xml"


async def test_an_error_says_its_code_in_header_and_body(raw: Raw) -> None:
    answer = await raw("GET", "/pictures/none")
    assert (answer.status_code, answer.headers["x-ms-error-code"]) == (404, "BlobNotFound")
    assert "<Error><Code>BlobNotFound</Code><Message>" in answer.text
    head = await raw("HEAD", "/pictures/none")
    assert (head.status_code, head.headers["x-ms-error-code"], head.content) == (404, "BlobNotFound", b"")


async def test_content_that_does_not_match_its_md5_is_not_kept(raw: Raw, store: BlobFiles) -> None:
    md5 = base64.b64encode(hashlib.md5(b"other", usedforsecurity=False).digest()).decode()
    answer = await raw("PUT", "/pictures/b", b"x", content_md5=md5, **BLOCK_BLOB)
    assert (answer.status_code, answer.headers["x-ms-error-code"]) == (400, "Md5Mismatch")
    broken = await raw("PUT", "/pictures/b", b"x", content_md5="bm90IGFuIG1kNQ==", **BLOCK_BLOB)
    assert (broken.status_code, broken.headers["x-ms-error-code"]) == (400, "InvalidMd5")
    assert (await raw("HEAD", "/pictures/b")).status_code == 404
    assert await store.content.sweep(frozenset()) == 0


async def test_a_request_of_another_hour_is_refused_with_both_times(raw: Raw) -> None:
    answer = await raw("GET", "/?comp=list", date=time() - 3600)
    assert (answer.status_code, answer.headers["x-ms-error-code"]) == (403, "AuthenticationFailed")
    assert "away from the server's clock" in answer.text


async def test_an_unknown_comp_is_refused(raw: Raw) -> None:
    answer = await raw("GET", "/pictures/b?comp=nonsense")
    assert (answer.status_code, answer.headers["x-ms-error-code"]) == (400, "InvalidQueryParameterValue")


@pytest.mark.parametrize("size", ["0", "-1", "many"])
async def test_a_page_has_a_size(raw: Raw, size: str) -> None:
    assert (await raw("GET", f"/pictures?restype=container&comp=list&maxresults={size}")).status_code == 400


async def test_the_request_s_own_type_counts_where_there_is_no_better(raw: Raw) -> None:
    await raw("PUT", "/pictures/b", b"x", content_type="text/plain", **BLOCK_BLOB)
    assert (await raw("GET", "/pictures/b")).headers["content-type"] == "text/plain"


@pytest.mark.parametrize(
    ("asked", "status", "body", "where"),
    [
        ("bytes=2-4", 206, b"234", "bytes 2-4/10"),
        ("bytes=8-", 206, b"89", "bytes 8-9/10"),
        ("bytes=8-99", 206, b"89", "bytes 8-9/10"),
        ("bytes=10-", 416, None, "bytes */10"),
        ("bytes=-1", 200, b"0123456789", None),
        ("bytes=1-2,4-5", 200, b"0123456789", None),
        ("lines=1-2", 200, b"0123456789", None),
    ],
)
async def test_ranges(raw: Raw, asked: str, status: int, body: bytes | None, where: str | None) -> None:
    await raw("PUT", "/pictures/b", b"0123456789", **BLOCK_BLOB)
    answer = await raw("GET", "/pictures/b", x_ms_range=asked)
    assert (answer.status_code, answer.headers.get("content-range")) == (status, where)
    if body is not None:
        assert answer.content == body
    whole = "content-md5" if status == 200 else "x-ms-blob-content-md5"
    assert (whole in answer.headers) == (status != 416)


def content_files(folder: Path) -> list[Path]:
    return list(folder.glob("content/??/*"))


async def test_an_upload_that_breaks_off_leaves_nothing(raw: Raw, tmp_path: Path) -> None:
    host, _, rest = raw.connection.endpoint.removeprefix("http://").partition(":")
    port = int(rest.partition("/")[0])
    headers = {"x-ms-date": formatdate(usegmt=True), "x-ms-blob-type": "BlockBlob", "content-length": "1000000"}
    signed = SignedRequest("PUT", "/hotori/pictures/b", "", headers)
    headers["authorization"] = signed.authorization("hotori", raw.connection.key)
    reader, writer = await asyncio.open_connection(host, port)
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    writer.write(f"PUT /hotori/pictures/b HTTP/1.1\r\nhost: x\r\n{lines}\r\n".encode() + bytes(900_000))
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    assert await reader.read() == b""
    async with asyncio.timeout(30):
        while content_files(tmp_path):
            await asyncio.sleep(0.01)
    assert (await raw("HEAD", "/pictures/b")).status_code == 404


async def test_a_reader_gets_the_old_content_whole_while_it_is_replaced(raw: Raw) -> None:
    old, new = b"o" * (4 << 20), b"new"
    await raw("PUT", "/pictures/b", old, **BLOCK_BLOB)
    reading = asyncio.create_task(raw("GET", "/pictures/b"))
    await raw("PUT", "/pictures/b", new, **BLOCK_BLOB)
    assert (await reading).content in (old, new)
    assert (await raw("GET", "/pictures/b")).content == new


async def test_of_many_that_want_to_be_first_one_is(raw: Raw) -> None:
    uploads = [raw("PUT", "/pictures/b", b"%d" % number, if_none_match="*", **BLOCK_BLOB) for number in range(8)]
    statuses = sorted(answer.status_code for answer in await asyncio.gather(*uploads))
    assert statuses == [201] + [409] * 7


@pytest.mark.parametrize(
    "body", [b"", b"<BlockList>", b"<Blocks/>", b"<BlockList><Newest>QQ==</Newest></BlockList>", b"\xff"]
)
async def test_a_block_list_is_xml_of_its_form(raw: Raw, body: bytes) -> None:
    answer = await raw("PUT", "/pictures/b?comp=blocklist", body)
    assert (answer.status_code, answer.headers["x-ms-error-code"]) == (400, "InvalidXmlDocument")


async def test_block_ids_of_a_blob_have_one_length(raw: Raw) -> None:
    assert (await raw("PUT", "/pictures/b?comp=block&blockid=QUFB", b"x")).status_code == 201
    answer = await raw("PUT", "/pictures/b?comp=block&blockid=QQ%3D%3D", b"x")
    assert (answer.status_code, answer.headers["x-ms-error-code"]) == (400, "InvalidBlobOrBlock")
    junk = await raw("PUT", "/pictures/b?comp=block&blockid=!", b"x")
    assert (junk.status_code, junk.headers["x-ms-error-code"]) == (400, "InvalidQueryParameterValue")


async def test_a_lease_that_is_not_held_is_not_ignored(raw: Raw) -> None:
    answer = await raw("PUT", "/pictures/b", b"x", x_ms_lease_id="some", **BLOCK_BLOB)
    assert (answer.status_code, answer.headers["x-ms-error-code"]) == (412, "LeaseNotPresentWithBlobOperation")


async def test_a_full_disk_is_said_to_the_client_and_to_the_log(
    full_disk: Path, caplog: pytest.LogCaptureFixture
) -> None:
    app = objects_app(BlobFiles(MemoryRecords(), full_disk), {"hotori": (KEY,)})
    async with (
        HttpServer(app, bind("127.0.0.1", 0, "object store")) as server,
        httpx.AsyncClient(limits=httpx.Limits(max_keepalive_connections=0)) as http,
    ):
        raw = Raw(http, StorageConnection("hotori", KEY, f"http://127.0.0.1:{server.port}/hotori"))
        await raw("PUT", "/pictures?restype=container")
        answer = await raw("PUT", "/pictures/b", bytes(4 << 20), **BLOCK_BLOB)
        assert (answer.status_code, answer.headers["x-ms-error-code"]) == (507, "InsufficientStorage")
        assert "Free some space" in answer.text
        assert (await raw("PUT", "/pictures/b", bytes(1 << 10), **BLOCK_BLOB)).status_code == 201
    assert any(record.message.startswith("disk-full: ") for record in caplog.records)
