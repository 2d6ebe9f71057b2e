"""Layers: files packed so that the same files give the same bytes, whoever packs them and whenever."""

from __future__ import annotations

import hashlib
import io
import os
import stat
import tarfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, BinaryIO

from hotori.images.content_files import CHUNK

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

SPEED = 1
"""zlib's level. Layers travel once over a network that is rarely slower than level 6 is on a small computer."""


@dataclass(frozen=True, slots=True)
class PackedLayer:
    """What was written: digest and size of the compressed bytes, and the digest of the tar inside."""

    digest: str
    size: int
    diff_id: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A file, folder or symbolic link to pack: where it is, and its path in the image without the first slash."""

    source: Path
    name: str


def entries_of(folder: Path, target: str, without: tuple[str, ...] = ()) -> list[Entry]:
    """Everything below a folder, to be put at `target`, sorted; nothing whose name is in `without`."""
    prefix = PurePosixPath(target.strip("/"))
    found = [Entry(path, str(prefix / path.relative_to(folder))) for path in _walk(folder, frozenset(without))]
    return sorted(found, key=lambda entry: entry.name)


def fingerprint(entries: list[Entry]) -> str:
    """A hash of names, kinds and contents: equal for equal layers."""
    state = hashlib.sha256()
    for entry in entries:
        mode = entry.source.lstat().st_mode
        state.update(f"{entry.name}\0{_mode(mode):o}\0{stat.S_IFMT(mode):o}\0".encode())
        if stat.S_ISLNK(mode):
            state.update(os.fsencode(entry.source.readlink()))
        elif stat.S_ISREG(mode):
            with entry.source.open("rb") as file:
                state.update(hashlib.file_digest(file, "sha256").digest())
    return state.hexdigest()


def pack(entries: list[Entry], target: Path, advance: Callable[[int], None] | None = None) -> PackedLayer:
    """Write the layer's compressed tar to a file. `advance` hears of the bytes read. Blocks; runs in a thread."""
    with target.open("wb") as file:
        sink = _LayerSink(file)
        with tarfile.open(fileobj=sink, mode="w|", format=tarfile.PAX_FORMAT, bufsize=CHUNK) as archive:
            for parent in _parents(entries):
                archive.addfile(_member(parent, tarfile.DIRTYPE))
            for entry in entries:
                _add(archive, entry)
                if advance:
                    advance(entry.source.lstat().st_size)
        return sink.finish()


def _walk(folder: Path, without: frozenset[str]) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.name in without:
            continue
        yield path
        if path.is_dir() and not path.is_symlink():
            yield from _walk(path, without)


def _parents(entries: list[Entry]) -> list[str]:
    """The folders above the entries that no entry stands for."""
    names = {str(parent) for entry in entries for parent in PurePosixPath(entry.name).parents}
    return sorted(names - {entry.name for entry in entries} - {"."})


def _add(archive: tarfile.TarFile, entry: Entry) -> None:
    mode = entry.source.lstat().st_mode
    if stat.S_ISLNK(mode):
        archive.addfile(_member(entry.name, tarfile.SYMTYPE, link=os.fsdecode(entry.source.readlink())))
    elif stat.S_ISDIR(mode):
        archive.addfile(_member(entry.name, tarfile.DIRTYPE))
    elif stat.S_ISREG(mode):
        with entry.source.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            archive.addfile(_member(entry.name, tarfile.REGTYPE, _mode(mode), size=size), file)


def _member(name: str, kind: bytes, mode: int = 0o755, *, size: int = 0, link: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.mode, member.size, member.linkname = kind, mode, size, link
    return member


def _mode(mode: int) -> int:
    """Only whether a file can be executed: the rest is the packing person's habit."""
    return 0o755 if mode & stat.S_IXUSR or stat.S_ISDIR(mode) else 0o644


class _LayerSink(io.RawIOBase):
    """Takes a tar, hashes it, compresses it, hashes that, and writes it on."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__()
        self._file = file
        self._plain, self._packed = hashlib.sha256(), hashlib.sha256()
        self._size = 0
        # 31: the gzip format, whose header zlib writes without a time or a name.
        self._compress = zlib.compressobj(SPEED, zlib.DEFLATED, 31)

    def writable(self) -> bool:
        return True

    def write(self, content: ReadableBuffer) -> int:
        self._plain.update(content)
        self._emit(self._compress.compress(content))
        return memoryview(content).nbytes

    def finish(self) -> PackedLayer:
        self._emit(self._compress.flush())
        return PackedLayer(f"sha256:{self._packed.hexdigest()}", self._size, f"sha256:{self._plain.hexdigest()}")

    def _emit(self, content: bytes) -> None:
        self._packed.update(content)
        self._size += len(content)
        self._file.write(content)
