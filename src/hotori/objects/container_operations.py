"""What can be done with an account and its containers (contract, 3)."""

from __future__ import annotations

import asyncio
import base64
import binascii

from hotori.objects.blob import Blob, Container, check_container_name
from hotori.objects.blob_files import BlobFiles
from hotori.objects.call import Answer, Call, metadata_headers, stamp_headers
from hotori.objects.documents import CONTENT_TYPE, blob_listing, container_listing, signed_identifiers
from hotori.objects.errors import StorageError

_XML = {"Content-Type": CONTENT_TYPE}
_LARGEST_PAGE = 5000
_AFTER_ALL = "\U0010ffff"


async def list_containers(store: BlobFiles, call: Call) -> Answer:
    limit, prefix = _page_size(call), call.parameters.get("prefix", "")
    found = await store.containers(call.account, prefix, _read_marker(call), limit + 1)
    marker = _marker(found[limit - 1].name) if len(found) > limit else ""
    metadata = "metadata" in call.parameters.get("include", "").split(",")
    asked = _asked(call, limit)
    return Answer(200, _XML, container_listing(_endpoint(call), asked, found[:limit], marker, metadata=metadata))


async def account_information(store: BlobFiles, call: Call) -> Answer:
    headers = {"x-ms-sku-name": "Standard_LRS", "x-ms-account-kind": "StorageV2", "x-ms-is-hns-enabled": "false"}
    return Answer(200, headers)


async def create_container(store: BlobFiles, call: Call) -> Answer:
    if call.header("x-ms-blob-public-access"):
        raise StorageError("PublicAccessNotPermitted")
    container = await store.create_container(call.account, call.container, call.metadata())
    return Answer(201, stamp_headers(container.etag, container.modified))


async def container_properties(store: BlobFiles, call: Call) -> Answer:
    container = await found_container(store, call)
    headers = {
        **stamp_headers(container.etag, container.modified),
        **metadata_headers(container.metadata),
        "x-ms-lease-state": "available",
        "x-ms-lease-status": "unlocked",
        "x-ms-has-immutability-policy": "false",
        "x-ms-has-legal-hold": "false",
    }
    return Answer(200, headers)


async def set_container_metadata(store: BlobFiles, call: Call) -> Answer:
    container = await store.set_container_metadata(await found_container(store, call), call.metadata())
    return Answer(200, stamp_headers(container.etag, container.modified))


async def container_policies(store: BlobFiles, call: Call) -> Answer:
    container = await found_container(store, call)
    return Answer(200, {**_XML, **stamp_headers(container.etag, container.modified)}, signed_identifiers())


async def delete_container(store: BlobFiles, call: Call) -> Answer:
    await store.delete_container(await found_container(store, call))
    return Answer(202)


async def list_blobs(store: BlobFiles, call: Call) -> Answer:
    container, limit = await found_container(store, call), _page_size(call)
    entries, marker = await _page(store, container, call, limit)
    metadata = "metadata" in call.parameters.get("include", "").split(",")
    asked, marker = _asked(call, limit), marker and _marker(marker)
    # A page of thousands takes its time to write; others are served meanwhile.
    body = await asyncio.to_thread(
        blob_listing, _endpoint(call), container.name, asked, entries, marker, metadata=metadata
    )
    return Answer(200, _XML, body)


async def found_container(store: BlobFiles, call: Call) -> Container:
    """The container that the request names. Raises StorageError."""
    return await store.container(call.account, check_container_name(call.container))


async def _page(
    store: BlobFiles, container: Container, call: Call, limit: int
) -> tuple[list[tuple[str, Blob | None]], str]:
    """Up to `limit` blobs and common prefixes, and where the next page begins (empty at the end)."""
    prefix, delimiter = call.parameters.get("prefix", ""), call.parameters.get("delimiter", "")
    entries: list[tuple[str, Blob | None]] = []
    after = _read_marker(call)
    while found := await store.blobs(container, prefix, after, limit + 1 - len(entries)):
        for name, blob in found:
            if len(entries) == limit:
                return entries, after
            head, cut, _ = name[len(prefix) :].partition(delimiter) if delimiter else (name, "", "")
            if cut:
                # Skip everything below the common prefix in one step.
                entries.append((prefix + head + cut, None))
                after = prefix + head + cut + _AFTER_ALL
                break
            entries.append((name, blob))
            after = name
    return entries, ""


def _page_size(call: Call) -> int:
    text = call.parameters.get("maxresults", str(_LARGEST_PAGE))
    if not text.isascii() or not text.isdigit():
        raise StorageError("InvalidQueryParameterValue", QueryParameterName="maxresults", QueryParameterValue=text)
    if int(text) == 0:
        raise StorageError("OutOfRangeQueryParameterValue", QueryParameterName="maxresults", QueryParameterValue=text)
    return min(int(text), _LARGEST_PAGE)


def _marker(name: str) -> str:
    """A name may hold what XML cannot, so a marker is base64."""
    return base64.urlsafe_b64encode(name.encode()).decode()


def _read_marker(call: Call) -> str:
    marker = call.parameters.get("marker", "")
    try:
        return base64.b64decode(marker, altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise StorageError("InvalidQueryParameterValue", QueryParameterName="marker") from error


def _asked(call: Call, limit: int) -> dict[str, str]:
    """What was asked for, as the listing repeats it."""
    names = {"Prefix": "prefix", "Marker": "marker", "Delimiter": "delimiter"}
    asked = {name: call.parameters.get(parameter, "") for name, parameter in names.items()}
    if not asked["Delimiter"]:
        del asked["Delimiter"]
    return {**asked, "MaxResults": str(limit)}


def _endpoint(call: Call) -> str:
    return f"{'https' if call.secure else 'http'}://{call.header('host')}/{call.account}"
