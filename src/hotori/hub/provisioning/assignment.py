"""What came of an application: the device that was assigned, or why none was (contract 12.1, 12.4)."""

from __future__ import annotations

import base64
from dataclasses import dataclass, replace
from enum import StrEnum

import msgspec

from hotori.hub.moment import written_time
from hotori.model.json import JsonObject
from hotori.store.records import Record


class Substatus(StrEnum):
    """What was done to a device that is assigned."""

    INITIAL = "initialAssignment"
    MIGRATED = "deviceDataMigrated"
    RESET = "deviceDataReset"


@dataclass(frozen=True, slots=True)
class Assignment:
    """Of a registration id. `operation` names the application that it answers; times are Unix seconds.

    `failure` is why no device was assigned, empty where one was. `generation` is that of the device that was given
    out last; empty where none ever was.
    """

    registration: str
    operation: str
    enrolment: str
    group: bool
    device: str
    hub: str
    substatus: Substatus
    created: float
    updated: float
    failure: str = ""
    generation: str = ""
    version: int = 0

    @property
    def status(self) -> str:
        return "failed" if self.failure else "assigned"

    @property
    def etag(self) -> str:
        return base64.b64encode(f"{self.operation}.{self.version}".encode()).decode()

    def document(self) -> JsonObject:
        """The registration state; the contract's members."""
        state: JsonObject = {
            "registrationId": self.registration,
            "createdDateTimeUtc": written_time(self.created),
            "status": self.status,
            "lastUpdatedDateTimeUtc": written_time(self.updated),
            "etag": self.etag,
        }
        if self.group:
            state["enrollmentGroupId"] = self.enrolment
        if self.failure:
            return state | {"errorCode": 400000, "errorMessage": self.failure}
        return state | {"assignedHub": self.hub, "deviceId": self.device, "substatus": self.substatus.value}

    def answer(self) -> JsonObject:
        """What a poll for the operation is told."""
        return {"operationId": self.operation, "status": self.status, "registrationState": self.document()}

    def encode(self) -> bytes:
        return msgspec.json.encode(self)

    @classmethod
    def decode(cls, record: Record) -> Assignment:
        return replace(msgspec.json.decode(record.value, type=cls), version=record.version)
