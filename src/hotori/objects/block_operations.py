"""Blobs in blocks: staged one by one in any order, then put together by a list (contract, 3 and 5)."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import replace

from hotori.objects.blob import DEFAULT_TYPE, Blob, Piece, check_block_id
from hotori.objects.blob_files import BlobFiles
from hotori.objects.blob_operations import (
    check_md5,
    check_overwrite,
    refuse_unsupported,
    sent_headers,
    sent_tier,
)
from hotori.objects.call import Answer, Call, stamp_headers, written
from hotori.objects.container_operations import found_container
from hotori.objects.documents import CONTENT_TYPE, block_list, parse_block_list
from hotori.objects.errors import StorageError

_LARGEST_LIST = 16 << 20
_MOST_BLOCKS = 50_000


async def put_block(store: BlobFiles, call: Call) -> Answer:
    """Keep a block until a list names it; its MD5 is computed for a client that sent one (contract, 3)."""
    refuse_unsupported(call)
    block = check_block_id(call.parameters.get("blockid", ""))
    container = await found_container(store, call)
    staged = await store.staged_sample(container, call.blob)
    if staged is not None and _raw_length(staged.block) != _raw_length(block):
        raise StorageError("InvalidBlobOrBlock", "All block IDs of a blob have the same length.")
    async with store.content.incoming() as incoming:
        checked = "content-md5" in call.headers
        piece = replace(await incoming.receive(call.chunks(), hashed=checked), block=block)
        check_md5(call, incoming.md5)
        await store.stage(container, call.blob, piece)
    md5 = {"Content-MD5": incoming.md5_base64} if checked else {}
    return Answer(201, {**md5, "x-ms-request-server-encrypted": "true"})


async def put_block_list(store: BlobFiles, call: Call) -> Answer:
    """Put the blob together; no content is copied."""
    refuse_unsupported(call)
    container = await found_container(store, call)
    names = parse_block_list(await call.body(_LARGEST_LIST))
    if len(names) > _MOST_BLOCKS:
        raise StorageError("InvalidBlockList", f"A blob has at most {_MOST_BLOCKS} blocks.")
    headers = replace(sent_headers(call), content_type=call.header("x-ms-blob-content-type") or DEFAULT_TYPE)
    draft = Blob(headers=headers, metadata=call.metadata(), tier=sent_tier(call))

    def compose(current: Blob | None, staged: Mapping[str, Piece]) -> Blob:
        check_overwrite(call, current)
        committed = {piece.block: piece for piece in current.pieces if piece.block} if current else {}
        return replace(draft, pieces=tuple(_find(where, block, committed, staged) for where, block in names))

    blob = await store.commit(container, call.blob, compose)
    return Answer(201, written(blob))


async def get_block_list(store: BlobFiles, call: Call) -> Answer:
    """The blocks of a blob, the waiting ones, or both."""
    refuse_unsupported(call)
    kind = call.parameters.get("blocklisttype", "committed").lower()
    if kind not in ("committed", "uncommitted", "all"):
        raise StorageError("InvalidQueryParameterValue", QueryParameterName="blocklisttype")
    container = await found_container(store, call)
    blob, staged = await store.blob(container, call.blob), await store.staged(container, call.blob)
    if blob is None and not staged:
        raise StorageError("BlobNotFound")
    committed = [piece for piece in blob.pieces if piece.block] if blob else []
    body = block_list(committed if kind != "uncommitted" else None, staged.values() if kind != "committed" else None)
    stamp = stamp_headers(blob.etag, blob.modified) if blob else {}
    size = str(blob.size if blob else 0)
    return Answer(200, {"Content-Type": CONTENT_TYPE, "x-ms-blob-content-length": size, **stamp}, body)


def _find(where: str, block: str, committed: Mapping[str, Piece], staged: Mapping[str, Piece]) -> Piece:
    """The piece that an entry of the list means. Raises StorageError InvalidBlockList."""
    places = {"Latest": (staged, committed), "Committed": (committed,), "Uncommitted": (staged,)}[where]
    for place in places:
        if block in place:
            return replace(place[block], staged=0)
    raise StorageError("InvalidBlockList", f"There is no block {block} to take.")


def _raw_length(block: str) -> int:
    return len(base64.b64decode(block))
