"""A folder that is made anew each time, and only if it was made so before."""

from __future__ import annotations

import shutil
from pathlib import Path

from hotori.problems import Problem
from hotori.problems.storage import FOLDER_FOREIGN

_MARK = ".made-by-hotori"


def make_anew(path: Path) -> Path:
    """An empty folder at `path`. Raises `folder-foreign` where things stand that this function did not allow."""
    if path.exists() and any(path.iterdir()) and not (path / _MARK).exists():
        raise Problem(FOLDER_FOREIGN, path=path)
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    (path / _MARK).touch()
    return path
