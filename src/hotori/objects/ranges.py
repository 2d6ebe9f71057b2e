"""The part of a blob that a reader asks for (contract, 4)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from hotori.objects.errors import StorageError

_RANGE = re.compile(r"bytes=(\d+)-(\d*)")


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes from `start`, `length` of them. `asked` tells a range from the whole blob."""

    start: int
    length: int
    asked: bool

    def content_range(self, size: int) -> str:
        return f"bytes {self.start}-{self.start + self.length - 1}/{size}"


def requested_part(headers: Mapping[str, str], size: int) -> Part:
    """`x-ms-range` wins over `Range`; the end is clipped; what is not one plain range is ignored.

    Raises InvalidRange for a start at or beyond the end: so every range of an empty blob, which clients
    answer by asking again without one.
    """
    match = _RANGE.fullmatch(headers.get("x-ms-range") or headers.get("range", ""))
    if match is None:
        return Part(0, size, asked=False)
    start, end = int(match[1]), int(match[2] or size)
    if start >= size:
        raise StorageError("InvalidRange", headers={"Content-Range": f"bytes */{size}"})
    if end < start:
        return Part(0, size, asked=False)
    return Part(start, min(end + 1, size) - start, asked=True)
