"""The log on disk: segment files, written by one thread, one flush for all that waits."""

from __future__ import annotations

import asyncio
import logging
import threading
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from pathlib import Path

from hotori.problems import Problem
from hotori.problems.storage import DISK_FAILED, FILE_UNREADABLE, LOG_DAMAGED
from hotori.store.disk import disk_problem
from hotori.store.frame import HEAD_SIZE, LARGEST
from hotori.store.log import Entry
from hotori.store.segment import MAGIC, SUFFIX, Segment
from hotori.store.tail import Tail
from hotori.store.worker import Worker

SEGMENT_BYTES = 16 * 1024 * 1024
_KEPT_LOADED = 8
logger = logging.getLogger(__name__)


class SegmentLog:
    """Entries in the files `NNN.log` of one folder; see `frame` for their form.

    A segment is reserved on disk when it is created, and removed as a whole when it is trimmed. What was read
    or written last is also kept in memory, so that a consumer that keeps up never touches the disk. A tail that
    a crash tore is cut when the log is opened; an entry that rotted later is left out by `read` and told in
    `damage`. It will not decide when to trim.
    """

    def __init__(self, folder: Path, segments: list[Segment], segment_bytes: int) -> None:
        self._folder = folder
        self._segments = segments
        self._segment_bytes = segment_bytes
        self._first, self._next = segments[0].first, segments[-1].next
        self._size = sum(segment.capacity for segment in segments[:-1]) + segments[-1].end
        self._tail = Tail()
        self._loaded: OrderedDict[int, Segment] = OrderedDict()
        self._lock = threading.Lock()  # the list of segments and their positions, against a cold read
        self._damage: list[Problem] = []
        self._writer: Worker[bytes | int, int] = Worker(f"log {folder.name}", self._perform)

    @classmethod
    def open(cls, folder: Path, segment_bytes: int = SEGMENT_BYTES) -> SegmentLog:
        """Open or create the log in a folder that no other process uses.

        Raises the problems `disk-full`, `disk-failed` and `file-unreadable`.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
            segments = [Segment.open(path) for path in sorted(folder.glob(f"*{SUFFIX}"))]
            _recover(folder, segments, segment_bytes)
        except PermissionError as error:
            raise Problem(FILE_UNREADABLE, str(error), path=folder, reason=error.strerror or "unknown") from error
        except OSError as error:
            raise disk_problem(error, folder) from error
        return cls(folder, segments, segment_bytes)

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
    def damage(self) -> tuple[Problem, ...]:
        """What could not be read since the log was opened: problems `log-damaged`."""
        return tuple(self._damage)

    def submit(self, data: bytes) -> asyncio.Future[int]:
        if len(data) > LARGEST:
            raise ValueError(f"an entry holds at most {LARGEST} bytes")
        return self._writer.submit(data)

    async def append(self, data: bytes) -> int:
        return await self.submit(data)

    async def read(self, start: int, limit: int) -> Sequence[Entry]:
        start = max(start, self._first)
        recent = self._tail.read(start, min(limit, self._next - start))
        if recent is not None:
            return recent
        return await asyncio.to_thread(self._read_from_disk, start, limit)

    async def trim(self, before: int) -> None:
        await self._writer.submit(before)

    async def close(self) -> None:
        await self._writer.close()
        with self._lock:
            for segment in self._segments:
                segment.close()
            self._segments = []

    def _perform(self, orders: Sequence[bytes | int]) -> Sequence[int | Exception]:
        """In the writer's thread: append what is bytes, then trim to the highest of the numbers."""
        entries = [order for order in orders if isinstance(order, bytes)]
        if len(entries) == len(orders):
            return self._append(entries)
        before = max((order for order in orders if isinstance(order, int)), default=0)
        answers = iter(self._append(entries))
        if before > self._first:
            self._trim(before)
        return [next(answers) if isinstance(order, bytes) else self._first for order in orders]

    def _append(self, entries: Sequence[bytes]) -> Sequence[int | Exception]:
        answers: list[int | Exception] = []
        try:
            while len(answers) < len(entries):
                chunk = self._chunk(entries[len(answers) :])
                self._active_segment(chunk[0]).append(chunk)
                answers.extend(range(self._next, self._next + len(chunk)))
                self._tail.add(self._next, chunk)
                self._size += HEAD_SIZE * len(chunk) + sum(map(len, chunk))
                self._next += len(chunk)
        except OSError as error:
            # A later entry must not overtake the one that failed: all the rest of them fail with it.
            refusal = disk_problem(error, self._folder)
            answers.extend([refusal] * (len(entries) - len(answers)))
        except Problem as refusal:
            answers.extend([refusal] * (len(entries) - len(answers)))
        return answers

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
        created = Segment.create(self._folder, self._next, sizes)
        active.seal()
        with self._lock:
            self._segments.append(created)
            self._use(active)
        self._size += len(MAGIC)
        return created

    def _trim(self, before: int) -> None:
        with self._lock:
            while len(self._segments) > 1 and self._segments[1].first <= before:
                segment = self._segments.pop(0)
                self._loaded.pop(segment.first, None)
                self._size -= segment.capacity
                segment.unlink()
            self._first = self._segments[0].first

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
        until = self._next if index == len(self._segments) - 1 else self._segments[index + 1].first
        if not segment.loaded:
            segment.load()
        if segment is not self._segments[-1]:
            self._use(segment)
        found = segment.read(start, limit, until)
        wanted = min(until, max(start, segment.first) + limit)
        whole_to = found[-1].offset + 1 if found else max(start, segment.first)
        if whole_to < wanted:
            self._tell_damage(segment, whole_to, until)
        return found

    def _use(self, segment: Segment) -> None:
        """Keep the positions of the segments that were read last, and forget those of the others."""
        self._loaded[segment.first] = segment
        self._loaded.move_to_end(segment.first)
        while len(self._loaded) > _KEPT_LOADED:
            self._loaded.popitem(last=False)[1].forget()

    def _tell_damage(self, segment: Segment, start: int, until: int) -> None:
        problem = Problem(LOG_DAMAGED, path=segment.path, first=start, last=until - 1, count=until - start)
        if all(str(problem) != str(known) for known in self._damage):
            self._damage.append(problem)
            logger.error("%s", problem)


def _recover(folder: Path, segments: list[Segment], segment_bytes: int) -> None:
    """Make the last segment ready to append to: cut a torn tail, set a file without our mark aside."""
    if not segments:
        segments.append(Segment.create(folder, 0, list(_sizes(segment_bytes, len(MAGIC)))))
        return
    last = segments[-1]
    rest = last.load().rstrip(b"\0")
    if rest and last.end == len(MAGIC) and not _has_mark(last.path):
        aside = last.path.with_suffix(".damaged")
        logger.error("%s is not a segment (%d bytes); kept as %s", last.path, len(rest), aside.name)
        last.close()
        last.path.rename(aside)
        segments[-1] = Segment.create(folder, last.first, list(_sizes(segment_bytes, len(MAGIC))))
    elif rest or last.end == len(MAGIC):
        if rest:
            logger.warning(
                "cut %d torn bytes from %s; entries %d to %d are whole",
                *(len(rest), last.path, last.first, last.next - 1),
            )
        last.cut()


def _has_mark(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def _sizes(wanted: int, needed: int) -> Iterator[int]:
    """What to ask of the disk, one after another: the usual, halves of it, and what is needed at least."""
    while wanted > needed:
        yield wanted
        wanted //= 2
    yield needed
