"""A disk that remembers what it has made last, and what a power cut may leave of the rest."""

from __future__ import annotations

import mmap
import os
import struct
from pathlib import Path
from random import Random

from hotori.store.disk import write_all

_RECORD = struct.Struct("<QQ")
_SECTOR = 512


class WitnessedDisk:
    """A real disk for a log; after every flush, a small file says of which file (inode) how many bytes are on disk.

    The file is mapped into memory, so that it is exact when the process is killed.
    """

    def __init__(self, witness: Path) -> None:
        witness.write_bytes(bytes(_RECORD.size))
        with witness.open("r+b") as file:
            self._record = mmap.mmap(file.fileno(), _RECORD.size)
        self._written: dict[int, int] = {}

    def write(self, descriptor: int, data: bytes, at: int) -> None:
        self._written[descriptor] = at + len(data)
        write_all(descriptor, data, at)

    def flush(self, descriptor: int) -> None:
        os.fdatasync(descriptor)
        inode = os.fstat(descriptor).st_ino
        self._record[:] = _RECORD.pack(inode, self._written.get(descriptor, 0))


def tear(folder: Path, witness: Path, random: Random) -> int:
    """Spoil what was written and not flushed, as a power cut may; how many bytes there were of it."""
    inode, flushed = _RECORD.unpack(witness.read_bytes())
    for path in folder.glob("*.log"):
        if path.stat().st_ino == inode:
            return _tear_file(path, flushed, random)
    return 0


def _tear_file(path: Path, flushed: int, random: Random) -> int:
    data = path.read_bytes()
    tail = data[flushed:].rstrip(b"\0")
    ways = (_forget_sectors, _forget_end, _scramble, _keep)
    torn = random.choice(ways)(tail, flushed, random)
    with path.open("r+b") as file:
        file.seek(flushed)
        file.write(torn)
    return len(tail)


def _forget_sectors(tail: bytes, at: int, random: Random) -> bytes:
    """Some sectors were never written."""
    kept = bytearray(tail)
    for sector in range(-(at % _SECTOR), len(tail), _SECTOR):
        begin, end = max(sector, 0), min(sector + _SECTOR, len(tail))
        if random.random() < 0.5:
            kept[begin:end] = bytes(end - begin)
    return bytes(kept)


def _forget_end(tail: bytes, _: int, random: Random) -> bytes:
    """It ends at some byte."""
    kept = random.randint(0, len(tail))
    return tail[:kept] + bytes(len(tail) - kept)


def _scramble(tail: bytes, _: int, random: Random) -> bytes:
    """Something else stands there, and more of it than was written."""
    begin = random.randint(0, len(tail))
    return tail[:begin] + random.randbytes(len(tail) - begin + random.randint(0, 2000))


def _keep(tail: bytes, _: int, __: Random) -> bytes:
    return tail
