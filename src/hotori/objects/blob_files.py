"""The object store on one machine: an index in records, content in files.

A blob exists from the moment its index record is durable; its content was flushed before. A record names its
files, so replacing a blob is one write, and nobody sees half of it.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Set
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple, TypeAlias
from weakref import WeakValueDictionary

import msgspec

from hotori.objects.blob import Blob, Container, Piece, check_container_name
from hotori.objects.content_files import Chance, ContentFiles, Reading
from hotori.objects.errors import StorageError
from hotori.store.records import Record, Records, VersionConflictError

Clock: TypeAlias = Callable[[], float]
Decide: TypeAlias = Callable[[Blob | None], Blob]
"""What a blob becomes, seeing what it is; raises StorageError where it may not."""

Compose: TypeAlias = Callable[[Blob | None, Mapping[str, Piece]], Blob]
"""As `Decide`, seeing the waiting blocks too."""

Check: TypeAlias = Callable[[Blob], None]


class Seen(NamedTuple):
    """A blob as somebody saw it, and the version of its record; 0 where there was none."""

    blob: Blob | None = None
    version: int = 0


_CONTAINERS, _BLOBS, _BLOCKS = "object-containers", "object-blobs", "object-blocks"
_PAGE = 1000
_BLOCK_LIFE = 7 * 24 * 3600
"""Blocks that wait longer for their list are dropped at the next start, as the service does within a week."""


class BlobFiles:
    """Containers and blobs of any number of accounts. Nobody else may write to their records meanwhile.

    What most requests ask for is kept in memory: the containers that were asked for, and a block of each name that
    has some waiting.
    """

    def __init__(self, records: Records, folder: Path, clock: Clock = time.time, chance: Chance = os.urandom) -> None:
        self._records, self._clock, self._chance = records, clock, chance
        self._last_stamp = 0
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._known: dict[str, Container] = {}
        self._known_changes = 0
        self._waiting: dict[str, Piece] | None = None
        self.content = ContentFiles(folder, chance)

    async def recover(self) -> None:
        """Remove what a crash or a deleted container left behind. Call once, before anyone is served."""
        containers = {_load_container(record).id async for record in self._all(_CONTAINERS, "")}
        wanted: set[str] = set()
        async for record in self._all(_BLOBS, ""):
            if await self._belongs(record, _BLOBS, containers):
                wanted |= _load_blob(record).files
        async for record in self._all(_BLOCKS, ""):
            piece = _load_piece(record)
            fresh = piece.staged > self._clock() - _BLOCK_LIFE and piece.file not in wanted
            if await self._belongs(record, _BLOCKS, containers if fresh else set()):
                wanted.add(piece.file)
        await self.content.sweep(wanted)

    # Containers

    async def create_container(self, account: str, name: str, metadata: Mapping[str, str] | None = None) -> Container:
        """Raises StorageError ContainerAlreadyExists, or the fault of the name."""
        check_container_name(name)
        etag, now = self._stamp()
        container = Container(account, name, self._chance(12).hex(), etag, now, dict(metadata or {}))
        try:
            await self._records.put(_CONTAINERS, f"{account}/{name}", msgspec.json.encode(container), expected=0)
        except VersionConflictError as error:
            raise StorageError("ContainerAlreadyExists") from error
        return container

    async def container(self, account: str, name: str) -> Container:
        """Raises StorageError ContainerNotFound."""
        key = f"{account}/{name}"
        if key in self._known:
            return self._known[key]
        changes = self._known_changes
        record = await self._records.get(_CONTAINERS, key)
        if record is None:
            raise StorageError("ContainerNotFound")
        container = _load_container(record)
        if changes == self._known_changes:  # else what was read may be what it was before
            self._known[key] = container
        return container

    async def containers(self, account: str, prefix: str, after: str, limit: int) -> list[Container]:
        """In order of their names, those that begin with `prefix` and come after `after`."""
        start = f"{account}/{after}" if after else ""
        records = await self._records.list(_CONTAINERS, f"{account}/{prefix}", start, limit)
        return [_load_container(record) for record in records]

    async def set_container_metadata(self, container: Container, metadata: Mapping[str, str]) -> Container:
        etag, now = self._stamp()
        changed = replace(container, metadata=dict(metadata), etag=etag, modified=now)
        key = f"{container.account}/{container.name}"
        await self._records.put(_CONTAINERS, key, msgspec.json.encode(changed))
        self._forget(key)
        return changed

    async def delete_container(self, container: Container) -> None:
        """Gone at once with everything in it; the disk is cleared afterwards."""
        key = f"{container.account}/{container.name}"
        await self._records.delete(_CONTAINERS, key)
        self._forget(key)
        async for record in self._all(_BLOBS, f"{container.id}/"):
            await self._records.delete(_BLOBS, record.key)
            await self.content.remove(_load_blob(record).files)
        for prefix in [prefix for prefix in await self._all_waiting() if prefix.startswith(f"{container.id}/")]:
            await self._drop_blocks(prefix)

    def _forget(self, key: str) -> None:
        self._known_changes += 1
        self._known.pop(key, None)

    # Blobs

    async def blob(self, container: Container, name: str) -> Blob | None:
        return (await self.look(container, name)).blob

    async def look(self, container: Container, name: str) -> Seen:
        """The blob as it is now, to be shown again to whatever changes it."""
        record = await self._records.get(_BLOBS, f"{container.id}/{name}")
        return Seen(_load_blob(record), record.version) if record else Seen()

    async def blobs(self, container: Container, prefix: str, after: str, limit: int) -> list[tuple[str, Blob]]:
        """Names with blobs, in UTF-8 order: those that begin with `prefix` and come after `after`."""
        start = f"{container.id}/{after}" if after else ""
        records = await self._records.list(_BLOBS, f"{container.id}/{prefix}", start, limit)
        return await asyncio.to_thread(_named_blobs, records)

    async def replace(self, container: Container, name: str, decide: Decide, seen: Seen | None = None) -> Blob:
        """Make the blob what `decide` says, stamped; durable on return.

        It is asked again if somebody else was faster, since `seen` or since the look that is taken here without it.
        """
        key = f"{container.id}/{name}"
        while True:
            current, version = seen or await self.look(container, name)
            decided = decide(current)
            etag, now = self._stamp()
            blob = replace(decided, etag=etag, modified=now, created=current.created if current else now)
            try:
                await self._records.put(_BLOBS, key, msgspec.json.encode(blob), version)
            except VersionConflictError:
                seen = None
                continue
            await self.content.remove((current.files if current else frozenset()) - blob.files)
            return blob

    async def delete(self, container: Container, name: str, check: Check = lambda _: None) -> None:
        """Raises StorageError BlobNotFound, or what `check` raises."""
        key = f"{container.id}/{name}"
        while True:
            record = await self._records.get(_BLOBS, key)
            if record is None:
                raise StorageError("BlobNotFound")
            blob = _load_blob(record)
            check(blob)
            try:
                await self._records.delete(_BLOBS, key, record.version)
            except VersionConflictError:
                continue
            await self.content.remove(blob.files)
            return

    async def read(self, container: Container, name: str) -> bytes:
        """The whole content. Raises StorageError BlobNotFound."""
        _, reading = await self.open(container, name, lambda blob: (0, blob.size))
        try:
            return b"".join([chunk async for chunk in reading])
        finally:
            await reading.close()

    async def open(
        self, container: Container, name: str, part: Callable[[Blob], tuple[int, int]]
    ) -> tuple[Blob, Reading]:
        """A blob and a reading of the part (start, length) that `part` names. Raises StorageError BlobNotFound."""
        seen = ""
        while True:
            blob = await self.blob(container, name)
            if blob is None:
                raise StorageError("BlobNotFound")
            reading = self.content.reading(blob.pieces, *part(blob))
            # Between the look into the index and the hold, a writer may have taken the files away: look again.
            if await reading.present():
                return blob, reading
            await reading.close()
            if blob.etag == seen:
                raise StorageError("InternalError", f"Content of {name} is missing on the server's disk.")
            seen = blob.etag

    # Content in one go, and blocks that wait for their list

    async def put(self, container: Container, name: str, decide: Decide, seen: Seen | None = None) -> Blob:
        """`replace` with new content: blocks that wait are of no use any more."""
        async with self._lock(container, name):
            blob = await self.replace(container, name, decide, seen)
            await self._drop_blocks(_blocks_key(container, name), blob.files)
            return blob

    async def stage(self, container: Container, name: str, piece: Piece) -> None:
        """Keep a block for `name`; another one with its id gives way."""
        prefix = _blocks_key(container, name)
        key = prefix + piece.block
        async with self._lock(container, name):
            waiting = await self._all_waiting()
            before = await self._records.get(_BLOCKS, key) if prefix in waiting else None
            staged = waiting[prefix] = replace(piece, staged=int(self._clock()))
            await self._records.put(_BLOCKS, key, msgspec.json.encode(staged))
            if before:
                # After an interrupted commit the block's file may be the blob's already.
                blob = await self.blob(container, name) or Blob()
                await self.content.remove({_load_piece(before).file} - blob.files)

    async def commit(self, container: Container, name: str, compose: Compose) -> Blob:
        """Make the blob of waiting blocks and its own; the blocks that it does not take are dropped."""
        async with self._lock(container, name):
            staged = await self.staged(container, name)
            blob = await self.replace(container, name, lambda current: compose(current, staged))
            await self._drop_blocks(_blocks_key(container, name), blob.files)
            return blob

    async def staged(self, container: Container, name: str) -> dict[str, Piece]:
        """The waiting blocks by their ids."""
        prefix = _blocks_key(container, name)
        if prefix not in await self._all_waiting():
            return {}
        pieces = [_load_piece(record) async for record in self._all(_BLOCKS, prefix)]
        return {piece.block: piece for piece in pieces}

    async def staged_sample(self, container: Container, name: str) -> Piece | None:
        """Any one of the waiting blocks, if there are some."""
        return (await self._all_waiting()).get(_blocks_key(container, name))

    async def _drop_blocks(self, prefix: str, keep: Set[str] = frozenset()) -> None:
        waiting = await self._all_waiting()
        if prefix not in waiting:
            return
        async for record in self._all(_BLOCKS, prefix):
            await self._records.delete(_BLOCKS, record.key)
            await self.content.remove({_load_piece(record).file} - keep)
        waiting.pop(prefix, None)

    async def _all_waiting(self) -> dict[str, Piece]:
        """A block of each name that has some waiting, by where they begin in the records. Read once."""
        if self._waiting is not None:
            return self._waiting
        found: dict[str, Piece] = {}
        async for record in self._all(_BLOCKS, ""):
            container, name, _ = record.key.split("/", 2)
            found.setdefault(f"{container}/{name}/", _load_piece(record))
        return self._keep_waiting(found)

    def _keep_waiting(self, found: dict[str, Piece]) -> dict[str, Piece]:
        """What was read, unless somebody else read it meanwhile, and added some since."""
        if self._waiting is None:
            self._waiting = found
        return self._waiting

    def _lock(self, container: Container, name: str) -> asyncio.Lock:
        """While a list is committed, none of its blocks may be replaced."""
        return self._locks.setdefault(f"{container.id}/{name}", asyncio.Lock())

    async def _belongs(self, record: Record, collection: str, containers: set[str]) -> bool:
        """Whether the record's container exists; if not, the record is removed."""
        if record.key.partition("/")[0] in containers:
            return True
        await self._records.delete(collection, record.key)
        return False

    async def _all(self, collection: str, prefix: str) -> AsyncIterator[Record]:
        after = ""
        while page := await self._records.list(collection, prefix, after, _PAGE):
            for record in page:
                yield record
            after = page[-1].key

    def _stamp(self) -> tuple[str, int]:
        """A fresh etag and the time in seconds; etags grow within a run, whatever the clock does."""
        now = self._clock()
        self._last_stamp = max(int(now * 10_000_000), self._last_stamp + 1)
        return f"0x{self._last_stamp:X}", int(now)


def _blocks_key(container: Container, name: str) -> str:
    """Names and block ids may both hold slashes, so the name is hashed."""
    return f"{container.id}/{hashlib.sha256(name.encode()).hexdigest()}/"


_containers, _blobs, _pieces = (
    msgspec.json.Decoder(Container),
    msgspec.json.Decoder(Blob),
    msgspec.json.Decoder(Piece),
)


def _load_container(record: Record) -> Container:
    return _containers.decode(record.value)


def _load_blob(record: Record) -> Blob:
    return _blobs.decode(record.value)


def _load_piece(record: Record) -> Piece:
    return _pieces.decode(record.value)


def _named_blobs(records: Iterable[Record]) -> list[tuple[str, Blob]]:
    return [(record.key.partition("/")[2], _load_blob(record)) for record in records]
