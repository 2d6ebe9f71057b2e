"""One file of a segment log: a stretch of entries, preallocated, its name the first one's offset."""

from __future__ import annotations

import errno
import os
from array import array
from collections.abc import Sequence
from pathlib import Path

from hotori.store.disk import sync_folder, write_all
from hotori.store.frame import HEAD_SIZE, encode_frames, read_frame, scan_frames
from hotori.store.log import Entry

MAGIC = b"HOTORI\x01\n"
SUFFIX = ".log"
_DIGITS = 20


class Segment:
    """Entries from `first` on. `positions` holds where each starts; `end` is where the next will stand.

    Positions of a full segment are found by reading it when it is first needed, and can be forgotten.
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self.first = int(path.stem)
        self.end = len(MAGIC)
        self.capacity = os.fstat(descriptor).st_size
        self.positions: array[int] = array("Q")
        self.loaded = False
        self.failed = False
        self._descriptor = descriptor

    @classmethod
    def create(cls, folder: Path, first: int, sizes: Sequence[int]) -> Segment:
        """Make a segment of the first of `sizes` (bytes) that the disk has room for. Raises OSError; leaves nothing."""
        path = folder / f"{first:0{_DIGITS}}{SUFFIX}"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            _allocate(descriptor, sizes)
            write_all(descriptor, MAGIC, 0)
            os.fsync(descriptor)
            sync_folder(folder)
        except OSError:
            os.close(descriptor)
            path.unlink()
            raise
        segment = cls(path, descriptor)
        segment.loaded = True
        return segment

    @classmethod
    def open(cls, path: Path) -> Segment:
        """Open an existing file without reading it."""
        return cls(path, os.open(path, os.O_RDWR | os.O_CLOEXEC))

    @property
    def next(self) -> int:
        """The offset after the last entry; known once the segment is loaded."""
        return self.first + len(self.positions)

    def load(self) -> bytes:
        """Find the entries. Answers what stands behind the last valid one: zeros, or a tail that was torn."""
        data = os.pread(self._descriptor, self.capacity, 0)
        if not data.startswith(MAGIC):
            self.positions, self.end, self.loaded = array("Q"), len(MAGIC), True
            return data
        self.positions = array("Q", scan_frames(data, len(MAGIC), self.first))
        self.end = len(MAGIC)
        if self.positions:
            last = read_frame(data, self.positions[-1], self.next - 1)
            assert last is not None
            self.end = self.positions[-1] + HEAD_SIZE + len(last)
        self.loaded = True
        return data[self.end :]

    def forget(self) -> None:
        """Give the positions' memory back; `load` finds them again."""
        self.positions, self.loaded = array("Q"), False

    def has_room(self, size: int) -> bool:
        return self.end + size <= self.capacity

    def append(self, entries: Sequence[bytes]) -> None:
        """Write the entries behind the last one and make them last. Raises OSError, and then keeps none of them.

        An entry that was half written, or written and then refused, must not be found again behind a later one:
        the file is cut to where it was. Where even that is refused, `failed` stays True.
        """
        frames = encode_frames(self.next, entries)
        try:
            write_all(self._descriptor, frames, self.end)
            os.fdatasync(self._descriptor)
        except OSError:
            self.failed = True
            self.cut()
            self.failed = False
            raise
        self._account(entries)

    def cut(self) -> None:
        """Remove what stands behind the last valid entry, and make room again where the disk allows it."""
        os.ftruncate(self._descriptor, 0 if self.end == len(MAGIC) else self.end)
        if self.end == len(MAGIC):
            write_all(self._descriptor, MAGIC, 0)
        try:
            _allocate(self._descriptor, [self.capacity], keep=self.end)
        except OSError:
            self.capacity = self.end
        os.fsync(self._descriptor)

    def reserve(self, sizes: Sequence[int]) -> None:
        """Make the file as large as the first of `sizes` (bytes) that the disk has room for. Raises OSError."""
        _allocate(self._descriptor, sizes, keep=self.end)
        self.capacity = os.fstat(self._descriptor).st_size
        os.fsync(self._descriptor)

    def seal(self) -> None:
        """Give back the room that was reserved and not used; nothing will be appended any more."""
        os.ftruncate(self._descriptor, self.end)
        self.capacity = self.end

    def read(self, start: int, limit: int, until: int) -> list[Entry]:
        """Up to `limit` entries from `start` to before `until`; stops at one that was damaged since."""
        begin, stop = max(start, self.first), min(until, self.next, max(start, self.first) + limit)
        if begin >= stop:
            return []
        at = self.positions[begin - self.first]
        end = self.positions[stop - self.first] if stop < self.next else self.end
        data = os.pread(self._descriptor, end - at, at)
        entries: list[Entry] = []
        for offset in range(begin, stop):
            found = read_frame(data, self.positions[offset - self.first] - at, offset)
            if found is None:
                break
            entries.append(Entry(offset, found))
        return entries

    def close(self) -> None:
        os.close(self._descriptor)

    def unlink(self) -> None:
        self.close()
        self.path.unlink()

    def _account(self, entries: Sequence[bytes]) -> None:
        for data in entries:
            self.positions.append(self.end)
            self.end += HEAD_SIZE + len(data)


def _allocate(descriptor: int, sizes: Sequence[int], keep: int = 0) -> None:
    """Reserve the first size that the disk grants; the last refusal is raised, and the file is `keep` bytes then."""
    for size in sizes:
        try:
            os.posix_fallocate(descriptor, 0, size)
        except OSError as error:
            os.ftruncate(descriptor, keep)
            if error.errno != errno.ENOSPC or size == sizes[-1]:
                raise
        else:
            return
