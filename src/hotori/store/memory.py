"""Records and a log in memory: for tests, and for a hub that need not remember."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

from hotori.problems import Problem
from hotori.store.batch import Batch
from hotori.store.log import Entry
from hotori.store.records import Record, VersionConflictError
from hotori.store.worker import StoreClosedError


@dataclass(slots=True)
class Shelf:
    """What a memory store keeps; it outlives the store, as a disk outlives a process."""

    collections: dict[str, dict[str, Record]] = field(default_factory=dict)
    entries: list[Entry] = field(default_factory=list)
    first: int = 0


class MemoryRecords:
    """Records on a shelf."""

    def __init__(self, shelf: Shelf | None = None) -> None:
        self._collections = (shelf or Shelf()).collections
        self._closed = False

    async def get(self, collection: str, key: str) -> Record | None:
        return self._collection(collection).get(key)

    async def put(self, collection: str, key: str, value: bytes, expected: int | None = None) -> int:
        version = self._checked_version(collection, key, expected) + 1
        self._collection(collection)[key] = Record(key, bytes(value), version)
        return version

    async def delete(self, collection: str, key: str, expected: int | None = None) -> bool:
        self._checked_version(collection, key, expected)
        return self._collection(collection).pop(key, None) is not None

    async def list(self, collection: str, prefix: str = "", after: str = "", limit: int = 1000) -> list[Record]:
        records = self._collection(collection)
        keys = sorted(key for key in records if key.startswith(prefix) and (key > after or not after))
        return [records[key] for key in keys[: max(limit, 0)]]

    async def close(self) -> None:
        self._closed = True

    def _collection(self, name: str) -> dict[str, Record]:
        if self._closed:
            raise StoreClosedError("memory records")
        return self._collections.setdefault(name, {})

    def _checked_version(self, collection: str, key: str, expected: int | None) -> int:
        """The version that stands there (0 for none), if it is the expected one."""
        record = self._collection(collection).get(key)
        found = record.version if record else 0
        if expected is not None and expected != found:
            raise VersionConflictError(collection, key, expected, found)
        return found


class MemoryLog:
    """A log on a shelf. Every entry is a segment of its own: `trim` lets go of exactly what it is asked to."""

    def __init__(self, shelf: Shelf | None = None) -> None:
        self._shelf = shelf or Shelf()
        self._closed = False

    @property
    def first(self) -> int:
        return self._shelf.first

    @property
    def next(self) -> int:
        return self._shelf.first + len(self._shelf.entries)

    @property
    def size(self) -> int:
        return sum(len(entry.data) for entry in self._shelf.entries)

    @property
    def problems(self) -> Sequence[Problem]:
        return ()

    def enter(self, entries: Sequence[bytes]) -> Batch:
        self._check_open()
        batch = Batch()
        batch.entries += entries
        first = self.next
        batch.settle(first, len(entries))
        self._shelf.entries += [Entry(offset, bytes(data)) for offset, data in enumerate(entries, first)]
        return batch

    def submit(self, data: bytes) -> asyncio.Future[int]:
        return self.enter((data,)).last()

    async def append(self, data: bytes) -> int:
        return await self.submit(data)

    async def read(self, start: int, limit: int) -> Sequence[Entry]:
        self._check_open()
        begin = max(start - self.first, 0)
        return self._shelf.entries[begin : begin + max(limit, 0)]

    def recent(self, offset: int) -> bytes | None:
        self._check_open()
        at = offset - self.first
        return self._shelf.entries[at].data if 0 <= at < len(self._shelf.entries) else None

    @property
    def room(self) -> int:
        return sys.maxsize

    async def trim(self, before: int, keep: Sequence[int] = ()) -> None:
        self._check_open()
        before = min(before, keep[0]) if keep else before
        count = min(max(before - self.first, 0), len(self._shelf.entries))
        del self._shelf.entries[:count]
        self._shelf.first += count

    async def close(self) -> None:
        self._closed = True

    def _check_open(self) -> None:
        if self._closed:
            raise StoreClosedError("memory log")
