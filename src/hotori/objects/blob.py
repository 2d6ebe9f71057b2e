"""The nouns of the object store."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from hotori.objects.errors import StorageError

DEFAULT_TYPE = "application/octet-stream"

_CONTAINER_NAME = re.compile(r"[a-z0-9](?:-?[a-z0-9])+|\$root|\$web|\$logs")
_METADATA_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LONGEST_BLOB_NAME = 1024
_LONGEST_BLOCK_ID = 64
_NONE: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Container:
    """A named set of blobs. `id` is its own: a container that is made again is another one."""

    account: str
    name: str
    id: str
    etag: str
    modified: int
    metadata: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Piece:
    """A file with a part of a blob's content. `block` is the id it was uploaded under, empty if in one go."""

    file: str
    size: int
    block: str = ""
    staged: int = 0
    """When a block without a blob arrived, in Unix seconds."""


@dataclass(frozen=True, slots=True)
class Headers:
    """What a blob's content says of itself over HTTP; an empty text is absent. `md5` is base64."""

    content_type: str = DEFAULT_TYPE
    content_encoding: str = ""
    content_language: str = ""
    content_disposition: str = ""
    cache_control: str = ""
    md5: str = ""


@dataclass(frozen=True, slots=True)
class Blob:
    """A block blob: content in pieces, in order. Times are Unix seconds; `etag` comes without quotation marks."""

    pieces: tuple[Piece, ...] = ()
    headers: Headers = Headers()
    metadata: dict[str, str] = field(default_factory=dict)
    tier: str = ""
    etag: str = ""
    created: int = 0
    modified: int = 0

    @property
    def size(self) -> int:
        return sum(piece.size for piece in self.pieces)

    @property
    def files(self) -> frozenset[str]:
        return frozenset(piece.file for piece in self.pieces)


def check_container_name(name: str) -> str:
    """The name, if a container may have it (contract, 0). Raises StorageError."""
    if not 3 <= len(name) <= 63:
        raise StorageError("OutOfRangeInput", "A container's name has 3 to 63 characters.")
    if not _CONTAINER_NAME.fullmatch(name):
        raise StorageError("InvalidResourceName")
    return name


def check_blob_name(name: str) -> str:
    """The name, if a blob may have it. Raises StorageError."""
    if not 1 <= len(name) <= _LONGEST_BLOB_NAME:
        raise StorageError("OutOfRangeInput", f"A blob's name has 1 to {_LONGEST_BLOB_NAME} characters.")
    return name


def check_metadata(metadata: Mapping[str, str]) -> dict[str, str]:
    """The metadata, if every name is an identifier. Raises StorageError."""
    if not all(_METADATA_NAME.fullmatch(name) for name in metadata):
        raise StorageError("InvalidMetadata")
    return dict(metadata)


def check_block_id(block: str) -> str:
    """The id, if it is base64 of at most 64 bytes (contract, 5). Raises StorageError."""
    try:
        raw = base64.b64decode(block, validate=True)
    except binascii.Error as error:
        raise StorageError("InvalidQueryParameterValue", "A block ID is base64 text.") from error
    if not 1 <= len(raw) <= _LONGEST_BLOCK_ID:
        raise StorageError("InvalidBlobOrBlock")
    return block
