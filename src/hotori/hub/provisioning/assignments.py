"""Gives applicants their device in the registry, and remembers whom it gave what."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

from hotori.hub.hub import Hub
from hotori.hub.provisioning.applicant import Accepted
from hotori.hub.provisioning.assignment import Assignment, Substatus
from hotori.hub.provisioning.enrolment import Enrolment
from hotori.hub.provisioning.enrolments import Enrolments
from hotori.hub.registration import Authentication, Registration
from hotori.hub.registry import Draft, Registry
from hotori.hub.removal import apply_change
from hotori.hub.thumbprint import thumbprint_of
from hotori.hub.twin_write import TwinWrite
from hotori.model.identity import Identity
from hotori.problems import Problem
from hotori.problems.provisioning import DEVICE_TAKEN, REGISTRATION_UNKNOWN
from hotori.problems.service import CHANGED_MEANWHILE
from hotori.store.records import Records

COLLECTION = "assignments"


class Assignments:
    """Over records. Applications of one registration take turns; everything is durable when a call returns."""

    def __init__(
        self,
        hub: Hub,
        registry: Registry,
        enrolments: Enrolments,
        records: Records,
        clock: Callable[[], float],
        chance: Callable[[int], bytes],
    ) -> None:
        self._hub, self._registry, self._enrolments = hub, registry, enrolments
        self._records, self._clock, self._chance = records, clock, chance
        self._turn = asyncio.Lock()

    async def find(self, registration: str) -> Assignment | None:
        record = await self._records.get(COLLECTION, registration)
        return Assignment.decode(record) if record else None

    async def get(self, registration: str) -> Assignment:
        """Raises `registration-unknown`."""
        found = await self.find(registration)
        if found is None:
            raise Problem(REGISTRATION_UNKNOWN, name=registration)
        return found

    async def of_group(self, group: str) -> list[Assignment]:
        """All that came by a group, in the order of their registration ids."""
        found: list[Assignment] = []
        after = ""
        while page := await self._records.list(COLLECTION, after=after):
            found += [each for each in map(Assignment.decode, page) if each.group and each.enrolment == group]
            after = page[-1].key
        return found

    async def delete(self, registration: str, etag: str | None = None) -> None:
        """Forget it; the device stays. Raises `registration-unknown`, `changed-meanwhile`."""
        found = await self.get(registration)
        if etag is not None and etag != found.etag:
            raise Problem(CHANGED_MEANWHILE, what=registration)
        await self._records.delete(COLLECTION, registration)

    async def assign(self, accepted: Accepted) -> Assignment:
        """Make the device, or do with it what the enrolment says of those who come again."""
        async with self._turn:
            before = await self.find(accepted.registration)
            try:
                substatus, generation = await self._give(accepted, before)
            except Problem as problem:
                failure = f"{problem.title()}. {problem.cause()}"
                return await self._remember(self._failed(accepted, before, failure))
            return await self._remember(self._given(accepted, before, substatus, generation))

    async def _give(self, accepted: Accepted, before: Assignment | None) -> tuple[Substatus, str]:
        """What was done, and the generation of the device."""
        enrolment, identity = accepted.enrolment, Identity(_device(accepted))
        known = await self._registry.find(identity)
        if known is None:
            return Substatus.INITIAL, await self._create(accepted, identity)
        if not await self._own(enrolment, before, known):
            raise Problem(DEVICE_TAKEN, registration=accepted.registration, device=identity)
        if not enrolment.reprovisioning.update:
            return before.substatus if before else Substatus.INITIAL, known.generation
        await apply_change(self._hub, self._registry, await self._registry.update(identity, _draft(accepted)))
        if enrolment.reprovisioning.migrate:
            return Substatus.MIGRATED, known.generation
        await self._hub.twins.delete(identity)
        await self._write_twin(enrolment, identity)
        return Substatus.RESET, known.generation

    async def _create(self, accepted: Accepted, identity: Identity) -> str:
        """First the twin: a device that is there must not be seen without it."""
        await self._write_twin(accepted.enrolment, identity)
        return (await self._registry.create_device(identity.device, _draft(accepted))).generation

    async def _write_twin(self, enrolment: Enrolment, identity: Identity) -> None:
        if enrolment.tags or enrolment.desired:
            await self._hub.twins.write(identity, TwinWrite(enrolment.tags, enrolment.desired, whole=True))

    async def _own(self, enrolment: Enrolment, before: Assignment | None, known: Registration) -> bool:
        """Whether the device is this enrolment's to hand out: whoever has a group's key must not get any device."""
        if not enrolment.group:
            return True
        # A device that was removed and made again by hand is another one: its generation is.
        if before is None or before.device != known.identity.device or before.generation != known.generation:
            return False
        same = before.group and before.enrolment == enrolment.name
        return same or await self._enrolments.find(before.enrolment, group=before.group) is None

    def _given(
        self, accepted: Accepted, before: Assignment | None, substatus: Substatus, generation: str
    ) -> Assignment:
        now, enrolment = self._clock(), accepted.enrolment
        return Assignment(
            registration=accepted.registration,
            operation=self._operation(),
            enrolment=enrolment.name,
            group=enrolment.group,
            device=_device(accepted),
            hub=self._hub.name,
            substatus=substatus,
            created=before.created if before else now,
            updated=now,
            generation=generation,
        )

    def _failed(self, accepted: Accepted, before: Assignment | None, failure: str) -> Assignment:
        """What was given out before is still theirs: only this application failed."""
        known = before or self._given(accepted, None, Substatus.INITIAL, "")
        return replace(known, operation=self._operation(), updated=self._clock(), failure=failure)

    def _operation(self) -> str:
        return f"4.{self._chance(8).hex()}.{self._chance(16).hex()}"

    async def _remember(self, made: Assignment) -> Assignment:
        return replace(made, version=await self._records.put(COLLECTION, made.registration, made.encode()))


def _device(accepted: Accepted) -> str:
    return accepted.enrolment.device or accepted.registration


def _draft(accepted: Accepted) -> Draft:
    """The registration asked for: the hub knows the device by what it showed here (contract 12.2)."""
    edge = accepted.enrolment.edge
    if accepted.keys is not None:
        primary, secondary = accepted.keys
        return Draft(primary=primary, secondary=secondary, authentication=Authentication.SAS, edge=edge)
    assert accepted.certificate is not None, "who has no keys has shown a certificate"
    shown = thumbprint_of(accepted.certificate.own)
    return Draft(authentication=Authentication.THUMBPRINT, primary_thumbprint=shown, edge=edge)
