"""The whole registry into a container of an object store, and back from one (contract 2.6)."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import msgspec

from hotori.hub.hub import Hub
from hotori.hub.identity_document import identity_document
from hotori.hub.moment import written_time
from hotori.hub.registration import Registration
from hotori.hub.registry import Registry
from hotori.hub.twin_document import full_twin
from hotori.model.json import Json, JsonObject
from hotori.problems import Problem
from hotori.problems.service import JOB_UNKNOWN, REQUEST_MALFORMED
from hotori.sdk.sas_container import SasContainer
from hotori.store.records import Records

COLLECTION = "registry-jobs"
FILE_NAME = "devices.txt"
ERRORS_NAME = "importErrors.log"
_TEXT = "text/plain; charset=utf-8"
_KEPT = ("status", "statusReason", "authentication", "capabilities", "deviceScope", "parentScopes", "managedBy")

logger = logging.getLogger(__name__)

Change: TypeAlias = "Callable[[Json], Awaitable[JsonObject | None]]"
"""Makes one change of the registry from a line of an import; what was wrong with it, if anything."""


class ImportFaultError(Exception):
    """Lines of an import that could not be taken."""


@dataclass(frozen=True, slots=True)
class RegistryJob:
    """`wanted` is the request's JobProperties, addresses with their signatures among them. Times: Unix seconds."""

    id: str
    start: float
    wanted: dict[str, Any] = field(repr=False)
    status: str = "enqueued"
    end: float = 0.0
    failure: str | None = None

    def document(self) -> JsonObject:
        """JobProperties without the signatures in its addresses."""
        shown = {name: _bare(value) for name, value in self.wanted.items()}
        known: JsonObject = {
            **shown,
            "jobId": self.id,
            "status": self.status,
            "progress": 100 if self.status == "completed" else 0,
            "startTimeUtc": written_time(self.start),
        }
        if self.end:
            known["endTimeUtc"] = written_time(self.end)
        return known | ({"failureReason": self.failure} if self.failure else {})


class RegistryJobs:
    """Runs them one after the other. What a restart interrupts has failed, and can be asked for again."""

    def __init__(
        self,
        hub: Hub,
        registry: Registry,
        records: Records,
        change: Change,
        context: ssl.SSLContext,
        clock: Callable[[], float],
        chance: Callable[[int], bytes],
    ) -> None:
        self._hub, self._registry, self._records, self._change = hub, registry, records, change
        self._context, self._clock, self._chance = context, clock, chance
        self._turn = asyncio.Lock()
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def start(self) -> None:
        """Settle what was under way when the hub ended."""
        for job in await self.all():
            if job.status in ("enqueued", "running"):
                await self._save(replace(job, status="failed", end=self._clock(), failure="the hub was started again"))

    async def close(self) -> None:
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def create(self, wanted: JsonObject) -> RegistryJob:
        """Begin an export or import. Raises `request-malformed`."""
        kind = wanted.get("type")
        needed = {"export": "outputBlobContainerUri", "import": "inputBlobContainerUri"}.get(str(kind))
        if needed is None or not isinstance(wanted.get(needed), str):
            raise Problem(
                REQUEST_MALFORMED, reason="type is export or import, with outputBlobContainerUri or input…Uri"
            )
        job = RegistryJob(self._chance(16).hex(), self._clock(), _given(wanted))
        await self._save(job)
        self._tasks[job.id] = asyncio.create_task(self._run(job), name=f"registry job {job.id}")
        return job

    async def all(self) -> list[RegistryJob]:
        """The thousand first, by id."""
        return [
            msgspec.msgpack.decode(record.value, type=RegistryJob) for record in await self._records.list(COLLECTION)
        ]

    async def get(self, name: str) -> RegistryJob:
        """Raises `job-unknown`."""
        record = await self._records.get(COLLECTION, name)
        if record is None:
            raise Problem(JOB_UNKNOWN, job=name)
        return msgspec.msgpack.decode(record.value, type=RegistryJob)

    async def cancel(self, name: str) -> None:
        """End it where it stands; what an import has changed stays. Raises `job-unknown`."""
        job = await self.get(name)
        task = self._tasks.pop(name, None)
        if task is not None and not task.done():
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await self._save(replace(job, status="cancelled", end=self._clock()))

    async def _run(self, job: RegistryJob) -> None:
        async with self._turn:
            try:
                await self._save(replace(job, status="running"))
                await (self._export(job) if job.wanted["type"] == "export" else self._import(job))
                ended = replace(job, status="completed", end=self._clock())
            except Problem as problem:
                logger.error("Registry job %s failed: %s", job.id, problem)
                words = f"{problem.title()}. {problem.cause()}"
                ended = replace(job, status="failed", end=self._clock(), failure=words)
            except ImportFaultError as fault:
                ended = replace(job, status="failed", end=self._clock(), failure=str(fault))
            await self._save(ended)
        self._tasks.pop(job.id, None)

    async def _export(self, job: RegistryJob) -> None:
        lines = bytearray()
        async for device in self._registry.all_devices():
            for registration in (device, *await self._registry.modules(device.identity.device)):
                line = await self._line(registration, keys=not job.wanted.get("excludeKeysInExport"))
                lines += msgspec.json.encode(line) + b"\n"
        container = self._container(job, "outputBlobContainerUri")
        await container.put(job.wanted.get("outputBlobName") or FILE_NAME, bytes(lines), _TEXT)

    async def _line(self, registration: Registration, *, keys: bool) -> JsonObject:
        """An ExportImportDevice."""
        shown = identity_document(self._hub, registration)
        twin = full_twin(self._hub, registration, await self._hub.twins.record(registration.identity))
        line: JsonObject = {"id": registration.identity.device, "eTag": registration.etag, "twinETag": twin["etag"]}
        if registration.identity.module is not None:
            line["moduleId"] = registration.identity.module
        line |= {name: shown[name] for name in _KEPT if shown.get(name) is not None}
        if not keys and isinstance(authentication := line.get("authentication"), dict):
            line["authentication"] = authentication | {"symmetricKey": {"primaryKey": None, "secondaryKey": None}}
        return line | {"tags": twin["tags"], "properties": twin["properties"]}

    async def _import(self, job: RegistryJob) -> None:
        container = self._container(job, "inputBlobContainerUri")
        content = await container.get(job.wanted.get("inputBlobName") or FILE_NAME)
        errors = bytearray()
        for number, line in enumerate(filter(None, map(bytes.strip, content.splitlines())), 1):
            if (error := await self._change(_entry(line, number))) is not None:
                errors += msgspec.json.encode({"line": number, **error}) + b"\n"
        if errors and job.wanted.get("outputBlobContainerUri"):
            await self._container(job, "outputBlobContainerUri").put(ERRORS_NAME, bytes(errors), _TEXT)
        if errors:
            raise ImportFaultError(f"{len(errors.splitlines())} lines were not imported; {ERRORS_NAME} says why")

    def _container(self, job: RegistryJob, name: str) -> SasContainer:
        return SasContainer(job.wanted[name], self._context)

    async def _save(self, job: RegistryJob) -> None:
        await self._records.put(COLLECTION, job.id, msgspec.msgpack.encode(job))


def _entry(line: bytes, number: int) -> Json:
    try:
        value: Json = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ImportFaultError(f"line {number} is not JSON: {error}") from error
    return value


def _given(wanted: JsonObject) -> JsonObject:
    return {name: value for name, value in wanted.items() if value is not None and name not in ("jobId", "status")}


def _bare(value: Json) -> Json:
    """An address without its signature: who reads the job is not who may write there."""
    return value.partition("?")[0] if isinstance(value, str) else value
