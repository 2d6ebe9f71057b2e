"""Setting a damaged segment aside: it stays as it is under another name, and the good entries go on in its place."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from hotori.store.disk import sync_folder, write_all
from hotori.store.frame import encode_gap
from hotori.store.scan import Scan

SUFFIX = ".damaged"
_UNFINISHED = ".mended"
MOST_KEPT = 4
"""Damaged files beyond this number go, the oldest first: they would fill the disk."""


def mend(data: bytes, scan: Scan, head: bytes, salt: int) -> bytes:
    """A segment that begins with `head` and has the good entries of this one, and a gap where others are missing."""
    parts, at = [head], len(head)
    for hole in scan.holes:
        parts += [data[at : hole.at], encode_gap(hole.first, hole.end, salt)]
        at = hole.at + hole.size
    parts.append(data[at : scan.end])
    return b"".join(parts)


def quarantine(path: Path, mended: bytes) -> tuple[Path, int]:
    """Put `mended` in the place of a file; where the file is kept, and a descriptor of the new one. Raises OSError."""
    kept = _free_name(path)
    try:
        os.link(path, kept)
    except OSError:  # not every file system has links
        shutil.copyfile(path, kept)
    try:
        descriptor = replace_file(path, mended)
    except OSError:
        kept.unlink(missing_ok=True)
        raise
    _prune(path.parent)
    return kept, descriptor


def replace_file(path: Path, data: bytes) -> int:
    """Put other bytes in the place of a file; a descriptor of it. Raises OSError.

    At every moment a whole file stands under the name.
    """
    whole = path.with_suffix(_UNFINISHED)
    descriptor = os.open(whole, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        write_all(descriptor, data, 0)
        os.fsync(descriptor)
        whole.replace(path)
        sync_folder(path.parent)
    except OSError:
        os.close(descriptor)
        whole.unlink(missing_ok=True)
        raise
    return descriptor


def set_aside(path: Path) -> Path:
    """Keep a file that is none of ours under a name where it is in nobody's way. Raises OSError."""
    kept = _free_name(path)
    path.rename(kept)
    return kept


def discard_unfinished(folder: Path) -> None:
    """Remove what a crash left half mended; the damaged file still stands in its place."""
    for path in folder.glob(f"*{_UNFINISHED}"):
        path.unlink()


def kept_files(folder: Path) -> list[Path]:
    """The damaged files of a folder, the oldest first."""
    return sorted(folder.glob(f"*{SUFFIX}"), key=lambda path: (path.stat().st_mtime_ns, path.name))


def _free_name(path: Path) -> Path:
    number = 0
    while (name := path.with_suffix(f".{number}{SUFFIX}")).exists():
        number += 1
    return name


def _prune(folder: Path) -> None:
    for path in kept_files(folder)[:-MOST_KEPT]:
        path.unlink()
