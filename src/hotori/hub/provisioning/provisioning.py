"""Device provisioning put together: who speaks MQTT or HTTPS with devices asks here."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

import msgspec

from hotori.hub.authorities import Authorities
from hotori.hub.credentials import Refusal
from hotori.hub.denied import Denied
from hotori.hub.hub import Hub
from hotori.hub.provisioning.applicant import Accepted, Applicant, judge_applicant
from hotori.hub.provisioning.assignments import Assignments
from hotori.hub.provisioning.enrolments import Enrolments
from hotori.hub.registry import Registry
from hotori.model.identity import is_name
from hotori.model.json import JsonObject
from hotori.mqtt.packets import ConnackCode
from hotori.problems import Problem
from hotori.problems.provisioning import ENROLMENT_UNKNOWN, REGISTRATION_UNKNOWN
from hotori.store.records import Records

RETRY_AFTER = 2
"""Seconds after which a device asks again, as it is told."""


class Provisioning:
    """`scope` is the id scope of this installation: what devices call it by."""

    def __init__(
        self,
        scope: str,
        hub: Hub,
        enrolments: Enrolments,
        assignments: Assignments,
        authorities: Authorities,
        clock: Callable[[], float],
    ) -> None:
        self.scope, self.hub, self.authorities = scope, hub, authorities
        self.enrolments, self.assignments = enrolments, assignments
        self._clock = clock

    @classmethod
    async def open(
        cls,
        hub: Hub,
        registry: Registry,
        records: Records,
        authorities: Authorities,
        clock: Callable[[], float] = time.time,
        chance: Callable[[int], bytes] = os.urandom,
    ) -> Provisioning:
        """With what is kept; the scope is made on first use."""
        enrolments = Enrolments(records, hub.name, clock, chance)
        assignments = Assignments(hub, registry, enrolments, records, clock, chance)
        return cls(await _scope(records, chance), hub, enrolments, assignments, authorities, clock)

    async def admit(self, applicant: Applicant, address: str) -> Accepted | tuple[Problem, Denied]:
        """Whom an enrolment lets in, or why not and what to answer. Raises the problems of the stores.

        Refusals are counted, logged and remembered as those of the hub's own clients are.
        """
        verdict = await self._judge(applicant)
        if isinstance(verdict, Accepted):
            return verdict
        refusal = Refusal(ConnackCode.NOT_AUTHORIZED, verdict)
        return verdict, await self.hub.admissions.refuse(refusal, address, applicant.registration)

    async def register(self, accepted: Accepted) -> JsonObject:
        """Assign a device; what the device is told first: that it may come and see (contract 12.1)."""
        made = await self.assignments.assign(accepted)
        return {"operationId": made.operation, "status": "assigning"}

    async def poll(self, registration: str, operation: str) -> JsonObject:
        """What came of an operation. Raises `registration-unknown`."""
        found = await self.assignments.find(registration)
        if found is None or found.operation != operation:
            raise Problem(REGISTRATION_UNKNOWN, name=registration)
        return found.answer()

    async def _judge(self, applicant: Applicant) -> Accepted | Problem:
        """Whether an enrolment is for them."""
        name = applicant.registration
        if not is_name(name):
            return Problem(ENROLMENT_UNKNOWN, registration=name[:128])
        individual = await self.enrolments.find(name, group=False)
        groups = await self.enrolments.groups() if individual is None else []
        authorities = {each.name: each.certificate for each in await self.authorities.all() if each.verified}
        return judge_applicant(applicant, self.scope, individual, groups, authorities, self._clock())


async def _scope(records: Records, chance: Callable[[int], bytes]) -> str:
    record = await records.get("provisioning", "scope")
    if record is not None:
        return msgspec.json.decode(record.value, type=str)
    made = f"0ne{int.from_bytes(chance(8)) % 10**8:08d}"
    await records.put("provisioning", "scope", msgspec.json.encode(made), expected=0)
    return made
