"""A request to the object store, read, and the answer to it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from enum import StrEnum
from functools import lru_cache
from urllib.parse import unquote

from hotori.model.shared_key import SignedRequest, parse_query
from hotori.net.http import Receive, Scope
from hotori.objects.blob import Blob, check_blob_name, check_metadata
from hotori.objects.content_files import Reading
from hotori.objects.errors import StorageError

_META = "x-ms-meta-"


class Level(StrEnum):
    """What a path speaks of."""

    ACCOUNT = "account"
    CONTAINER = "container"
    BLOB = "blob"


class ClientGoneError(Exception):
    """The client left before its body was complete."""


@dataclass(frozen=True, slots=True)
class Call:
    """A request: header and parameter names in lower case, path parts decoded once (contract, 0)."""

    signed: SignedRequest
    account: str
    container: str
    blob: str
    parameters: Mapping[str, str]
    secure: bool
    peer: str
    receive: Receive = field(repr=False)
    may_overwrite: bool = True
    """False for a token that may create blobs but not write over them."""

    @property
    def method(self) -> str:
        return self.signed.method

    @property
    def headers(self) -> Mapping[str, str]:
        return self.signed.headers

    @property
    def level(self) -> Level:
        if self.blob:
            return Level.BLOB
        return Level.CONTAINER if self.container else Level.ACCOUNT

    def header(self, name: str) -> str:
        """The header's value, or an empty text."""
        return self.headers.get(name, "")

    def metadata(self) -> dict[str, str]:
        """What the headers `x-ms-meta-*` say. Raises StorageError InvalidMetadata."""
        return check_metadata({n.removeprefix(_META): v for n, v in self.headers.items() if n.startswith(_META)})

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it arrives. Raises ClientGoneError."""
        more = True
        while more:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                raise ClientGoneError
            if body := message.get("body", b""):
                yield body
            more = message.get("more_body", False)

    async def body(self, limit: int) -> bytes:
        """The whole body. Raises StorageError RequestBodyTooLarge beyond `limit` bytes."""
        gathered = bytearray()
        async for chunk in self.chunks():
            gathered += chunk
            if len(gathered) > limit:
                raise StorageError("RequestBodyTooLarge")
        return bytes(gathered)


def read_call(scope: Scope, receive: Receive) -> Call:
    """Take a request apart. Raises StorageError where its path means nothing."""
    path = scope.get("raw_path", scope["path"].encode()).decode("latin-1")
    query = scope["query_string"].decode("latin-1")
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
    account, container, blob = _parts(path)
    return Call(
        signed=SignedRequest(scope["method"], path, query, headers),
        account=account,
        container=container,
        blob=check_blob_name(blob) if blob else "",
        parameters={name: values[-1] for name, values in parse_query(query).items()},
        secure=scope.get("scheme") == "https",
        peer=(scope.get("client") or ("", 0))[0],
        receive=receive,
    )


def _parts(path: str) -> tuple[str, str, str]:
    """`/account/container/blob/with/slashes`, each part percent-decoded; a `+` is a plus."""
    account, _, rest = path.removeprefix("/").partition("/")
    container, _, blob = rest.partition("/")
    try:
        return unquote(account, errors="strict"), unquote(container, errors="strict"), unquote(blob, errors="strict")
    except UnicodeDecodeError as error:
        raise StorageError("InvalidUri") from error


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back. A `Reading` is streamed; its length is the content's."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | Reading = b""
    length: int | None = None
    """What Content-Length says where it is not the body's, as for HEAD."""

    @property
    def content_length(self) -> int:
        if self.length is not None:
            return self.length
        return self.body.length if isinstance(self.body, Reading) else len(self.body)


@lru_cache(maxsize=4096)
def http_date(seconds: int) -> str:
    """As in `Mon, 01 Feb 2027 00:00:00 GMT`."""
    return formatdate(seconds, usegmt=True)


def stamp_headers(etag: str, modified: int) -> dict[str, str]:
    return {"ETag": f'"{etag}"', "Last-Modified": http_date(modified)}


def metadata_headers(metadata: Mapping[str, str]) -> dict[str, str]:
    return {f"{_META}{name}": value for name, value in metadata.items()}


def written(blob: Blob, **headers: str) -> dict[str, str]:
    """The headers of an answer to a write."""
    return {**stamp_headers(blob.etag, blob.modified), "x-ms-request-server-encrypted": "true", **headers}
