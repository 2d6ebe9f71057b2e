"""A program's data folder: private to its owner, and held by one process at a time."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from types import TracebackType

from hotori.problems import Problem
from hotori.problems.storage import DATA_FOLDER_IN_USE, FILE_UNREADABLE


class DataFolder:
    """Makes the folder (mode 0700) and holds its lock while open. The kernel frees the lock if we die."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: int | None = None

    def __enter__(self) -> DataFolder:
        """Take the lock. Raises `data-folder-in-use` naming the holder's process, or `file-unreadable`."""
        try:
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise Problem(FILE_UNREADABLE, str(error), path=self.path, reason=error.strerror or "unknown") from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            owner = os.read(lock, 32).decode() or "unknown"
            os.close(lock)
            raise Problem(DATA_FOLDER_IN_USE, path=self.path, owner=f"pid {owner}") from error
        os.ftruncate(lock, 0)
        os.write(lock, str(os.getpid()).encode())
        self._lock = lock
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None
