"""What became of a job on each device: the rows of `devices.jobs` (contract 2.5)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import msgspec

from hotori.hub.moment import written_time
from hotori.model.json import JsonObject
from hotori.store.records import Records

COLLECTION = "device-jobs"


class DeviceJobStatus(StrEnum):
    """Where a device's part of a job stands."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELED = "canceled"


@dataclass(frozen=True, slots=True)
class DeviceJob:
    """One device's part of a job. Times are Unix seconds, 0.0 where it has not come so far.

    `outcome` is the answer to a method; `error` has a code and a description.
    """

    job: str
    device: str
    kind: str
    status: DeviceJobStatus
    created: float
    started: float = 0.0
    ended: float = 0.0
    updated: float = 0.0
    outcome: dict[str, Any] | None = None
    error: dict[str, Any] | None = None

    @property
    def key(self) -> str:
        return f"{self.job}/{self.device}"

    def document(self) -> JsonObject:
        """The row; members without a value are left out."""
        row: JsonObject = {
            "deviceId": self.device,
            "jobId": self.job,
            "jobType": self.kind,
            "status": self.status.value,
            "createdDateTimeUtc": written_time(self.created),
            "lastUpdatedDateTimeUtc": written_time(self.updated),
            "startTimeUtc": written_time(self.started),
            "endTimeUtc": written_time(self.ended),
        }
        return row | {
            name: value for name, value in (("outcome", self.outcome), ("error", self.error)) if value is not None
        }


class DeviceJobs:
    """Device jobs over records, in the order of their jobs' and devices' names."""

    def __init__(self, records: Records) -> None:
        self._records = records

    async def put(self, part: DeviceJob) -> None:
        """Durable when this returns."""
        await self._records.put(COLLECTION, part.key, msgspec.msgpack.encode(part))

    async def of(self, job: str, after: str = "", limit: int = 100) -> list[DeviceJob]:
        """Parts of one job, after the device of that name."""
        found = await self._records.list(
            COLLECTION, prefix=f"{job}/", after=f"{job}/{after}" if after else "", limit=limit
        )
        return [msgspec.msgpack.decode(record.value, type=DeviceJob) for record in found]

    async def after(self, key: str, limit: int) -> list[DeviceJob]:
        """Parts of any job."""
        found = await self._records.list(COLLECTION, after=key, limit=limit)
        return [msgspec.msgpack.decode(record.value, type=DeviceJob) for record in found]

    async def forget(self, job: str) -> None:
        """Let go of all parts of a job."""
        while parts := await self.of(job):
            for part in parts:
                await self._records.delete(COLLECTION, part.key)
