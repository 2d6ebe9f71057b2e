"""What the disk says when a module is made, in our words."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hotori.problems import Problem
from hotori.problems.storage import DISK_FULL, FILE_UNREADABLE


@contextmanager
def disk_problems(folder: Path) -> Iterator[None]:
    """Turn an OSError into `disk-full` (for the disk under `folder`) or `file-unreadable`, naming the file."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            free = shutil.disk_usage(folder).free
            raise Problem(DISK_FULL, str(error), path=folder, free=free) from error
        path = error.filename2 or error.filename or folder
        raise Problem(FILE_UNREADABLE, str(error), path=path, reason=error.strerror or "unknown") from error
