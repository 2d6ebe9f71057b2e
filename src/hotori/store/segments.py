"""The log on disk: segment files, written by one thread, one flush for all that waits."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path

from hotori.problems import Problem
from hotori.problems.kind import Severity
from hotori.problems.storage import DISK_FAILED, FILE_UNREADABLE
from hotori.store.batch import Batch
from hotori.store.damage import damage_problems, spoiled_problem, torn_problem
from hotori.store.disk import Disk, RealDisk, disk_problem, free_bytes
from hotori.store.frame import HEAD_SIZE, LARGEST
from hotori.store.log import Entry
from hotori.store.quarantine import discard_unfinished, set_aside
from hotori.store.segment import MAGIC, NAME, SUFFIX, Findings, Segment
from hotori.store.tail import Tail
from hotori.store.worker import Worker

SEGMENT_BYTES = 16 * 1024 * 1024
_KEPT_LOADED = 8
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Trim:
    before: int
    keep: Sequence[int]


@dataclass(frozen=True, slots=True)
class _Outcome:
    """Of an order: the first so many of its entries are durable, from the offset `first` on."""

    first: int
    stored: int
    error: Exception | None = None


class SegmentLog:
    """Entries in the files `NNN.log` of one folder; see `frame` for their form.

    A segment is reserved on disk when it is created, and removed as a whole when it is trimmed. What was read
    or written last is also kept in memory, so that a consumer that keeps up never touches the disk. A tail that
    a crash tore is cut when the log is opened. A damaged segment is kept under another name, and its good entries
    go on; both is told in `problems`. It will not decide when to trim.
    """

    def __init__(
        self, folder: Path, segments: list[Segment], segment_bytes: int, disk: Disk, problems: Sequence[Problem]
    ) -> None:
        self._folder = folder
        self._segments = segments
        self._segment_bytes = segment_bytes
        self._disk = disk
        self._first, self._next = segments[0].first, segments[-1].next
        self._size = sum(segment.capacity for segment in segments[:-1]) + segments[-1].end
        self._tail = Tail()
        self._loaded: OrderedDict[int, Segment] = OrderedDict()
        self._lock = threading.Lock()  # the list of segments and their positions, against a cold read
        self._problems = list(problems)
        self._gathering: Batch | None = None
        self._writer: Worker[Batch | _Trim, _Outcome] = Worker(f"log {folder.name}", self._perform)

    @classmethod
    def open(cls, folder: Path, segment_bytes: int = SEGMENT_BYTES, disk: Disk | None = None) -> SegmentLog:
        """Open or create the log in a folder that no other process uses.

        Raises the problems `disk-full`, `disk-failed` and `file-unreadable`.
        """
        disk = disk or RealDisk()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            discard_unfinished(folder)
            segments = [Segment.open(path, disk) for path in _files(folder)]
            problems = _recover(folder, segments, segment_bytes, disk)
        except PermissionError as error:
            raise Problem(FILE_UNREADABLE, str(error), path=folder, reason=error.strerror or "unknown") from error
        except OSError as error:
            raise disk_problem(error, folder) from error
        return cls(folder, segments, segment_bytes, disk, problems)

    @property
    def first(self) -> int:
        return self._first

    @property
    def next(self) -> int:
        return self._next

    @property
    def size(self) -> int:
        return self._size

    @property
    def problems(self) -> tuple[Problem, ...]:
        return tuple(self._problems)

    def enter(self, entries: Sequence[bytes]) -> Batch:
        if max(map(len, entries), default=0) > LARGEST:
            raise ValueError(f"an entry holds at most {LARGEST} bytes")
        batch = self._gathering
        if batch is None:
            self._writer.check_open()
            batch = self._gathering = Batch(self._hand_over)
            asyncio.get_running_loop().call_soon(self._hand_over)
        batch.entries += entries
        return batch

    def submit(self, data: bytes) -> asyncio.Future[int]:
        return self.enter((data,)).last()

    async def append(self, data: bytes) -> int:
        return await self.submit(data)

    async def read(self, start: int, limit: int) -> Sequence[Entry]:
        start = max(start, self._first)
        recent = self._tail.read(start, min(limit, self._next - start))
        if recent is not None:
            return recent
        return await asyncio.to_thread(self._read_from_disk, start, limit)

    def recent(self, offset: int) -> bytes | None:
        return self._tail.get(offset)

    @property
    def room(self) -> int:
        return free_bytes(self._folder)

    async def trim(self, before: int, keep: Sequence[int] = ()) -> None:
        await self._writer.submit(_Trim(before, keep))

    async def close(self) -> None:
        self._hand_over()
        await self._writer.close()
        with self._lock:
            if self._segments and not self._segments[-1].failed:
                with contextlib.suppress(OSError):  # everything is on disk; this only says so
                    await asyncio.to_thread(self._segments[-1].confirm)
            for segment in self._segments:
                segment.close()
            self._segments = []

    def _hand_over(self) -> None:
        """Give the writer what has gathered: nothing is added to that batch any more."""
        batch, self._gathering = self._gathering, None
        if batch is not None:
            self._writer.order_at_once(batch, partial(_settle, batch))

    def _perform(self, orders: Sequence[Batch | _Trim]) -> Sequence[_Outcome]:
        """In the writer's thread: append all batches together, then trim."""
        batches = [order for order in orders if isinstance(order, Batch)]
        entries = batches[0].entries if len(batches) == 1 else [each for batch in batches for each in batch.entries]
        first, stored, error = self._append(entries)
        outcomes = []
        for order in orders:
            if isinstance(order, _Trim):
                self._trim(order)
                outcomes.append(_Outcome(self._first, 0))
            else:
                own = min(stored, len(order.entries))
                outcomes.append(_Outcome(first, own, error if own < len(order.entries) else None))
                first, stored = first + own, stored - own
        return outcomes

    def _append(self, entries: Sequence[bytes]) -> tuple[int, int, Exception | None]:
        """The offset of the first, how many were stored, and what became of those behind."""
        first, stored = self._next, 0
        try:
            while stored < len(entries):
                chunk = self._chunk(entries[stored:] if stored else entries)
                self._active_segment(chunk[0]).append(chunk)
                self._tail.add(self._next, chunk)
                self._size += HEAD_SIZE * len(chunk) + sum(map(len, chunk))
                self._next += len(chunk)
                stored += len(chunk)
        except OSError as error:
            # A later entry must not overtake the one that failed: all the rest of them fail with it.
            return first, stored, disk_problem(error, self._folder)
        except Problem as refusal:
            return first, stored, refusal
        return first, stored, None

    def _chunk(self, entries: Sequence[bytes]) -> Sequence[bytes]:
        """The entries from the first on that fit in one segment; at least one."""
        active = self._segments[-1]
        at = active.end if active.has_room(HEAD_SIZE + len(entries[0])) else len(MAGIC)
        room = max(active.capacity if at == active.end else self._segment_bytes, at)
        if at + HEAD_SIZE * len(entries) + sum(map(len, entries)) <= room:
            return entries
        for count, data in enumerate(entries):
            at += HEAD_SIZE + len(data)
            if at > room:
                return entries[: max(count, 1)]
        return entries

    def _active_segment(self, entry: bytes) -> Segment:
        """The last segment, if `entry` fits behind its end; else a new one."""
        active = self._segments[-1]
        if active.failed:
            raise Problem(DISK_FAILED, path=self._folder, reason="an earlier write failed and could not be undone")
        if active.has_room(HEAD_SIZE + len(entry)):
            return active
        sizes = list(_sizes(self._segment_bytes, len(MAGIC) + HEAD_SIZE + len(entry)))
        if active.next == active.first:
            active.reserve(sizes)
            return active
        return self._begin_segment(sizes)

    def _begin_segment(self, sizes: Sequence[int]) -> Segment:
        active = self._segments[-1]
        created = Segment.create(self._folder, self._next, sizes, self._disk)
        active.seal()
        with self._lock:
            self._segments.append(created)
            self._use(active)
        self._size += len(MAGIC)
        return created

    def _trim(self, order: _Trim) -> None:
        try:
            if order.before >= self._next and self._segments[-1].end > self._segment_bytes // 4:
                self._begin_segment(list(_sizes(self._segment_bytes, len(MAGIC))))
            with self._lock:
                self._drop_below(order.keep[0] if order.keep else order.before)
                if order.keep:
                    self._compact(order)
        except OSError as error:
            logger.warning("%s could not be made smaller: %s", self._folder, error)
        self._size = sum(segment.capacity for segment in self._segments[:-1]) + self._segments[-1].end

    def _drop_below(self, before: int) -> None:
        while len(self._segments) > 1 and self._segments[1].first <= before:
            segment = self._segments.pop(0)
            self._loaded.pop(segment.first, None)
            segment.unlink()
        self._first = self._segments[0].first

    def _compact(self, order: _Trim) -> None:
        for segment, behind in pairwise(self._segments):
            if behind.first <= order.before:
                segment.compact(order.keep, behind.first)
                self._use(segment)

    def _read_from_disk(self, start: int, limit: int) -> list[Entry]:
        entries: list[Entry] = []
        with self._lock:
            at = max(bisect_right(self._segments, start, key=lambda segment: segment.first) - 1, 0)
            for index in range(at, len(self._segments)):
                entries += self._read_segment(index, start, limit - len(entries))
                if len(entries) >= limit:
                    break
        return entries

    def _read_segment(self, index: int, start: int, limit: int) -> list[Entry]:
        segment = self._segments[index]
        active = index == len(self._segments) - 1
        until = self._next if active else self._segments[index + 1].first
        if not segment.loaded:
            self._tell(segment, segment.load(until))
        if not active:
            self._use(segment)
        reading = segment.read(start, limit, until)
        if reading.spoiled and not active:
            self._tell(segment, segment.load(until))
        elif reading.spoiled:  # what is being written is not moved aside; that is for the next start
            self._add_problems(spoiled_problem(segment.path, reading.spoiled))
        return reading.entries

    def _use(self, segment: Segment) -> None:
        """Keep the positions of the segments that were read last, and forget those of the others."""
        self._loaded[segment.first] = segment
        self._loaded.move_to_end(segment.first)
        while len(self._loaded) > _KEPT_LOADED:
            self._loaded.popitem(last=False)[1].forget()

    def _tell(self, segment: Segment, findings: Findings) -> None:
        self._add_problems(*damage_problems(segment.path, findings))

    def _add_problems(self, *problems: Problem) -> None:
        for problem in problems:
            if all(problem.cause() != known.cause() for known in self._problems):
                self._problems.append(problem)
                logger.error("%s: %s", problem, "; ".join(problem.evidence))


def _settle(batch: Batch, outcome: _Outcome | Exception) -> None:
    if isinstance(outcome, _Outcome):
        batch.settle(outcome.first, outcome.stored, outcome.error)
    else:
        batch.settle(0, 0, outcome)


def _files(folder: Path) -> list[Path]:
    """The segments' files in order; what has another name is set aside."""
    files = []
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        if NAME.fullmatch(path.name):
            files.append(path)
        else:
            logger.error("%s is no segment of this log; it is kept as %s", path, set_aside(path).name)
    return files


def _recover(folder: Path, segments: list[Segment], segment_bytes: int, disk: Disk) -> list[Problem]:
    """Make the last segment ready to append to: cut a torn tail, mend what is damaged before it; what was wrong."""
    if not segments:
        segments.append(Segment.create(folder, 0, list(_sizes(segment_bytes, len(MAGIC))), disk))
        return []
    last = segments[-1]
    findings = last.load()
    problems = damage_problems(last.path, findings)
    if findings.torn:
        problems.append(torn_problem(last.path, findings.torn, last.first, last.next))
    if problems or last.end == len(MAGIC):
        last.cut()
    last.confirm()
    for problem in problems:
        logger.log(logging.ERROR if problem.severity is Severity.ERROR else logging.WARNING, "%s", problem)
    return problems


def _sizes(wanted: int, needed: int) -> Iterator[int]:
    """What to ask of the disk, one after another: the usual, halves of it, and what is needed at least."""
    while wanted > needed:
        yield wanted
        wanted //= 2
    yield needed
