"""When something that fills will be full. A core: it has no clock."""

from __future__ import annotations

from collections import deque

from hotori.problems.kind import Words

SPAN = 600.0
"""The rate is that of the last ten minutes (seconds)."""
_APART = 5.0
_AT_LEAST = 30.0


class Forecast:
    """Fed with how full it is now and then."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, int]] = deque()

    def note(self, now: float, size: int) -> None:
        """So many bytes are taken at this time (seconds)."""
        samples = self._samples
        if samples and now - samples[-1][0] < _APART:
            return
        samples.append((now, size))
        while now - samples[0][0] > SPAN:
            samples.popleft()

    def seconds_left(self, capacity: int) -> float | None:
        """Until `capacity` is reached at the present rate; None where it does not grow, or was not watched for long."""
        if not self._samples:
            return None
        (begun, before), (now, size) = self._samples[0], self._samples[-1]
        if now - begun < _AT_LEAST or size <= before:
            return None
        return max(capacity - size, 0) * (now - begun) / (size - before)


def spoken(seconds: float) -> Words:
    """A duration as people say it, to the minute: 3 h 10 min."""
    days, rest = divmod(round(seconds / 60), 24 * 60)
    hours, minutes = divmod(rest, 60)
    parts = [(days, "d", "日"), (hours, "h", "時間"), (minutes, "min", "分")]
    said = [part for part in parts if part[0]][:2] or parts[2:]
    return Words(
        " ".join(f"{number} {unit}" for number, unit, _ in said), "".join(f"{number}{unit}" for number, _, unit in said)
    )
