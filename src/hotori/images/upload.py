"""A blob on its way into the registry: bytes so far, and their hash (contract 2).

UploadBusyError
    two requests write to one upload at once
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from hotori.images.content_files import hash_file

if TYPE_CHECKING:
    from hashlib import _Hash


class UploadBusyError(Exception):
    """Another request writes to this upload."""


class Upload:
    """An open upload. The file survives a restart of the registry; the running hash is then made anew."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.id = path.name
        self.size = path.stat().st_size
        self._busy = False
        self._hash: _Hash | None = hashlib.sha256() if self.size == 0 else None

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the upload for one request. Raises UploadBusyError."""
        if self._busy:
            raise UploadBusyError(self.id)
        self._busy = True
        try:
            yield
        finally:
            self._busy = False

    def append(self, content: bytes) -> None:
        """Add bytes at the end."""
        with self.path.open("ab") as file:
            file.write(content)
        self.size += len(content)
        if self._hash is not None:
            self._hash.update(content)

    def digest(self, algorithm: str) -> str:
        """The digest of the bytes so far; another algorithm than sha256 reads the file again."""
        if self._hash is None or algorithm != "sha256":
            return hash_file(self.path, algorithm)
        return f"sha256:{self._hash.hexdigest()}"

    def discard(self) -> None:
        self.path.unlink(missing_ok=True)
