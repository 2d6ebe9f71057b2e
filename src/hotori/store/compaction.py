"""Taking out of a finished segment what nobody needs any more. A core: bytes and positions in, bytes out."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence

from hotori.store.frame import encode_gap, frame_end

MOST_KEPT = 0.7
"""A segment is not written anew to win less than the rest of it."""


def compacted(
    data: bytes, positions: Sequence[int], first: int, keep: Sequence[int], head: bytes, salt: int
) -> bytes | None:
    """The segment with only the entries of these offsets (in order) and gaps for the others; None if not worth it."""
    until = first + len(positions)
    kept = keep[bisect_left(keep, first) : bisect_left(keep, until)]
    parts, expected = [head], first
    for start, end in _runs(kept):
        if start > expected:
            parts.append(encode_gap(expected, start, salt))
        parts += [_frame(data, positions[offset - first], offset, salt) for offset in range(start, end)]
        expected = end
    if expected < until:
        parts.append(encode_gap(expected, until, salt))
    result = b"".join(parts)
    return result if len(result) <= MOST_KEPT * len(data) else None


def _frame(data: bytes, at: int, offset: int, salt: int) -> bytes:
    """The frame as it is, or where it is missing, a gap in its place."""
    end = frame_end(data, at, offset, salt) if at else 0
    return data[at:end] if end else encode_gap(offset, offset + 1, salt)


def _runs(offsets: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Consecutive offsets, as first and end."""
    begin = 0
    for index in range(1, len(offsets) + 1):
        if index == len(offsets) or offsets[index] != offsets[index - 1] + 1:
            yield offsets[begin], offsets[index - 1] + 1
            begin = index
