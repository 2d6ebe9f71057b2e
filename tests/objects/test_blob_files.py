"""The store by itself: what is on disk after a crash, on a full disk, and while somebody reads."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotori.objects.blob import Blob, Container, Piece
from hotori.objects.blob_files import BlobFiles
from hotori.objects.documents import block_list, parse_block_list
from hotori.objects.errors import StorageError
from hotori.problems import Problem
from hotori.store.memory import MemoryRecords


async def chunks(*data: bytes) -> AsyncIterator[bytes]:
    for chunk in data:
        yield chunk


async def put(store: BlobFiles, container: Container, name: str, data: bytes) -> Blob:
    async with store.content.incoming() as incoming:
        piece = await incoming.receive(chunks(data))
        return await store.put(container, name, lambda _: Blob((piece,)))


async def stage(store: BlobFiles, container: Container, name: str, block: str, data: bytes) -> Piece:
    async with store.content.incoming() as incoming:
        piece = replace(await incoming.receive(chunks(data)), block=block)
        await store.stage(container, name, piece)
    return piece


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.glob("??/*")}


@pytest.fixture
async def container(store: BlobFiles) -> Container:
    return await store.create_container("hotori", "pictures")


async def test_a_blob_is_read_while_it_is_replaced(store: BlobFiles, container: Container) -> None:
    await put(store, container, "b", b"old")
    _, reading = await store.open(container, "b", lambda blob: (0, blob.size))
    await put(store, container, "b", b"new")
    assert b"".join([chunk async for chunk in reading]) == b"old"
    assert await store.read(container, "b") == b"new"
    await reading.close()
    assert await store.content.sweep(frozenset()) == 1


async def test_what_a_crash_left_behind_is_removed_at_the_next_start(tmp_path: Path) -> None:
    records = MemoryRecords()
    store = BlobFiles(records, tmp_path, clock=lambda: 1000.0)
    container = await store.create_container("hotori", "pictures")
    kept = await put(store, container, "b", b"kept")
    waiting = await stage(store, container, "c", "QQ==", b"waiting")
    async with store.content.incoming() as incoming:
        await incoming.receive(chunks(b"the process ends before the index is written"))
    again = BlobFiles(records, tmp_path, clock=lambda: 2000.0)
    await again.recover()
    assert files(tmp_path) == {kept.pieces[0].file, waiting.file}
    much_later = BlobFiles(records, tmp_path, clock=lambda: 1000.0 + 8 * 24 * 3600)
    await much_later.recover()
    assert files(tmp_path) == kept.files
    assert await much_later.read(container, "b") == b"kept"


async def test_an_interrupted_commit_does_not_lose_its_blocks(tmp_path: Path) -> None:
    records = MemoryRecords()
    store = BlobFiles(records, tmp_path)
    container = await store.create_container("hotori", "pictures")
    piece = await stage(store, container, "b", "QQ==", b"one")
    # The blob is committed, and the process ends before the waiting block is struck off.
    await store.replace(container, "b", lambda _: Blob((piece,)))
    again = BlobFiles(records, tmp_path)
    await again.recover()
    await stage(again, container, "b", "QQ==", b"two")
    assert await again.read(container, "b") == b"one"


async def test_a_deleted_container_is_cleared_even_if_the_process_ended(tmp_path: Path) -> None:
    records = MemoryRecords()
    store = BlobFiles(records, tmp_path)
    container = await store.create_container("hotori", "pictures")
    await put(store, container, "b", b"x")
    await records.delete("object-containers", "hotori/pictures")
    again = BlobFiles(records, tmp_path)
    await again.recover()
    assert files(tmp_path) == set()
    assert await records.list("object-blobs") == []


async def test_missing_content_is_said_to_be_missing(store: BlobFiles, container: Container) -> None:
    blob = await put(store, container, "b", b"x")
    store.content.path(blob.pieces[0].file).unlink()
    with pytest.raises(StorageError, match="missing on the server's disk"):
        await store.read(container, "b")


async def test_a_full_disk_is_a_problem_and_nothing_is_kept(full_disk: Path) -> None:
    store = BlobFiles(MemoryRecords(), full_disk / "content")
    container = await store.create_container("hotori", "pictures")
    with pytest.raises(Problem) as met:
        await put(store, container, "b", bytes(4 << 20))
    assert met.value.code == "disk-full"
    assert files(full_disk / "content") == set()
    await put(store, container, "b", bytes(1 << 10))


BLOCK_IDS = st.binary(min_size=1, max_size=9).map(lambda raw: base64.b64encode(raw).decode())


@given(st.lists(st.tuples(st.sampled_from(["Latest", "Committed", "Uncommitted"]), BLOCK_IDS)))
def test_a_block_list_is_read_in_its_order(entries: list[tuple[str, str]]) -> None:
    body = "".join(f"<{where}>{block}</{where}>\n" for where, block in entries)
    document = f"<?xml version='1.0' encoding='utf-8'?>\n<BlockList>{body}</BlockList>"
    assert parse_block_list(document.encode()) == entries


@given(st.binary(max_size=200))
def test_junk_is_refused_as_a_block_list(body: bytes) -> None:
    with pytest.raises(StorageError):
        parse_block_list(body)


def test_both_kinds_of_blocks_are_written() -> None:
    document = block_list([Piece("f", 3, "QQ==")], []).decode()
    assert "<CommittedBlocks><Block><Name>QQ==</Name><Size>3</Size></Block></CommittedBlocks>" in document
    assert "<UncommittedBlocks></UncommittedBlocks>" in document
