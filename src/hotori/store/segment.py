"""One file of a segment log: a stretch of entries, preallocated, its name the first one's offset."""

from __future__ import annotations

import errno
import logging
import os
import re
import secrets
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from hotori.store.compaction import compacted
from hotori.store.disk import Disk, data_end, sync_folder
from hotori.store.frame import HEAD_SIZE, encode_frames, encode_gap, read_frame
from hotori.store.log import Entry
from hotori.store.quarantine import mend, quarantine, replace_file
from hotori.store.scan import Hole, Scan, scan_segment

MAGIC = b"HOTORI\x02\n"
SUFFIX = ".log"
NAME = re.compile(r"\d{20}\.[0-9a-f]{8}\.log")
_DIGITS = 20

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Findings:
    """What was wrong with a segment. `overwritten` are its first bytes; `kept` is the damaged file's new name."""

    holes: tuple[Hole, ...]
    torn: int
    overwritten: bool
    kept: Path | None


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read, and the offsets of entries that were whole when the segment was loaded and no longer are."""

    entries: list[Entry]
    spoiled: tuple[int, ...]


class Segment:
    """Entries from `first` on. `positions` holds where each starts (0 where it is missing); at `end` follows the next.

    Positions of a full segment are found by reading it when it is first needed, and can be forgotten. The name of
    its file is the first offset and the salt of its frames.
    """

    def __init__(self, path: Path, descriptor: int, disk: Disk) -> None:
        self.path = path
        first, salt = path.name.split(".")[:2]
        self.first, self._salt = int(first), int(salt, 16)
        self.end = len(MAGIC)
        self.capacity = os.fstat(descriptor).st_size
        self.positions: array[int] = array("Q")
        self.loaded = False
        self.failed = False
        self._confirmed = False
        self._descriptor = descriptor
        self._disk = disk

    @classmethod
    def create(cls, folder: Path, first: int, sizes: Sequence[int], disk: Disk) -> Segment:
        """Make a segment of the first of `sizes` (bytes) that the disk has room for. Raises OSError; leaves nothing."""
        path = folder / f"{first:0{_DIGITS}}.{secrets.token_hex(4)}{SUFFIX}"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            _allocate(descriptor, sizes)
            disk.write(descriptor, MAGIC, 0)
            os.fsync(descriptor)
            sync_folder(folder)
        except OSError:
            os.close(descriptor)
            path.unlink()
            raise
        segment = cls(path, descriptor, disk)
        segment.loaded = True
        return segment

    @classmethod
    def open(cls, path: Path, disk: Disk) -> Segment:
        """Open an existing file without reading it."""
        return cls(path, os.open(path, os.O_RDWR | os.O_CLOEXEC), disk)

    @property
    def next(self) -> int:
        """The offset after the last entry; known once the segment is loaded."""
        return self.first + len(self.positions)

    def load(self, until: int | None = None) -> Findings:
        """Find the entries; `until` is the offset that the next segment begins with. Raises OSError.

        A file that is damaged is kept as it is under another name, and its good entries are served.
        """
        data = os.pread(self._descriptor, data_end(self._descriptor), 0)
        scan = scan_segment(data, len(MAGIC), self.first, self._salt, until)
        self._adopt(scan)
        overwritten = not data.startswith(MAGIC) and not MAGIC.startswith(data.rstrip(b"\0"))
        kept = self._mend(data, scan, until) if scan.holes or overwritten else None
        return Findings(tuple(scan.holes), scan.torn, overwritten, kept)

    def _adopt(self, scan: Scan) -> None:
        self.positions, self.end, self._confirmed, self.loaded = scan.positions, scan.end, scan.confirmed, True

    def _mend(self, data: bytes, scan: Scan, until: int | None) -> Path | None:
        """Set the damaged file aside and continue on one of the good entries; None where the disk does not allow it."""
        mended = mend(data, scan, MAGIC, self._salt)
        try:
            kept, descriptor = quarantine(self.path, mended)
        except OSError as error:
            logger.error("%s is damaged and could not be set aside: %s", self.path, error)
            return None
        os.close(self._descriptor)
        self._descriptor = descriptor
        if until is not None:
            self.capacity = len(mended)
        self._adopt(scan_segment(mended, len(MAGIC), self.first, self._salt))
        return kept

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
        frames = encode_frames(self.next, entries, self._salt)
        try:
            self._disk.write(self._descriptor, frames, self.end)
            self._disk.flush(self._descriptor)
        except OSError:
            self.failed = True
            self.cut()
            self.failed = False
            raise
        self._account(entries)

    def confirm(self) -> None:
        """Say on disk that everything before is there, so that damage is not taken for an unfinished write.

        Raises OSError.
        """
        mark = encode_gap(self.next, self.next, self._salt)
        if not self._confirmed and self.positions and self.has_room(len(mark)):
            self._disk.flush(self._descriptor)
            self._disk.write(self._descriptor, mark, self.end)
            self._disk.flush(self._descriptor)
            self.end += len(mark)
            self._confirmed = True

    def cut(self) -> None:
        """Remove what stands behind the last valid entry, and make room again where the disk allows it."""
        os.ftruncate(self._descriptor, 0 if self.end == len(MAGIC) else self.end)
        if self.end == len(MAGIC):
            self._disk.write(self._descriptor, MAGIC, 0)
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

    def compact(self, keep: Sequence[int], until: int) -> None:
        """Let go of all but the entries of these offsets (in order), where that wins enough. Raises OSError."""
        data = os.pread(self._descriptor, self.capacity, 0)
        positions = scan_segment(data, len(MAGIC), self.first, self._salt, until).positions
        smaller = compacted(data, positions, self.first, keep, MAGIC, self._salt)
        if smaller is not None:
            descriptor = replace_file(self.path, smaller)
            os.close(self._descriptor)
            self._descriptor, self.capacity = descriptor, len(smaller)
            self._adopt(scan_segment(smaller, len(MAGIC), self.first, self._salt, until))

    def seal(self) -> None:
        """Give back the room that was reserved and not used; nothing will be appended any more."""
        os.ftruncate(self._descriptor, self.end)
        self.capacity = self.end

    def read(self, start: int, limit: int, until: int) -> Reading:
        """Up to `limit` entries from `start` to before `until`, without those that are missing."""
        begin, stop = max(start, self.first), min(until, self.next)
        present = ((offset, at) for offset in range(begin, stop) if (at := self.positions[offset - self.first]))
        wanted = list(islice(present, limit))
        if not wanted:
            return Reading([], ())
        at, behind = wanted[0][1], self._behind(wanted[-1][0])
        data = os.pread(self._descriptor, behind - at, at)
        entries, spoiled = [], []
        for offset, place in wanted:
            entry = read_frame(data, place - at, offset, self._salt)
            if entry is None:
                spoiled.append(offset)
            else:
                entries.append(Entry(offset, entry))
        return Reading(entries, tuple(spoiled))

    def _behind(self, offset: int) -> int:
        """A position behind an entry, and not behind many others."""
        for index in range(offset + 1 - self.first, len(self.positions)):
            if self.positions[index]:
                return self.positions[index]
        return self.end

    def close(self) -> None:
        os.close(self._descriptor)

    def unlink(self) -> None:
        self.close()
        self.path.unlink()

    def _account(self, entries: Sequence[bytes]) -> None:
        self._confirmed = False
        add, end = self.positions.append, self.end
        for data in entries:
            add(end)
            end += HEAD_SIZE + len(data)
        self.end = end


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
