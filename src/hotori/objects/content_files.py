"""Content on disk: each upload a file of its own with a name nobody chose.

A file is whole and flushed before its name is given out, is never written again, and is removed only when no
reader holds it. What an index does not speak of is left-over, and `sweep` removes it at the next start.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Set
from pathlib import Path
from types import TracebackType
from typing import TypeAlias

from hotori.objects.blob import Piece
from hotori.store.disk import disk_problem, sync_folder

Chance: TypeAlias = Callable[[int], bytes]

_CHUNK = 1 << 20


class ContentFiles:
    """Files below one folder, spread over up to 256 folders by the first letters of their names."""

    def __init__(self, folder: Path, chance: Chance) -> None:
        self._folder, self._chance = folder, chance
        self._readers: Counter[str] = Counter()
        self._doomed: set[str] = set()
        folder.mkdir(parents=True, exist_ok=True)

    def incoming(self) -> Incoming:
        """A place for content that is about to arrive."""
        return Incoming(self, self.path(self._chance(16).hex()))

    def path(self, file: str) -> Path:
        return self._folder / file[:2] / file

    def reading(self, pieces: Iterable[Piece], start: int, length: int) -> Reading:
        """Content from `start` on; the files stay until the reading is closed."""
        return Reading(self, tuple(pieces), start, length)

    def hold(self, files: Set[str]) -> None:
        self._readers.update(files)

    async def release(self, files: Set[str]) -> None:
        self._readers.subtract(files)
        free = {file for file in files if self._readers[file] <= 0}
        for file in free:
            del self._readers[file]
        await self._unlink(free & self._doomed)
        self._doomed -= free

    async def remove(self, files: Set[str]) -> None:
        """Remove the files, those that are being read when they are not any more."""
        held = {file for file in files if file in self._readers}
        self._doomed |= held
        await self._unlink(files - held)

    async def sweep(self, wanted: Set[str]) -> int:
        """Remove every file that is not wanted; how many. Only for a store that serves nobody yet."""
        return await asyncio.to_thread(self._sweep, wanted)

    def _sweep(self, wanted: Set[str]) -> int:
        unwanted = [path for path in self._folder.glob("??/*") if path.name not in wanted]
        for path in unwanted:
            path.unlink()
        return len(unwanted)

    async def _unlink(self, files: Iterable[str]) -> None:
        paths = [self.path(file) for file in files]
        if paths:
            await asyncio.to_thread(_unlink_all, paths)


class Incoming:
    """Content that arrives: `async with files.incoming() as incoming: piece = await incoming.receive(chunks)`.

    The file is dropped if the block fails. It is kept if the block is cancelled, because nobody knows then
    whether the index speaks of it; `sweep` decides later.
    """

    def __init__(self, files: ContentFiles, path: Path) -> None:
        self._files, self._path = files, path
        self.md5 = b""

    async def __aenter__(self) -> Incoming:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if isinstance(error, Exception):
            await self._files.remove({self._path.name})

    @property
    def md5_base64(self) -> str:
        return base64.b64encode(self.md5).decode()

    async def receive(self, chunks: AsyncIterator[bytes]) -> Piece:
        """Write everything and flush it. Raises `disk-full` or `disk-failed`."""
        try:
            size = await self._write(chunks)
        except OSError as error:
            raise disk_problem(error, self._path.parent.parent) from error
        return Piece(self._path.name, size)

    async def _write(self, chunks: AsyncIterator[bytes]) -> int:
        gathered, size, digest = bytearray(), 0, hashlib.md5(usedforsecurity=False)
        async for chunk in chunks:
            gathered += chunk
            if len(gathered) >= _CHUNK:
                size += await asyncio.to_thread(_append, self._path, bytes(gathered), digest.update)
                gathered.clear()
        size += await asyncio.to_thread(_append, self._path, bytes(gathered), digest.update, last=True)
        self.md5 = digest.digest()
        return size


class Reading:
    """A part of a blob's content, read once, chunk by chunk. `close` it in any case."""

    def __init__(self, files: ContentFiles, pieces: tuple[Piece, ...], start: int, length: int) -> None:
        self._files, self._pieces, self._start, self.length = files, pieces, start, length
        self._names = frozenset(piece.file for piece in pieces)
        files.hold(self._names)

    async def present(self) -> bool:
        """Whether all files are (still) there."""
        paths = [self._files.path(name) for name in self._names]
        return await asyncio.to_thread(lambda: all(path.exists() for path in paths))

    async def __aiter__(self) -> AsyncIterator[bytes]:
        skip, left = self._start, self.length
        for piece in self._pieces:
            if skip >= piece.size:
                skip -= piece.size
                continue
            path, end = self._files.path(piece.file), min(piece.size, skip + left)
            for at in range(skip, end, _CHUNK):
                yield await asyncio.to_thread(_read, path, at, min(_CHUNK, end - at))
            left -= end - skip
            skip = 0
            if not left:
                return

    async def close(self) -> None:
        await self._files.release(self._names)


def _append(path: Path, data: bytes, digest: Callable[[bytes], None], *, last: bool = False) -> int:
    """Add to a file, making it if need be; flush it and its name with the last part."""
    digest(data)
    path.parent.mkdir(exist_ok=True)
    with path.open("ab", buffering=0) as file:
        view = memoryview(data)
        while view:
            view = view[file.write(view) :]
        if last:
            os.fsync(file.fileno())
    if last:
        sync_folder(path.parent)
    return len(data)


def _read(path: Path, at: int, size: int) -> bytes:
    with path.open("rb", buffering=0) as file:
        data = os.pread(file.fileno(), size, at)
    if len(data) < size:
        raise EOFError(f"{path.name} ends after {at + len(data)} bytes")
    return data


def _unlink_all(paths: Iterable[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)
