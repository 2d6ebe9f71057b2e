"""What a disk does: the calls that make files last, and its errors in our words."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Protocol

from hotori.problems import Problem
from hotori.problems.storage import DISK_FAILED, DISK_FULL

_FULL = (errno.ENOSPC, errno.EDQUOT)


def free_bytes(path: Path) -> int:
    """Bytes that an unprivileged program may still write on the disk under `path`."""
    disk = os.statvfs(path)
    return disk.f_bavail * disk.f_frsize


def disk_problem(error: OSError, path: Path) -> Problem:
    """`disk-full` or `disk-failed`, for a write below the folder `path` that ended in `error`."""
    if error.errno in _FULL:
        return disk_full(path, str(error))
    return Problem(DISK_FAILED, str(error), path=path, reason=error.strerror or "unknown")


def disk_full(path: Path, evidence: str) -> Problem:
    return Problem(DISK_FULL, evidence, path=path, free=free_bytes(path))


def data_end(descriptor: int) -> int:
    """Where the last data of a file ends; what is behind was reserved, never written, and reads as zeros."""
    end = size = os.fstat(descriptor).st_size
    try:
        end = 0
        while end < size:
            end = os.lseek(descriptor, os.lseek(descriptor, end, os.SEEK_DATA), os.SEEK_HOLE)
    except OSError as error:
        return end if error.errno == errno.ENXIO else size
    return end


def sync_folder(path: Path) -> None:
    """Make the names in a folder last: without it a new file's name can be lost with the power."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class Disk(Protocol):
    """The port below a log: what is written and flushed is there after the power went, what is only written may not."""

    def write(self, descriptor: int, data: bytes, at: int) -> None:
        """Write every byte at a position of a file; raises OSError where the disk takes only a part."""
        ...

    def flush(self, descriptor: int) -> None:
        """Return when everything that was written to the file is on the disk. Raises OSError."""
        ...


class RealDisk:
    """The system's calls."""

    def write(self, descriptor: int, data: bytes, at: int) -> None:
        write_all(descriptor, data, at)

    def flush(self, descriptor: int) -> None:
        os.fdatasync(descriptor)


def write_all(descriptor: int, data: bytes | bytearray, at: int) -> None:
    """Write every byte at a position of a file; raises OSError where the disk takes only a part."""
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, at)
        view, at = view[written:], at + written
