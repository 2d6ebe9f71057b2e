"""Observations summed up, for metrics."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

_KEPT = 512
QUANTILES = (0.1, 0.5, 0.9, 0.99)
"""As the contract's code has them (7.3, trap)."""


@dataclass(slots=True, eq=False)
class Summary:
    """How often something was observed, the sum of it, and the last observations for quantiles."""

    count: int = 0
    total: float = 0.0
    _last: deque[float] = field(default_factory=lambda: deque(maxlen=_KEPT))

    def observe(self, value: float) -> None:
        self.count += 1
        self.total += value
        self._last.append(value)

    def quantiles(self) -> dict[float, float]:
        """Of the last observations; empty where there was none."""
        values = sorted(self._last)
        return {each: values[min(len(values) - 1, int(each * len(values)))] for each in QUANTILES} if values else {}
