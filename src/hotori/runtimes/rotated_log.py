"""A module's log: what it wrote, kept within a byte cap."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hotori.model.log_config import ROTATED, LogConfig

_SIZE, _FILES = ROTATED.file_bytes(0), ROTATED.file_count(1)
_OF_LOCAL = 20_000_000, 5


@dataclass(frozen=True, slots=True)
class LogLimits:
    """A file is full at `size` bytes, 0 for never; `files` are kept, with the one that is written to."""

    size: int = _SIZE
    files: int = _FILES

    @classmethod
    def of(cls, config: LogConfig) -> LogLimits:
        """What a container engine would keep: json-file without a size has no limit, local has one of its own."""
        size, files = _OF_LOCAL if config.driver == "local" else (0, 1)
        return cls(config.file_bytes(size), config.file_count(files))


class RotatedLog:
    """Appends to `path`; when it is full it becomes `path.1`, and so on up to as many files as the limits allow.

    Writes are small and go to the system's cache, so they happen on the loop.
    """

    def __init__(self, path: Path, limits: LogLimits = LogLimits()) -> None:
        self._path, self._limits = path, limits
        self._size = path.stat().st_size if path.exists() else 0
        self._gone = 0

    def write(self, content: bytes) -> None:
        rest = memoryview(content)
        while self._limits.size and self._size + len(rest) > self._limits.size:
            cut = self._cut(rest)
            self._append(rest[:cut])
            rest = rest[cut:]
            self._rotate()
        self._append(rest)

    def _cut(self, rest: memoryview) -> int:
        """How much goes into this file still: whole lines, or a part of one that is longer than a file."""
        room = max(0, self._limits.size - self._size)
        return bytes(rest[:room]).rfind(b"\n") + 1 or (0 if self._size else room)

    def _append(self, piece: memoryview) -> None:
        if piece:
            with self._path.open("ab") as file:
                file.write(piece)
            self._size += len(piece)

    def read(self, tail: int | None = None) -> bytes:
        """All that is kept, oldest first; the last `tail` lines of it. No file is read that is not needed."""
        pieces: list[bytes] = []
        lines = 0
        for content in self._newest_first():
            pieces.insert(0, content)
            lines += content.count(b"\n")
            if tail is not None and lines > tail:
                break
        content = b"".join(pieces)
        if tail is None:
            return content
        kept = content.splitlines(keepends=True)
        return b"".join(kept[max(len(kept) - tail, 0) :])

    def _newest_first(self) -> Iterator[bytes]:
        return (path.read_bytes() for path in self._files() if path.exists())

    @property
    def begin(self) -> int:
        """The place of the first byte that is kept."""
        return self._gone

    @property
    def end(self) -> int:
        """The place after the last byte. Places count the bytes since this log was opened and what was there then."""
        return self._gone + sum(size for _, size in self._sizes())

    def read_from(self, place: int, most: int) -> tuple[bytes, int]:
        """At most so many bytes from a place on, and the place after them. What is no longer kept is left out."""
        begin = self._gone
        for path, size in self._sizes():
            if place < begin + size:
                start = max(place - begin, 0)
                with path.open("rb") as file:
                    file.seek(start)
                    piece = file.read(min(most, size - start))
                return piece, begin + start + len(piece)
            begin += size
        return b"", max(place, begin)

    def _sizes(self) -> list[tuple[Path, int]]:
        """The files with their sizes in bytes, oldest first."""
        return [(path, path.stat().st_size) for path in reversed(self._files()) if path.exists()]

    def _files(self) -> list[Path]:
        """The file that is written to, then older and older ones."""
        older = [self._path.with_name(f"{self._path.name}.{number}") for number in range(1, self._limits.files)]
        return [self._path, *older]

    def _rotate(self) -> None:
        files = self._files()
        if files[-1].exists():
            self._gone += files[-1].stat().st_size
            files[-1].unlink()
        for newer, older in zip(reversed(files[:-1]), reversed(files[1:]), strict=True):
            if newer.exists():
                newer.replace(older)
        self._size = 0
