"""Finding the entries of a segment again, whatever happened to its bytes.

A core: bytes in, positions out. It never answers with an entry that was not written, and will not mend anything.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import repeat

from hotori.store.frame import begins_batch, find_frame, frame_end, gap_end, is_gap, written_end


@dataclass(frozen=True, slots=True)
class Hole:
    """Damage: entries from `first` to before `end` are missing where `size` bytes stand from `at` on."""

    first: int
    end: int
    at: int
    size: int

    @property
    def count(self) -> int:
        return self.end - self.first


@dataclass(slots=True)
class Scan:
    """What was found. `positions` has one for each offset from the segment's first on, 0 where the entry is missing.

    `end` is the position behind the last frame; `torn` is how many bytes stand there that are not empty.
    `confirmed` says that the last frame is no entry, but the mark that all before it is on disk.
    """

    positions: array[int] = field(default_factory=lambda: array("Q"))
    end: int = 0
    holes: list[Hole] = field(default_factory=list)
    torn: int = 0
    confirmed: bool = False


def scan_segment(buffer: bytes, at: int, first: int, salt: int, until: int | None = None) -> Scan:
    """The frames from the position `at` on, the first of which has the offset `first`.

    `until` is the offset that the next segment begins with: this one was finished then, and every byte of it on
    disk. The last one, where nothing follows, may end in a batch that was never confirmed: that is served up to its
    first fault and no further, so that nothing overtakes what its sender will send again.
    """
    scan = Scan(end=at)
    written = written_end(buffer, at)
    unconfirmed: list[tuple[Hole, int]] = []
    while True:
        for position in _chain(scan, buffer, first, salt):
            if begins_batch(buffer, position):
                unconfirmed.clear()
        found = find_frame(buffer, scan.end, written, first + len(scan.positions), salt)
        if found is None:
            break
        hole = Hole(first + len(scan.positions), found[1], scan.end, found[0] - scan.end)
        unconfirmed.append((hole, len(scan.positions)))
        scan.holes.append(hole)
        scan.positions.extend(repeat(0, hole.count))
        scan.end = found[0]
    scan.torn = max(written - scan.end, 0)
    if until is not None:
        _finish(scan, first, until)
    elif unconfirmed:
        _cut(scan, written, *unconfirmed[0])
    return scan


def _chain(scan: Scan, buffer: bytes, first: int, salt: int) -> Iterator[int]:
    """Take frames as long as one follows the other; the position of each."""
    positions, at = scan.positions, scan.end
    while end := frame_end(buffer, at, first + len(positions), salt):
        scan.confirmed = is_gap(buffer, at)
        if scan.confirmed:
            positions.extend(repeat(0, gap_end(buffer, at) - first - len(positions)))
        else:
            positions.append(at)
        scan.end = end
        yield at
        at = end


def _cut(scan: Scan, written: int, hole: Hole, count: int) -> None:
    """Leave out a hole and all that is behind it."""
    scan.end, scan.confirmed = hole.at, False
    del scan.positions[count:]
    scan.holes = [known for known in scan.holes if known.at < hole.at]
    scan.torn = written - hole.at


def _finish(scan: Scan, first: int, until: int) -> None:
    """Count what is missing at the end of a finished segment as damage."""
    missing = until - first - len(scan.positions)
    if missing > 0:
        scan.holes.append(Hole(until - missing, until, scan.end, scan.torn))
        scan.positions.extend(repeat(0, missing))
    elif missing < 0:
        del scan.positions[until - first :]
