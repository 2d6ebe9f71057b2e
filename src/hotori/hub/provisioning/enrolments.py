"""Enrolments over records: of single devices and of groups, each kind with names of its own (contract 12.4)."""

from __future__ import annotations

import asyncio
import base64
import os
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec

from hotori.hub.provisioning.enrolment import Attestation, Enrolment
from hotori.hub.provisioning.enrolment_document import enrolment_document, read_enrolment
from hotori.model.json import JsonObject
from hotori.model.secret import Secret
from hotori.problems import Problem
from hotori.problems.provisioning import ENROLMENT_EXISTS, ENROLMENT_MISSING_HERE
from hotori.problems.service import CHANGED_MEANWHILE
from hotori.store.records import Record, Records

_KEY_BYTES = 64


class Enrolments:
    """Every change is durable when the call returns. `etag` None means whatever stands there."""

    def __init__(
        self,
        records: Records,
        hub: str,
        clock: Callable[[], float] = time.time,
        chance: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._records, self._hub, self._clock, self._chance = records, hub, clock, chance
        self._turn = asyncio.Lock()

    async def find(self, name: str, *, group: bool) -> Enrolment | None:
        record = await self._records.get(_collection(group), name)
        return self._decode(record, group=group) if record else None

    async def get(self, name: str, *, group: bool) -> Enrolment:
        """Raises `no-such-enrolment`."""
        found = await self.find(name, group=group)
        if found is None:
            raise Problem(ENROLMENT_MISSING_HERE, name=name)
        return found

    async def page(self, *, group: bool, after: str = "", limit: int = 100) -> list[Enrolment]:
        """Up to `limit` whose names come after `after`, in the order of their names."""
        records = await self._records.list(_collection(group), after=after, limit=limit)
        return [self._decode(record, group=group) for record in records]

    async def groups(self) -> list[Enrolment]:
        """All groups."""
        found: list[Enrolment] = []
        while page := await self.page(group=True, after=found[-1].name if found else "", limit=1000):
            found += page
        return found

    async def put(self, name: str, document: JsonObject, *, group: bool, etag: str | None, change: bool) -> Enrolment:
        """Create one, or with `change` replace it; keys that are left out are kept, or made.

        Raises `enrolment-exists`, `no-such-enrolment`, `changed-meanwhile` and what `read_enrolment` does.
        """
        async with self._turn:
            before = await self.find(name, group=group)
            if before is not None and not change:
                raise Problem(ENROLMENT_EXISTS, name=name)
            if change:
                before = await self.get(name, group=group)
                _expect(before, etag)
            wanted = read_enrolment(name, document, group=group, hub=self._hub)
            return await self._store(self._with_keys(wanted, before), before)

    async def delete(self, name: str, *, group: bool, etag: str | None = None) -> None:
        """Its devices stay. Raises `no-such-enrolment`, `changed-meanwhile`."""
        async with self._turn:
            _expect(await self.get(name, group=group), etag)
            await self._records.delete(_collection(group), name)

    def _with_keys(self, wanted: Enrolment, before: Enrolment | None) -> Enrolment:
        if wanted.attestation is not Attestation.SYMMETRIC_KEY:
            return wanted
        kept = (before.primary, before.secondary) if before is not None else (Secret(""), Secret(""))
        return replace(
            wanted,
            primary=wanted.primary or kept[0] or self._key(),
            secondary=wanted.secondary or kept[1] or self._key(),
        )

    async def _store(self, enrolment: Enrolment, before: Enrolment | None) -> Enrolment:
        now = self._clock()
        stamped = replace(enrolment, created=before.created if before else now, updated=now)
        value = msgspec.json.encode([enrolment_document(stamped), stamped.created, stamped.updated])
        expected = before.version if before else 0
        version = await self._records.put(_collection(enrolment.group), enrolment.name, value, expected=expected)
        return replace(stamped, version=version)

    def _decode(self, record: Record, *, group: bool) -> Enrolment:
        document, created, updated = msgspec.json.decode(record.value, type=tuple[dict[str, Any], float, float])
        document.pop("iotHubHostName", None)  # it was this hub's name when it was given
        enrolment = read_enrolment(record.key, document, group=group, hub=self._hub)
        return replace(enrolment, created=created, updated=updated, version=record.version)

    def _key(self) -> Secret:
        return Secret(base64.b64encode(self._chance(_KEY_BYTES)).decode())


def _expect(enrolment: Enrolment, etag: str | None) -> None:
    if etag is not None and etag != enrolment.etag:
        raise Problem(CHANGED_MEANWHILE, what=enrolment.name)


def _collection(group: bool) -> str:
    return "enrolment-groups" if group else "enrolments"
