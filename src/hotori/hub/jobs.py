"""Runs jobs: lists their devices, then changes or asks a few of them at a time, and keeps what became of each.

Everything is durable before it counts: a hub that is started again goes on where it was. A twin may then be
written twice, with the same result; a method is never called twice, since that might do harm.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import msgspec

from hotori.hub.device_jobs import DeviceJob, DeviceJobStatus
from hotori.hub.hub import Hub
from hotori.hub.job import Job, JobKind, JobStatus, Statistics, read_job
from hotori.hub.methods import MethodError, MethodTimeoutError, NotOnlineError
from hotori.hub.query.page import run_query
from hotori.hub.registry import Registry
from hotori.hub.twin_document import twin_etag
from hotori.model.identity import Identity
from hotori.model.json import JsonObject
from hotori.problems import Problem
from hotori.problems.service import CHANGED_MEANWHILE, JOB_EXISTS, JOB_UNKNOWN
from hotori.store.records import Records, VersionConflictError

COLLECTION = "jobs"
AT_ONCE = 10
"""Devices that are changed or asked at the same time, over all jobs."""
KEPT_SECONDS = 30 * 24 * 3600.0
_PAGE = 100

logger = logging.getLogger(__name__)


class Jobs:
    """All jobs of a hub. `start` goes on with those that were under way; `close` leaves them for the next start."""

    def __init__(self, hub: Hub, registry: Registry, records: Records, clock: Callable[[], float]) -> None:
        self._hub, self._registry, self._records, self._clock = hub, registry, records, clock
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._runs: dict[str, _Run] = {}

    async def start(self) -> None:
        """Take up what was not finished, and let go of what is older than 30 days."""
        for job in await self._all():
            if not job.status.over:
                self._launch(job)
            elif job.ended < self._clock() - KEPT_SECONDS:
                await self._hub.device_jobs.forget(job.id)
                await self._records.delete(COLLECTION, job.id)

    async def close(self) -> None:
        """Stop where things stand."""
        runs = list(self._runs.values())
        for run in runs:
            run.task.cancel()
        await asyncio.gather(*(run.task for run in runs), return_exceptions=True)
        self._runs.clear()

    async def create(self, name: str, document: JsonObject) -> Job:
        """Schedule a job; durable when this returns. Raises as `read_job` does, and `job-exists`."""
        job = read_job(name, document, self._clock())
        try:
            await self._records.put(COLLECTION, name, msgspec.msgpack.encode(job), expected=0)
        except VersionConflictError as error:
            raise Problem(JOB_EXISTS, str(error), job=name) from error
        self._launch(job)
        return job

    async def get(self, name: str) -> Job:
        """The job as it stands now. Raises `job-unknown`."""
        if name in self._runs:
            return self._runs[name].job
        record = await self._records.get(COLLECTION, name)
        if record is None:
            raise Problem(JOB_UNKNOWN, job=name)
        return msgspec.msgpack.decode(record.value, type=Job)

    async def page(self, after: str, limit: int) -> list[Job]:
        """Up to `limit` jobs whose names come after `after`, in that order."""
        records = await self._records.list(COLLECTION, after=after, limit=limit)
        stored = [msgspec.msgpack.decode(record.value, type=Job) for record in records]
        return [self._runs[job.id].job if job.id in self._runs else job for job in stored]

    async def cancel(self, name: str) -> Job:
        """End a job: what was not begun is not done. One that is over stays as it is. Raises `job-unknown`."""
        run = self._runs.get(name)
        if run is None:
            return await self.get(name)
        run.task.cancel()
        await asyncio.gather(run.task, return_exceptions=True)
        await run.finish(JobStatus.CANCELLED)
        self._runs.pop(name, None)
        return run.job

    def _launch(self, job: Job) -> None:
        run = _Run(job, self._hub, self._registry, self._records, self._clock, self._turns)
        self._runs[job.id] = run
        run.task = asyncio.create_task(self._follow(run), name=f"job {job.id}")

    async def _follow(self, run: _Run) -> None:
        try:
            await run.run()
        except Problem as problem:
            logger.error("Job %s cannot go on: %s. %s", run.job.id, problem, problem.cause())
        except Exception:  # the guard of this job: it goes on when the hub is started again
            logger.exception("Job %s failed", run.job.id)
        else:
            self._runs.pop(run.job.id, None)

    async def _all(self) -> list[Job]:
        found: list[Job] = []
        while page := await self._records.list(COLLECTION, after=found[-1].id if found else ""):
            found += [msgspec.msgpack.decode(record.value, type=Job) for record in page]
        return found


class _Run:
    """One job under way; `job` is how it stands."""

    task: asyncio.Task[None]

    def __init__(
        self,
        job: Job,
        hub: Hub,
        registry: Registry,
        records: Records,
        clock: Callable[[], float],
        turns: asyncio.Semaphore,
    ) -> None:
        self.job = job
        self._hub, self._registry, self._records, self._clock, self._turns = hub, registry, records, clock, turns

    async def run(self) -> None:
        """From where it stands to its end."""
        await asyncio.sleep(max(0.0, self.job.start - self._clock()))
        if not self.job.listed:
            await self._save(replace(self.job, status=JobStatus.RUNNING))
            await self._list_devices()
        else:
            await self._take_up()
        try:
            async with asyncio.timeout(max(0.0, self.job.deadline - self._clock())):
                await self._work()
        except TimeoutError:
            await self.finish(JobStatus.FAILED, f"it was not finished in {self.job.most_seconds} s")
        else:
            await self.finish(JobStatus.COMPLETED)

    async def finish(self, status: JobStatus, reason: str | None = None) -> None:
        """Nothing more is done; what was not begun says so."""
        async for part in self._parts():
            if part.status in (DeviceJobStatus.PENDING, DeviceJobStatus.RUNNING):
                await self._part_over(part, _left_over(status, reason))
        await self._count()
        await self._save(replace(self.job, status=status, ended=self._clock(), failure=reason, listed=True))

    async def _list_devices(self) -> None:
        """Write down every device that the condition names now."""
        statistics, continuation, now = Statistics(), None, self._clock()
        while True:
            page = await run_query(self._hub, self._registry, self.job.query, _PAGE, continuation)
            names = [str(row["deviceId"]) for row in page.rows]
            await asyncio.gather(*(self._hub.device_jobs.put(self._part(name, now)) for name in names))
            statistics = statistics.with_one(DeviceJobStatus.PENDING, len(names))
            self.job = replace(self.job, statistics=statistics)
            continuation = page.continuation
            if continuation is None:
                break
        await self._save(replace(self.job, listed=True))

    def _part(self, device: str, now: float) -> DeviceJob:
        return DeviceJob(self.job.id, device, self.job.kind.value, DeviceJobStatus.PENDING, now, updated=now)

    async def _take_up(self) -> None:
        """After a restart: settle what was just being done."""
        async for part in self._parts():
            if part.status is DeviceJobStatus.RUNNING:
                await self._part_over(part, _error("500001", "the hub was started again while the device was asked"))
        await self._count()

    async def _count(self) -> None:
        statistics = Statistics()
        async for part in self._parts():
            statistics = statistics.with_one(part.status)
        self.job = replace(self.job, statistics=statistics)

    async def _parts(self) -> AsyncIterator[DeviceJob]:
        after = ""
        while parts := await self._hub.device_jobs.of(self.job.id, after, _PAGE):
            for part in parts:
                yield part
            after = parts[-1].device

    async def _work(self) -> None:
        """Everything that is pending, a page of devices at a time."""
        after = ""
        while parts := await self._hub.device_jobs.of(self.job.id, after, _PAGE):
            pending = [part for part in parts if part.status is DeviceJobStatus.PENDING]
            await asyncio.gather(*(self._do(part) for part in pending))
            after = parts[-1].device
            await self._save(self.job)

    async def _do(self, part: DeviceJob) -> None:
        async with self._turns:
            if self.job.kind is JobKind.METHOD:
                now = self._clock()
                part = await self._moved(part, replace(part, status=DeviceJobStatus.RUNNING, started=now, updated=now))
                result = await self._call(part)
            else:
                result = await self._write(part)
            await self._part_over(part, result)

    async def _call(self, part: DeviceJob) -> DeviceJob:
        """The part with what the device answered."""
        try:
            result = await self.job.method().send(self._hub.methods, Identity(part.device))
        except MethodError as error:
            code = {NotOnlineError: "404103", MethodTimeoutError: "504101"}.get(type(error), "400004")
            return _error(code, error.reason)(part)
        answer: JsonObject = {"status": result.status, "payload": result.payload}
        return replace(part, status=DeviceJobStatus.COMPLETED, outcome={"deviceMethodResponse": answer})

    async def _write(self, part: DeviceJob) -> DeviceJob:
        """The part, once the twin is written."""
        identity, etag = Identity(part.device), self.job.etag()
        try:
            await self._registry.get(identity)
            record = await self._hub.twins.record(identity)
            if etag is not None and twin_etag(record) != etag:
                raise Problem(CHANGED_MEANWHILE, what=identity)
            expected = record.revision if etag is not None else None
            await self._hub.twins.write(identity, self.job.twin_write(), expected)
        except Problem as problem:
            return _error(problem.code, f"{problem.title()}. {problem.cause()}")(part)
        except VersionConflictError as error:
            return _error(CHANGED_MEANWHILE.code, str(error))(part)
        return replace(part, status=DeviceJobStatus.COMPLETED)

    async def _part_over(self, part: DeviceJob, result: DeviceJob | Callable[[DeviceJob], DeviceJob]) -> None:
        after = result if isinstance(result, DeviceJob) else result(part)
        now = self._clock()
        await self._moved(part, replace(after, started=after.started or now, ended=now, updated=now))

    async def _moved(self, before: DeviceJob, after: DeviceJob) -> DeviceJob:
        await self._hub.device_jobs.put(after)
        self.job = replace(self.job, statistics=self.job.statistics.moved(before.status, after.status))
        return after

    async def _save(self, job: Job) -> None:
        self.job = job
        await self._records.put(COLLECTION, job.id, msgspec.msgpack.encode(job))


def _error(code: str, description: str) -> Callable[[DeviceJob], DeviceJob]:
    return lambda part: replace(part, status=DeviceJobStatus.FAILED, error={"code": code, "description": description})


def _left_over(status: JobStatus, reason: str | None) -> Callable[[DeviceJob], DeviceJob]:
    """What becomes of a part that its job did not come to."""
    if status is JobStatus.CANCELLED:
        return lambda part: replace(part, status=DeviceJobStatus.CANCELED)
    return _error("500002", reason or "the job ended before")
