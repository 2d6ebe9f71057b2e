"""A module's log: what it wrote, kept within a byte cap."""

from __future__ import annotations

from pathlib import Path


class RotatedLog:
    """Appends to `path`; when it is full it becomes `path.1`, and so on up to `keep` old files.

    Writes are small and go to the system's cache, so they happen on the loop.
    """

    def __init__(self, path: Path, limit: int = 2 << 20, keep: int = 2) -> None:
        self._path, self._limit, self._keep = path, limit, keep
        self._size = path.stat().st_size if path.exists() else 0

    def write(self, content: bytes) -> None:
        if self._size and self._size + len(content) > self._limit:
            self._rotate()
        with self._path.open("ab") as file:
            file.write(content)
        self._size += len(content)

    def read(self, tail: int | None = None) -> bytes:
        """All that is kept, oldest first; the last `tail` lines of it."""
        content = b"".join(path.read_bytes() for path in reversed(self._files()) if path.exists())
        if tail is None:
            return content
        lines = content.splitlines(keepends=True)
        return b"".join(lines[max(len(lines) - tail, 0) :])

    def _files(self) -> list[Path]:
        """The file that is written to, then older and older ones."""
        older = [self._path.with_name(f"{self._path.name}.{number}") for number in range(1, self._keep + 1)]
        return [self._path, *older]

    def _rotate(self) -> None:
        files = self._files()
        for newer, older in zip(reversed(files[:-1]), reversed(files[1:]), strict=True):
            if newer.exists():
                newer.replace(older)
        self._size = 0
