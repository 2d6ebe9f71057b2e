"""How an entry stands in a segment file.

```
length + 1   u32   0 means that nothing was written here yet
checksum     u32   CRC-32 of the entry's offset (u64), its length + 1 (u32) and its data
data
```

All little-endian. The offset is in the checksum but not in the file: an entry is valid only where it belongs.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from zlib import crc32

_HEAD = struct.Struct("<II")
_SEED = struct.Struct("<QI")
HEAD_SIZE = _HEAD.size
LARGEST = 0xFFFF_FFFE
"""The most bytes that an entry can hold."""


def encode_frames(first: int, entries: Sequence[bytes]) -> bytes:
    """Frames of consecutive entries, the first of which has the offset `first`."""
    parts: list[bytes] = []
    for offset, data in enumerate(entries, first):
        marked = len(data) + 1
        parts.append(_HEAD.pack(marked, crc32(data, crc32(_SEED.pack(offset, marked)))))
        parts.append(data)
    return b"".join(parts)


def scan_frames(buffer: bytes, at: int, offset: int) -> Iterator[int]:
    """The positions of the valid frames from `at` on, until the first that is not."""
    while (data := read_frame(buffer, at, offset)) is not None:
        yield at
        at += HEAD_SIZE + len(data)
        offset += 1


def read_frame(buffer: bytes, at: int, offset: int) -> bytes | None:
    """The data of the frame at a position, or None where there is no valid one."""
    if at + HEAD_SIZE > len(buffer):
        return None
    marked, checksum = _HEAD.unpack_from(buffer, at)
    end = at + HEAD_SIZE + marked - 1
    if marked == 0 or end > len(buffer):
        return None
    data = buffer[at + HEAD_SIZE : end]
    return data if crc32(data, crc32(_SEED.pack(offset, marked))) == checksum else None
