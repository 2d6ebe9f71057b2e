"""A job: one change of twins, or one method, for every device that a condition names (contract 2.6).

Values and the reading of requests; what runs jobs is in `jobs`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from hotori.hub.device_jobs import DeviceJobStatus
from hotori.hub.method_request import MethodRequest
from hotori.hub.moment import written_time
from hotori.hub.query.page import understand_condition
from hotori.hub.twin_write import TwinWrite
from hotori.model.json import Json, JsonObject
from hotori.problems import Problem
from hotori.problems.service import REQUEST_MALFORMED

LONGEST_ID = 128
DEFAULT_SECONDS = 3600
_LONGEST_SECONDS = 7 * 24 * 3600
_ID_MARKS = "-:.+%_#*?!(),=@;$'"


class JobKind(StrEnum):
    """What a job does."""

    METHOD = "scheduleDeviceMethod"
    TWIN = "scheduleUpdateTwin"


class JobStatus(StrEnum):
    """Where a job stands."""

    SCHEDULED = "scheduled"
    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def over(self) -> bool:
        return self in (JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED)


@dataclass(frozen=True, slots=True)
class Statistics:
    """How many devices stand where."""

    pending: int = 0
    running: int = 0
    succeeded: int = 0
    failed: int = 0
    canceled: int = 0

    def with_one(self, status: DeviceJobStatus, count: int = 1) -> Statistics:
        """With one more, or with -1 one less, in the column of a status."""
        name = {DeviceJobStatus.COMPLETED: "succeeded"}.get(status, status.value)
        return replace(self, **{name: getattr(self, name) + count})

    def moved(self, before: DeviceJobStatus, after: DeviceJobStatus) -> Statistics:
        return self.with_one(before, -1).with_one(after)

    def document(self) -> JsonObject:
        return {
            "deviceCount": self.pending + self.running + self.succeeded + self.failed + self.canceled,
            "failedCount": self.failed,
            "succeededCount": self.succeeded,
            "runningCount": self.running,
            "pendingCount": self.pending,
        }


@dataclass(frozen=True, slots=True)
class Job:
    """`work` is the request's `cloudToDeviceMethod` or `updateTwin`. Times are Unix seconds.

    `listed` says that the devices it is for were all written down: from then on the condition is not asked again.
    """

    id: str
    kind: JobKind
    work: dict[str, Any]
    condition: str
    start: float
    most_seconds: int
    created: float
    status: JobStatus = JobStatus.QUEUED
    ended: float = 0.0
    failure: str | None = None
    listed: bool = False
    statistics: Statistics = Statistics()

    @property
    def query(self) -> str:
        """Which devices it is for."""
        devices = "SELECT deviceId FROM devices"
        return devices if self.condition.strip() == "*" else f"{devices} WHERE {self.condition}"

    @property
    def deadline(self) -> float:
        return self.start + self.most_seconds

    def method(self) -> MethodRequest:
        return MethodRequest.parse(self.work)

    def twin_write(self) -> TwinWrite:
        return TwinWrite.parse(self.work)

    def etag(self) -> str | None:
        """The etag that a twin must have, None for any."""
        etag = self.work.get("etag")
        return etag.strip('"') if isinstance(etag, str) and etag.strip('"') not in ("", "*") else None

    def document(self) -> JsonObject:
        """A JobResponse; members without a value are left out."""
        known: JsonObject = {
            "jobId": self.id,
            "type": self.kind.value,
            "queryCondition": self.condition,
            "createdTime": written_time(self.created),
            "startTime": written_time(self.start),
            "maxExecutionTimeInSeconds": self.most_seconds,
            "status": self.status.value,
            "deviceJobStatistics": self.statistics.document(),
            "cloudToDeviceMethod" if self.kind is JobKind.METHOD else "updateTwin": self.work,
        }
        if self.ended:
            known["endTime"] = written_time(self.ended)
        return known | ({"failureReason": self.failure, "statusMessage": self.failure} if self.failure else {})


def read_job(name: str, document: JsonObject, now: float) -> Job:
    """The job that a JobRequest asks for. Raises `request-malformed`, `query-invalid`, `twin-invalid`."""
    if not 0 < len(name) <= LONGEST_ID or not all(mark.isalnum() or mark in _ID_MARKS for mark in name):
        raise Problem(REQUEST_MALFORMED, reason=f"a job's id has 1 to {LONGEST_ID} letters, digits and {_ID_MARKS}")
    try:
        kind = JobKind(str(document.get("type")))
    except ValueError as error:
        kinds = ", ".join(JobKind)
        raise Problem(REQUEST_MALFORMED, str(error), reason=f"type is one of {kinds}") from error
    member = "cloudToDeviceMethod" if kind is JobKind.METHOD else "updateTwin"
    work, condition = document.get(member), document.get("queryCondition")
    if not isinstance(work, dict):
        raise Problem(REQUEST_MALFORMED, reason=f"{member} is missing")
    if not isinstance(condition, str) or not condition.strip():
        raise Problem(REQUEST_MALFORMED, reason="queryCondition is missing; * means every device")
    start = max(now, _moment(document.get("startTime"), now))
    status = JobStatus.SCHEDULED if start > now else JobStatus.QUEUED
    job = Job(name, kind, work, condition, start, _seconds(document), now, status)
    understand_condition(condition)
    job.method() if kind is JobKind.METHOD else job.twin_write()
    return job


def _moment(value: Json, now: float) -> float:
    if value is None or value == "":
        return now
    try:
        moment = datetime.fromisoformat(str(value))
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC).timestamp()
    except (ValueError, OverflowError) as error:
        raise Problem(REQUEST_MALFORMED, str(error), reason="startTime is a time in ISO 8601") from error


def _seconds(document: JsonObject) -> int:
    value = document.get("maxExecutionTimeInSeconds")
    if value is None or value == 0:
        return DEFAULT_SECONDS
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= _LONGEST_SECONDS:
        raise Problem(REQUEST_MALFORMED, reason=f"maxExecutionTimeInSeconds is a number from 1 to {_LONGEST_SECONDS}")
    return value
