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
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Set
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Protocol, TypeAlias

from hotori.objects.blob import Piece
from hotori.store.disk import disk_problem, sync_folder, write_all

Chance: TypeAlias = Callable[[int], bytes]

_CHUNK = 1 << 20
_WORTH_A_THREAD = 1 << 18
"""Less than this is hashed sooner than it is handed to another thread."""
_NOT_COPIED = 1 << 14
"""Chunks of this size are kept as they came. Smaller ones are put together: they may be of a byte each."""


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

    async def receive(self, chunks: AsyncIterator[bytes], *, hashed: bool = True) -> Piece:
        """Write everything and flush it; `md5` is known then, if it is asked for.

        Raises `disk-full` or `disk-failed`.
        """
        growing = _Growing(self._path, hashlib.md5(usedforsecurity=False) if hashed else None)
        try:
            await growing.take(chunks)
        except OSError as error:
            raise disk_problem(error, self._path.parent.parent) from error
        self.md5 = growing.digest.digest() if growing.digest else b""
        return Piece(self._path.name, growing.size)


class _Digest(Protocol):
    """What of a hash is used here."""

    def update(self, data: bytes | bytearray, /) -> None: ...

    def digest(self) -> bytes: ...


class _Part:
    """What has arrived of a file since the last of it went to the disk. Large chunks are not copied any more."""

    def __init__(self) -> None:
        self.chunks: list[bytes | bytearray] = []
        self.size = 0

    def add(self, chunk: bytes) -> None:
        self.size += len(chunk)
        if len(chunk) >= _NOT_COPIED:
            self.chunks.append(chunk)
        elif self.chunks and isinstance(self.chunks[-1], bytearray):
            self.chunks[-1] += chunk
        else:
            self.chunks.append(bytearray(chunk))

    def hash(self, digest: _Digest) -> None:
        for chunk in self.chunks:
            digest.update(chunk)

    def write(self, descriptor: int, at: int) -> None:
        for chunk in self.chunks:
            write_all(descriptor, chunk, at)
            at += len(chunk)


class _Growing:
    """A file on its way to the disk: while one part is written and hashed, the next one may arrive.

    So there are two parts in memory at most. A large one is hashed in one thread while another one writes it.
    """

    def __init__(self, path: Path, digest: _Digest | None) -> None:
        self._path, self.digest = path, digest
        self.size = 0
        self._busy: asyncio.Future[Any] | None = None

    async def take(self, chunks: AsyncIterator[bytes]) -> None:
        """Everything, flushed. However it ends, no thread writes to the file any more."""
        part = _Part()
        try:
            async for chunk in chunks:
                part.add(chunk)
                if part.size >= _CHUNK:
                    await self._idle()
                    self._begin(part)
                    part = _Part()
            await self._idle()
            self._begin(part, last=True)
        finally:
            await self._idle()

    async def _idle(self) -> None:
        if self._busy is not None:
            await self._busy

    def _begin(self, part: _Part, *, last: bool = False) -> None:
        run, at = partial(asyncio.get_running_loop().run_in_executor, None), self.size
        self.size += part.size
        if self.digest is None or part.size < _WORTH_A_THREAD:
            self._busy = run(_write, self._path, at, part, self.digest, last)
        else:
            self._busy = asyncio.gather(run(_write, self._path, at, part, None, last), run(part.hash, self.digest))


class _Span(NamedTuple):
    """A stretch of one file, of a size that is read in one go."""

    path: Path
    at: int
    size: int


class Reading:
    """A part of a blob's content, read once, chunk by chunk: see `present` first, and `close` it in any case."""

    def __init__(self, files: ContentFiles, pieces: tuple[Piece, ...], start: int, length: int) -> None:
        self._files, self.length = files, length
        self._names = frozenset(piece.file for piece in pieces)
        self._spans = _spans(files, pieces, start, length)
        self._ahead: asyncio.Future[bytes | None]
        files.hold(self._names)

    async def present(self) -> bool:
        """Whether all files are (still) there; the same visit to the disk reads what goes out first."""
        paths = [self._files.path(name) for name in self._names]
        self._ahead = _in_thread(_first_look, paths, next(self._spans, None))
        return await self._ahead is not None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """While one chunk goes to the reader, the next one is read."""
        try:
            while data := await self._ahead:
                self._ahead = _in_thread(_read, next(self._spans, None))
                yield data
        finally:
            self._ahead.cancel()

    async def close(self) -> None:
        await self._files.release(self._names)


def _in_thread(work: Callable[..., bytes | None], *arguments: object) -> asyncio.Future[bytes | None]:
    return asyncio.get_running_loop().run_in_executor(None, work, *arguments)


def _spans(files: ContentFiles, pieces: Iterable[Piece], start: int, length: int) -> Iterator[_Span]:
    """The stretches of files that make up `length` bytes from `start` on."""
    skip, left = start, length
    for piece in pieces:
        if skip >= piece.size:
            skip -= piece.size
            continue
        path, end = files.path(piece.file), min(piece.size, skip + left)
        yield from (_Span(path, at, min(_CHUNK, end - at)) for at in range(skip, end, _CHUNK))
        left -= end - skip
        skip = 0
        if not left:
            return


def _write(path: Path, at: int, part: _Part, digest: _Digest | None, last: bool) -> None:
    """Write a part of a file, making it if need be; flush it and its name with the last part."""
    if digest is not None:
        part.hash(digest)
    descriptor = _open_to_write(path)
    try:
        part.write(descriptor, at)
        if last:
            os.fdatasync(descriptor)
        else:
            # The disk begins with it now, so that less is left to wait for in the end.
            os.posix_fadvise(descriptor, at, part.size, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)
    if last:
        sync_folder(path.parent)


def _open_to_write(path: Path) -> int:
    flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC
    try:
        return os.open(path, flags, 0o666)
    except FileNotFoundError:
        path.parent.mkdir(exist_ok=True)
        return os.open(path, flags, 0o666)


def _first_look(paths: Iterable[Path], span: _Span | None) -> bytes | None:
    """What the span holds, or None where one of the files is not there."""
    return _read(span) if all(path.exists() for path in paths) else None


def _read(span: _Span | None) -> bytes:
    if span is None:
        return b""
    with span.path.open("rb", buffering=0) as file:
        data = os.pread(file.fileno(), span.size, span.at)
    if len(data) < span.size:
        raise EOFError(f"{span.path.name} ends after {span.at + len(data)} bytes")
    return data


def _unlink_all(paths: Iterable[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)
