"""The twins of a hub's identities: stored, versioned, changed one at a time, and watched."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol, TypeAlias
from weakref import WeakValueDictionary

from hotori.hub.twin_record import TwinRecord, decode_record, encode_record
from hotori.hub.twin_write import TwinWrite, reported, told, written
from hotori.model.identity import Identity
from hotori.model.json import JsonObject
from hotori.model.twin import Twin, check_section, difference, without_control
from hotori.store.records import Record, Records, VersionConflictError

COLLECTION = "twins"


class TwinNotReadyError(Exception):
    """The twin is another hub's, and has not come from there yet: ask again later."""


class TwinGate(Protocol):
    """On the edge: whether a twin has come from the cloud."""

    async def ready(self, identity: Identity) -> None:
        """Return once it has; raises TwinNotReadyError where it does not come."""
        ...


@dataclass(frozen=True, slots=True)
class TwinChange:
    """A change to one section: the patch as written, and the twin after it."""

    identity: Identity
    patch: JsonObject
    twin: Twin


@dataclass(frozen=True, slots=True)
class ServiceWrite:
    """What a service wrote, and the record after it."""

    identity: Identity
    write: TwinWrite
    record: TwinRecord


Watcher: TypeAlias = Callable[[TwinChange], None]
Rewriting: TypeAlias = Callable[[TwinRecord], TwinRecord]


class Twins:
    """Twins over records. An identity that was never written to has a fresh twin.

    Changes to one twin are serialised, durable before the call returns, and told to the watchers in order.
    Watchers are called on the loop and must not block. Problem `twin-invalid` where a limit (contract 1.7) is
    broken, VersionConflictError where `expected` is not the record's revision.
    """

    def __init__(self, records: Records, clock: Callable[[], float] = time.time, gate: TwinGate | None = None) -> None:
        self.gate = gate
        self.desired_watchers: list[Watcher] = []
        self.reported_watchers: list[Watcher] = []
        self.write_watchers: list[Callable[[ServiceWrite], None]] = []
        self._records = records
        self._clock = clock
        self._locks: WeakValueDictionary[Identity, asyncio.Lock] = WeakValueDictionary()

    async def get(self, identity: Identity) -> Twin:
        """Raises TwinNotReadyError on an edge that has never heard of it from the cloud."""
        return (await self.record(identity)).twin

    async def record(self, identity: Identity) -> TwinRecord:
        """The twin with its times; raises as `get` does."""
        if self.gate is not None:
            await self.gate.ready(identity)
        return await self.peek(identity)

    async def peek(self, identity: Identity) -> TwinRecord:
        """The twin as it stands here, whether or not it ever came from the cloud."""
        return _decode(await self._records.get(COLLECTION, str(identity)))

    async def all(self, after: Identity | None = None, limit: int = 1000) -> list[tuple[Identity, TwinRecord]]:
        """Twins that were ever written, in the order of their names."""
        found = await self._records.list(COLLECTION, after=str(after) if after else "", limit=limit)
        return [(Identity.parse(record.key), _decode(record)) for record in found]

    async def patch_reported(self, identity: Identity, patch: JsonObject) -> Twin:
        """What the device says it is (JSON merge patch)."""
        if self.gate is not None:
            await self.gate.ready(identity)
        clean = without_control(patch)
        check_section(clean)
        async with self._lock(identity):
            after = reported(await self.peek(identity), clean, self._clock())
            await self._store(identity, after)
            self._tell(self.reported_watchers, TwinChange(identity, clean, after.twin))
            return after.twin

    async def write(self, identity: Identity, write: TwinWrite, expected: int | None = None) -> Twin:
        """A service's write of tags and desired properties, durable as one or not at all.

        The connected identity is told a patch as it was given, and a replacement as the difference.
        """
        write = write.checked()
        async with self._lock(identity):
            before = await self.peek(identity)
            if expected is not None and expected != before.revision:
                raise VersionConflictError(COLLECTION, str(identity), expected, before.revision)
            after = written(before, write, self._clock())
            await self._store(identity, after)
            if write.desired is not None:
                patch = told(write, before.twin, after.twin)
                self._tell(self.desired_watchers, TwinChange(identity, patch, after.twin))
            for watcher in list(self.write_watchers):
                watcher(ServiceWrite(identity, write, after))
            return after.twin

    async def patch_desired(self, identity: Identity, patch: JsonObject, expected: int | None = None) -> Twin:
        """What it should be (JSON merge patch)."""
        return await self.write(identity, TwinWrite(desired=patch), expected)

    async def replace_desired(self, identity: Identity, values: JsonObject, expected: int | None = None) -> Twin:
        """All that it should be."""
        return await self.write(identity, TwinWrite(desired=values, whole=True), expected)

    async def patch_tags(self, identity: Identity, patch: JsonObject, expected: int | None = None) -> Twin:
        """The service's own notes (JSON merge patch); the device never sees them."""
        return await self.write(identity, TwinWrite(tags=patch), expected)

    async def delete(self, identity: Identity) -> None:
        """Forget the twin, with its versions."""
        async with self._lock(identity):
            await self._records.delete(COLLECTION, str(identity))

    async def set_model_id(self, identity: Identity, model_id: str) -> None:
        """What the device says that it is, when it connects."""
        await self.rewrite(identity, lambda record: replace(record, model_id=model_id))

    async def rewrite(self, identity: Identity, rewriting: Rewriting, patch: JsonObject | None = None) -> TwinRecord:
        """Replace what is kept, for whoever mirrors another hub's twin; watchers of desired are told.

        They hear `patch`, as the service gave it, if that is all that lies between the two versions.
        """
        async with self._lock(identity):
            before = await self.peek(identity)
            after = rewriting(before)
            if after != before:
                await self._store(identity, after)
            if before.twin.desired != after.twin.desired:
                if patch is None or after.twin.desired != before.twin.desired.patched(patch):
                    patch = difference(before.twin.desired.values, after.twin.desired.values)
                self._tell(self.desired_watchers, TwinChange(identity, patch, after.twin))
            return after

    def _tell(self, watchers: list[Watcher], change: TwinChange) -> None:
        for watcher in list(watchers):
            watcher(change)

    def _lock(self, identity: Identity) -> asyncio.Lock:
        return self._locks.setdefault(identity, asyncio.Lock())

    async def _store(self, identity: Identity, record: TwinRecord) -> None:
        await self._records.put(COLLECTION, str(identity), encode_record(record))


def _decode(record: Record | None) -> TwinRecord:
    return TwinRecord() if record is None else decode_record(record.value)
