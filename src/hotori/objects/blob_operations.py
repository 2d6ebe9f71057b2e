"""What can be done with a blob (contract, 3 and 4)."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeAlias

from hotori.objects.blob import DEFAULT_TYPE, Blob, Headers
from hotori.objects.blob_files import BlobFiles, Seen
from hotori.objects.call import Answer, Call, http_date, metadata_headers, stamp_headers, written
from hotori.objects.conditions import check_read, check_write
from hotori.objects.container_operations import found_container
from hotori.objects.errors import StorageError
from hotori.objects.ranges import Part, requested_part

_Change: TypeAlias = Callable[[Blob], Blob]

_UNSUPPORTED = (
    "x-ms-content-crc64",
    "x-ms-copy-source",
    "x-ms-encryption-key",
    "x-ms-encryption-scope",
    "x-ms-if-tags",
    "x-ms-immutability-policy-mode",
    "x-ms-legal-hold",
    "x-ms-structured-body",
    "x-ms-tags",
)
_LARGEST_CHECKED_RANGE = 4 << 20
_SMALL_DIGITS = 6
"""Of the length of a body that may be received for nothing: less than a megabyte."""
_TIERS = ("Hot", "Cool", "Cold", "Archive")
_OVERRIDES = {
    "rscc": "Cache-Control",
    "rscd": "Content-Disposition",
    "rsce": "Content-Encoding",
    "rscl": "Content-Language",
    "rsct": "Content-Type",
}


async def put_blob(store: BlobFiles, call: Call) -> Answer:
    """A block blob in one go; its MD5 is kept and given back."""
    refuse_unsupported(call)
    if call.header("x-ms-blob-type") != "BlockBlob":
        raise StorageError("APINotImplemented", "Only block blobs are kept here.")
    container = await found_container(store, call)
    seen = Seen() if _surely_new(call) else await store.look(container, call.blob)
    check_overwrite(call, seen.blob)
    headers, metadata, tier = sent_headers(call), call.metadata(), sent_tier(call)
    async with store.content.incoming() as incoming:
        piece = await incoming.receive(call.chunks())
        check_md5(call, incoming.md5)
        headers = headers if headers.md5 else replace(headers, md5=incoming.md5_base64)
        draft = Blob((piece,), headers, metadata, tier)
        blob = await store.put(container, call.blob, lambda current: _accepted(call, current, draft), seen)
    return Answer(201, written(blob, **{"Content-MD5": incoming.md5_base64}))


def _surely_new(call: Call) -> bool:
    """Whether it is not worth a look before a small body: its client says that there is nothing of the name."""
    size = call.header("content-length")
    return call.header("if-none-match") == "*" and len(size) <= _SMALL_DIGITS and size.isdigit()


def _accepted(call: Call, current: Blob | None, draft: Blob) -> Blob:
    check_overwrite(call, current)
    return draft


async def get_blob(store: BlobFiles, call: Call) -> Answer:
    """All of it, or the range that was asked for."""
    refuse_unsupported(call)

    def part(blob: Blob) -> tuple[int, int]:
        check_read(call.headers, blob)
        wanted = requested_part(call.headers, blob.size)
        return wanted.start, wanted.length

    container = await found_container(store, call)
    blob, reading = await store.open(container, call.blob, part)
    wanted = requested_part(call.headers, blob.size)
    headers = {**blob_headers(blob), **_overrides(call), **_range_headers(blob, wanted)}
    if wanted.asked and call.header("x-ms-range-get-content-md5").lower() == "true":
        try:
            data = b"".join([chunk async for chunk in reading]) if wanted.length <= _LARGEST_CHECKED_RANGE else b""
        finally:
            await reading.close()
        return _checked_range(headers, data)
    return Answer(206 if wanted.asked else 200, headers, reading)


def _range_headers(blob: Blob, part: Part) -> dict[str, str]:
    """Where the MD5 of the whole blob goes depends on whether the whole blob goes."""
    md5 = blob.headers.md5
    if not part.asked:
        return {"Content-MD5": md5} if md5 else {}
    headers = {"Content-Range": part.content_range(blob.size)}
    return {**headers, "x-ms-blob-content-md5": md5} if md5 else headers


def _checked_range(headers: Mapping[str, str], data: bytes) -> Answer:
    if not data:
        raise StorageError("OutOfRangeInput", "An MD5 is computed for ranges of up to 4 MiB.")
    md5 = base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()
    return Answer(206, {**headers, "Content-MD5": md5}, data)


async def blob_properties(store: BlobFiles, call: Call) -> Answer:
    """What GET would say, without the content."""
    refuse_unsupported(call)
    blob = await _found(store, call)
    check_read(call.headers, blob)
    md5 = {"Content-MD5": blob.headers.md5} if blob.headers.md5 else {}
    tier = {"x-ms-access-tier": blob.tier or "Hot"}
    if not blob.tier:
        tier["x-ms-access-tier-inferred"] = "true"
    return Answer(200, {**blob_headers(blob), **md5, **tier, **_overrides(call)}, length=blob.size)


async def get_blob_metadata(store: BlobFiles, call: Call) -> Answer:
    blob = await _found(store, call)
    check_read(call.headers, blob)
    return Answer(200, {**stamp_headers(blob.etag, blob.modified), **metadata_headers(blob.metadata)})


async def set_blob_metadata(store: BlobFiles, call: Call) -> Answer:
    """The whole set is replaced."""
    metadata = call.metadata()
    return await _change(store, call, lambda blob: replace(blob, metadata=metadata))


async def set_blob_headers(store: BlobFiles, call: Call) -> Answer:
    """A header that is not sent is cleared."""
    headers = replace(sent_headers(call), content_type=call.header("x-ms-blob-content-type") or DEFAULT_TYPE)
    return await _change(store, call, lambda blob: replace(blob, headers=headers))


async def set_blob_tier(store: BlobFiles, call: Call) -> Answer:
    """The tier is remembered; here all content lies on the same disk."""
    tier = sent_tier(call)
    if not tier:
        raise StorageError("MissingRequiredHeader", HeaderName="x-ms-access-tier")
    await _change(store, call, lambda blob: replace(blob, tier=tier))
    return Answer(200)


async def delete_blob(store: BlobFiles, call: Call) -> Answer:
    refuse_unsupported(call)
    _refuse_lease(call)
    container = await found_container(store, call)
    await store.delete(container, call.blob, lambda blob: check_write(call.headers, blob))
    return Answer(202, {"x-ms-delete-type-permanent": "true"})


# What the block operations use too


def refuse_unsupported(call: Call) -> None:
    """A header whose meaning is not kept must not be ignored. Raises StorageError APINotImplemented."""
    if "snapshot" in call.parameters or "versionid" in call.parameters:
        raise StorageError("APINotImplemented", "Snapshots and versions are not kept here.")
    for name in _UNSUPPORTED:
        if name in call.headers and not (name == "x-ms-structured-body" and call.method == "GET"):
            raise StorageError("APINotImplemented", f"The header {name} is not supported.", HeaderName=name)


def check_overwrite(call: Call, current: Blob | None) -> None:
    """Raise StorageError where the request's conditions or its token forbid the write."""
    _refuse_lease(call)
    check_write(call.headers, current)
    if current is not None and not call.may_overwrite:
        raise StorageError("AuthorizationPermissionMismatch")


def check_md5(call: Call, md5: bytes) -> None:
    """Compare what arrived with Content-MD5. Raises StorageError InvalidMd5 or Md5Mismatch."""
    text = call.header("content-md5")
    if not text:
        return
    try:
        expected = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise StorageError("InvalidMd5") from error
    if len(expected) != len(md5):
        raise StorageError("InvalidMd5")
    if expected != md5:
        raise StorageError("Md5Mismatch")


def sent_headers(call: Call) -> Headers:
    """What the request says of the content; its own Content-Type counts where there is nothing better."""
    return Headers(
        content_type=call.header("x-ms-blob-content-type") or call.header("content-type") or DEFAULT_TYPE,
        content_encoding=call.header("x-ms-blob-content-encoding"),
        content_language=call.header("x-ms-blob-content-language"),
        content_disposition=call.header("x-ms-blob-content-disposition"),
        cache_control=call.header("x-ms-blob-cache-control"),
        md5=call.header("x-ms-blob-content-md5"),
    )


def sent_tier(call: Call) -> str:
    tier = call.header("x-ms-access-tier")
    if tier and tier not in _TIERS:
        raise StorageError("InvalidHeaderValue", HeaderName="x-ms-access-tier", HeaderValue=tier)
    return tier


def blob_headers(blob: Blob) -> dict[str, str]:
    """The headers of GET and HEAD alike."""
    headers = {
        **stamp_headers(blob.etag, blob.modified),
        **metadata_headers(blob.metadata),
        "Content-Type": blob.headers.content_type,
        "Content-Encoding": blob.headers.content_encoding,
        "Content-Language": blob.headers.content_language,
        "Content-Disposition": blob.headers.content_disposition,
        "Cache-Control": blob.headers.cache_control,
        "Accept-Ranges": "bytes",
        "x-ms-creation-time": http_date(blob.created),
        "x-ms-blob-type": "BlockBlob",
        "x-ms-lease-state": "available",
        "x-ms-lease-status": "unlocked",
        "x-ms-server-encrypted": "true",
    }
    return {name: value for name, value in headers.items() if value}


def _overrides(call: Call) -> dict[str, str]:
    """A token may set headers of the answer; nobody else may."""
    if "sig" not in call.parameters:
        return {}
    return {header: call.parameters[name] for name, header in _OVERRIDES.items() if name in call.parameters}


def _refuse_lease(call: Call) -> None:
    if call.header("x-ms-lease-id"):
        raise StorageError("LeaseNotPresentWithBlobOperation")


async def _found(store: BlobFiles, call: Call) -> Blob:
    blob = await store.blob(await found_container(store, call), call.blob)
    if blob is None:
        raise StorageError("BlobNotFound")
    return blob


async def _change(store: BlobFiles, call: Call, change: _Change) -> Answer:
    """Change what is known of a blob whose content stays."""
    refuse_unsupported(call)
    _refuse_lease(call)

    def decide(current: Blob | None) -> Blob:
        if current is None:
            raise StorageError("BlobNotFound")
        check_write(call.headers, current)
        return change(current)

    blob = await store.replace(await found_container(store, call), call.blob, decide)
    return Answer(200, written(blob))
