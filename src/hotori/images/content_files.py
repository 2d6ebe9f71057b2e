"""Bytes kept under their own digest, on disk. What stands under a digest is whole and checked, or absent."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

from hotori.store.disk import sync_folder

CHUNK = 1 << 20
"""Bytes read or written at a time."""


class DigestMismatchError(Exception):
    """The bytes are not those that the digest names."""

    def __init__(self, expected: str, found: str) -> None:
        super().__init__(f"expected {expected}, found {found}")
        self.expected, self.found = expected, found


class ContentFiles:
    """A folder of blobs, each in a file named by its digest. Methods block; call them from a thread."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, digest: str) -> Path:
        algorithm, _, value = digest.partition(":")
        return self.folder / algorithm / value[:2] / value

    def has(self, digest: str) -> bool:
        return self.path(digest).is_file()

    def put(self, content: bytes, digest: str) -> None:
        """Keep bytes that were already checked against `digest`."""
        if not self.has(digest):
            write_durably(self.path(digest), content)

    def adopt(self, file: Path, digest: str, found: str) -> None:
        """Move a finished file in. `found` is the digest of what it holds. Raises DigestMismatchError."""
        if found != digest:
            raise DigestMismatchError(digest, found)
        with file.open("rb") as opened:
            os.fsync(opened.fileno())
        target = self.path(digest)
        target.parent.mkdir(parents=True, exist_ok=True)
        file.replace(target)
        sync_folder(target.parent)

    def delete(self, digest: str) -> None:
        self.path(digest).unlink(missing_ok=True)


def hash_file(path: Path, algorithm: str = "sha256") -> str:
    """The digest of a file's content."""
    with path.open("rb") as file:
        return f"{algorithm}:{hashlib.file_digest(file, algorithm).hexdigest()}"


def write_durably(path: Path, content: bytes) -> None:
    """Write a whole file or none of it; durable on return. Makes the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".new-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    sync_folder(path.parent)
