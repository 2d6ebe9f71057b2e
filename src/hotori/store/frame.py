"""How an entry stands in a segment file.

```
length + 1   u32   0 means that nothing was written here yet; the highest bit marks the first frame of a batch
offset       u32   the lower half of the entry's offset, so that it is found again behind damage
checksum     u32   CRC-32 of the whole offset (u64), the first field and the data, begun with the segment's salt
data
```

All little-endian. What is written and flushed together is a batch: that a batch began means that everything before
it is on disk. A frame of length `GAP` stands for entries that are missing and known to be: its data is the offset
(u64) of the next one that is there. The salt is in the file's name: what a message contains is no valid frame by
chance or intent.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Sequence
from zlib import crc32

_HEAD = struct.Struct("<III")
_SEED = struct.Struct("<QI")
_GAP_END = struct.Struct("<Q")
_WRITTEN = re.compile(rb"[^\0]")
_LOW = 0xFFFF_FFFF
BATCH = 0x8000_0000
GAP = 0x7FFF_FFFF
_STRIDE = 1 << 16
_EMPTY = bytes(_STRIDE)
_MOST_GAP = 1 << 20
HEAD_SIZE = _HEAD.size
LARGEST = GAP - 2
"""The most bytes that an entry can hold."""


def encode_frames(first: int, entries: Sequence[bytes], salt: int) -> bytes:
    """One batch: frames of consecutive entries, the first of which has the offset `first`."""
    parts: list[bytes] = []
    head, seed = _HEAD.pack, _SEED.pack
    batch = BATCH
    for offset, data in enumerate(entries, first):
        marked = len(data) + 1 | batch
        batch = 0
        parts += (head(marked, offset & _LOW, crc32(data, crc32(seed(offset, marked), salt))), data)
    return b"".join(parts)


def encode_gap(first: int, end: int, salt: int) -> bytes:
    """A batch that says: entries from `first` to before `end` are missing. None are where both are the same."""
    data, marked = _GAP_END.pack(end), GAP | BATCH
    return _HEAD.pack(marked, first & _LOW, crc32(data, crc32(_SEED.pack(first, marked), salt))) + data


def frame_end(buffer: bytes, at: int, offset: int, salt: int) -> int:
    """Where the valid frame at a position ends; 0 where there is none."""
    data_at = at + HEAD_SIZE
    if data_at > len(buffer):
        return 0
    marked, low, checksum = _HEAD.unpack_from(buffer, at)
    if low != offset & _LOW:
        return 0
    length = marked & ~BATCH
    end = data_at + (_GAP_END.size if length == GAP else length - 1)
    if length == 0 or end > len(buffer):
        return 0
    return end if crc32(buffer[data_at:end], crc32(_SEED.pack(offset, marked), salt)) == checksum else 0


def read_frame(buffer: bytes, at: int, offset: int, salt: int) -> bytes | None:
    """The data of the entry at a position, or None where no valid one is."""
    end = frame_end(buffer, at, offset, salt)
    return buffer[at + HEAD_SIZE : end] if end and not is_gap(buffer, at) else None


def is_gap(buffer: bytes, at: int) -> bool:
    """Whether the frame at a position stands for missing entries."""
    marked: int = _HEAD.unpack_from(buffer, at)[0]
    return marked & ~BATCH == GAP


def gap_end(buffer: bytes, at: int) -> int:
    """The offset behind a gap."""
    end: int = _GAP_END.unpack_from(buffer, at + HEAD_SIZE)[0]
    return end


def begins_batch(buffer: bytes, at: int) -> bool:
    """Whether everything before this frame was on disk when it was written."""
    marked: int = _HEAD.unpack_from(buffer, at)[0]
    return bool(marked & BATCH)


def written_end(buffer: bytes, at: int) -> int:
    """The position behind the last byte from `at` on that is not zero."""
    end = len(buffer)
    while end - at >= _STRIDE and buffer.startswith(_EMPTY, end - _STRIDE):
        end -= _STRIDE
    begin = max(at, end - _STRIDE)
    return begin + len(buffer[begin:end].rstrip(b"\0"))


def find_frame(buffer: bytes, at: int, end: int, offset: int, salt: int) -> tuple[int, int] | None:
    """Position and offset of the first valid frame from `at` on, where `offset` or a later one is expected.

    Nothing is written from `end` on. Between the two, not many more entries are missing than the bytes could have
    held.
    """
    for position in _candidates(buffer, at, min(end, len(buffer) - HEAD_SIZE + 1)):
        _, low, _ = _HEAD.unpack_from(buffer, position)
        ahead = (low - offset) & _LOW
        if ahead <= (position - at) // HEAD_SIZE + _MOST_GAP and frame_end(buffer, position, offset + ahead, salt):
            return position, offset + ahead
    return None


def _candidates(buffer: bytes, at: int, end: int) -> Iterator[int]:
    """Positions where a frame's first field is not zero."""
    while at < end:
        if buffer[at : at + 4] == b"\0\0\0\0":
            found = _WRITTEN.search(buffer, at, end)
            if found is None:
                return
            at = max(found.start() - 3, at + 1)
        yield at
        at += 1
