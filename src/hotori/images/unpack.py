"""Unpacks a layer into a folder of its own, so that nothing it says can reach outside of that folder.

    UnsafeLayerError
        a member would be written outside of the folder, or is not what a layer may hold
    UnsupportedLayerError
        the layer is compressed in a way that is not read here

Owners, set-user bits and device nodes are left behind: a module run as a process has no use for them. Whiteouts
(`.wh.NAME`) stay as they are; they take effect when layers are merged (`tree`).
"""

from __future__ import annotations

import gzip
import logging
import os
import tarfile
import zlib
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from hotori.images.content_files import CHUNK

_log = logging.getLogger(__name__)


class UnsafeLayerError(Exception):
    """The layer is not one that may be unpacked."""


class UnsupportedLayerError(Exception):
    """The layer's compression is not read here."""


def unpack(layer: Path, folder: Path) -> None:
    """Unpack a tar, gzip-compressed or not, into an empty folder. Blocks; runs in a thread."""
    skipped = 0
    try:
        with layer.open("rb") as file, tarfile.open(fileobj=_decompressed(file), mode="r|", bufsize=CHUNK) as archive:
            for member in archive:
                skipped += not _place(archive, member, folder)
    except (tarfile.TarError, gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UnsafeLayerError(f"it is not a whole tar: {error}") from error
    if skipped:
        _log.info("left %d device nodes and pipes of a layer behind", skipped)


def clamped_link(name: PurePosixPath, target: str) -> str:
    """Where a symbolic link leads, as seen from the root of the image, written relative to the link.

    `name` is the link's path in the image. In a container `/` is the image's root and `..` stops there.
    """
    start = PurePosixPath() if target.startswith("/") else name.parent
    parts: list[str] = []
    for part in (*start.parts, *PurePosixPath(target.lstrip("/")).parts):
        if part != "..":
            parts.append(part)
        elif parts:
            parts.pop()
    return os.path.relpath("/" + "/".join(parts), "/" + str(name.parent))


def _decompressed(file: BinaryIO) -> BinaryIO | gzip.GzipFile:
    magic = file.read(4)
    file.seek(0)
    if magic[:2] == b"\x1f\x8b":
        return gzip.open(file, "rb")
    if magic == b"\x28\xb5\x2f\xfd":
        raise UnsupportedLayerError("a layer is compressed with zstd")
    return file


def _place(archive: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> bool:
    """Write one member; whether it is something that is kept."""
    name = _checked_name(member.name)
    if name == PurePosixPath():
        return True
    path = _inside(folder, folder / name)
    path.parent.mkdir(parents=True, exist_ok=True)
    if member.isdir():
        _make_folder(path, folder)
    elif member.issym():
        _clear(path)
        path.symlink_to(clamped_link(name, member.linkname))
    elif member.islnk():
        _link(folder, path, member)
    elif member.isreg():
        _write(archive, member, path)
    else:
        return False
    return True


def _checked_name(text: str) -> PurePosixPath:
    name = PurePosixPath(text.lstrip("/"))
    if ".." in name.parts or "\0" in text:
        raise UnsafeLayerError(f"a member is named {text!r}")
    return name


def _inside(folder: Path, path: Path) -> Path:
    """The path with its folders' links followed. Raises UnsafeLayerError where it leaves the folder."""
    parent = Path(os.path.realpath(path.parent))
    if not parent.is_relative_to(os.path.realpath(folder)):
        raise UnsafeLayerError(f"{path.relative_to(folder)} would be written outside of the layer")
    return parent / path.name


def _make_folder(path: Path, folder: Path) -> None:
    if path.is_symlink() and path.is_dir():
        _inside(folder, path / "x")
        return
    if not path.is_dir():
        _clear(path)
    path.mkdir(exist_ok=True)


def _link(folder: Path, path: Path, member: tarfile.TarInfo) -> None:
    source = _inside(folder, folder / _checked_name(member.linkname))
    if source.is_symlink() or not source.is_file():
        raise UnsafeLayerError(f"{member.name} is a hard link to {member.linkname}, which the layer does not have")
    _clear(path)
    path.hardlink_to(source)


def _write(archive: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
    source = archive.extractfile(member)
    assert source is not None
    _clear(path)
    with path.open("xb") as file:
        while piece := source.read(CHUNK):
            file.write(piece)
    path.chmod(0o755 if member.mode & 0o100 else 0o644)
    os.utime(path, (member.mtime, member.mtime))


def _clear(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        raise UnsafeLayerError(f"{path.name} is a folder and then again something else")
    path.unlink(missing_ok=True)
