"""A client of an object store that speaks the Azure Blob REST API: ours, or any other.

StorageRequestError     the store answered, and said no; `code` is the contract's
"""

from __future__ import annotations

import base64
import re
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from email.utils import formatdate
from html import unescape
from pathlib import Path
from types import MappingProxyType
from typing import TypeAlias
from urllib.parse import quote

import httpx

from hotori.model.connection_string import StorageConnection
from hotori.model.shared_key import SignedRequest
from hotori.net.tls import client_context
from hotori.sdk.http_problem import transport_problem

Clock: TypeAlias = Callable[[], float]

_VERSION = "2025-01-05"
_BLOCK = 8 << 20
_SINGLE_PUT = 32 << 20
_PAGE = 1000
_BLOB = re.compile(r"<Blob>.*?</Blob>", re.DOTALL)


class StorageRequestError(Exception):
    """A request that the store did not do: its HTTP status, the contract's code and its words."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"{code or status}: {message}")
        self.status, self.code, self.message = status, code, message


@dataclass(frozen=True, slots=True)
class BlobItem:
    """A line of a listing."""

    name: str
    size: int
    content_type: str
    modified: str
    """As in `Mon, 01 Feb 2027 00:00:00 GMT`."""


class StorageClient:
    """One account of an object store; `async with StorageClient(connection) as storage`.

    Every method raises the problem `cloud-unreachable` or `certificate-untrusted` where no answer came, and
    StorageRequestError where the answer was no. `authority` is the certificate to trust, if the system's own
    list does not: a PEM file, or its text.
    """

    def __init__(
        self, connection: StorageConnection, authority: Path | str | None = None, clock: Clock = time.time
    ) -> None:
        self._connection, self._clock = connection, clock
        tls = client_context(authority) if connection.endpoint.startswith("https") else True
        self._http = httpx.AsyncClient(verify=tls, timeout=httpx.Timeout(30, pool=None), trust_env=False)

    async def __aenter__(self) -> StorageClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        await self._http.aclose()

    async def create_container(self, container: str) -> bool:
        """Make it; False where it exists already."""
        try:
            await self._send("PUT", container, query="restype=container")
        except StorageRequestError as error:
            if error.code != "ContainerAlreadyExists":
                raise
            return False
        return True

    async def put(
        self,
        container: str,
        name: str,
        data: bytes,
        content_type: str = "application/octet-stream",
        metadata: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Store a blob, over an older one of that name; whole or not at all. Large ones travel in blocks.

        Names in `metadata` are letters, digits and `_`; values are ASCII.
        """
        meta = {f"x-ms-meta-{key}": value for key, value in metadata.items()}
        if len(data) > _SINGLE_PUT:
            await self._put_in_blocks(container, name, data, {"x-ms-blob-content-type": content_type, **meta})
            return
        headers = {"x-ms-blob-type": "BlockBlob", "content-type": content_type, **meta}
        await self._send("PUT", container, name, content=data, headers=headers)

    async def get(self, container: str, name: str) -> bytes:
        """A blob's content."""
        return (await self._send("GET", container, name)).content

    async def exists(self, container: str, name: str) -> bool:
        """Whether there is such a blob."""
        try:
            await self._send("HEAD", container, name)
        except StorageRequestError as error:
            if error.status != 404:
                raise
            return False
        return True

    async def delete(self, container: str, name: str) -> None:
        """Remove a blob."""
        await self._send("DELETE", container, name)

    async def list(self, container: str, prefix: str = "", page: int = _PAGE) -> AsyncIterator[BlobItem]:
        """The blobs whose names begin with `prefix`, by name; asked for in pages of so many."""
        query = f"restype=container&comp=list&maxresults={page}&prefix={quote(prefix, safe='')}"
        marker = ""
        while True:
            text = (await self._send("GET", container, query=f"{query}&marker={quote(marker, safe='')}")).text
            for blob in _BLOB.findall(text):
                yield _item(blob)
            marker = _text(text, "NextMarker")
            if not marker:
                return

    async def _put_in_blocks(self, container: str, name: str, data: bytes, headers: Mapping[str, str]) -> None:
        blocks = [base64.b64encode(b"%08d" % at).decode() for at in range(0, len(data), _BLOCK)]
        for number, block in enumerate(blocks):
            part = data[number * _BLOCK : (number + 1) * _BLOCK]
            query = f"comp=block&blockid={quote(block, safe='')}"
            await self._send("PUT", container, name, query=query, content=part)
        entries = "".join(f"<Latest>{block}</Latest>" for block in blocks)
        document = f"<?xml version='1.0' encoding='utf-8'?><BlockList>{entries}</BlockList>".encode()
        await self._send("PUT", container, name, query="comp=blocklist", content=document, headers=headers)

    async def _send(
        self,
        method: str,
        container: str,
        name: str = "",
        *,
        query: str = "",
        content: bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        url = self._url(container, name, query)
        request = self._http.build_request(method, url, content=content, headers=headers)
        if method in ("PUT", "DELETE"):
            request.headers["content-length"] = str(len(content))
        self._sign(request)
        try:
            response = await self._http.send(request)
        except httpx.TransportError as error:
            raise transport_problem(self._connection.endpoint, error) from error
        if not response.is_success:
            raise _refused(response)
        return response

    def _url(self, container: str, name: str, query: str) -> httpx.URL:
        base = httpx.URL(self._connection.endpoint)
        path = f"{base.path}/{container}" + (f"/{quote(name, safe='/~')}" if name else "")
        return base.copy_with(raw_path=(path + (f"?{query}" if query else "")).encode())

    def _sign(self, request: httpx.Request) -> None:
        request.headers["x-ms-date"] = formatdate(self._clock(), usegmt=True)
        request.headers["x-ms-version"] = _VERSION
        path, _, query = request.url.raw_path.decode().partition("?")
        signed = SignedRequest(request.method, path, query, dict(request.headers))
        request.headers["authorization"] = signed.authorization(self._connection.account, self._connection.key)


def _item(blob: str) -> BlobItem:
    return BlobItem(
        name=_text(blob, "Name"),
        size=int(_text(blob, "Content-Length") or 0),
        content_type=_text(blob, "Content-Type"),
        modified=_text(blob, "Last-Modified"),
    )


def _text(document: str, element: str) -> str:
    """An element's text; these documents repeat no name inside one entry."""
    match = re.search(rf"<{element}(?: [^>]*)?>([^<]*)</{element}>", document)
    return unescape(match[1]) if match else ""


def _refused(response: httpx.Response) -> StorageRequestError:
    code = response.headers.get("x-ms-error-code", "")
    message = _text(response.text, "Message").partition("\n")[0] or response.reason_phrase
    return StorageRequestError(response.status_code, code, message)
