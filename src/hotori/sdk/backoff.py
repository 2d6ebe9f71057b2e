"""How long to wait before the next attempt. It keeps no clock and draws no numbers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """Doubles from `first` to `longest` (seconds); after a refusal it starts at `refused`, since keys mend slowly."""

    first: float = 0.1
    longest: float = 30.0
    refused: float = 2.0

    def delay(self, attempt: int, chance: float, *, refused: bool = False) -> float:
        """Seconds before attempt number `attempt` (from 0), between half and all of the step as `chance` (0..1) says.

        Clients that lost the same hub so do not come back all at once.
        """
        first = max(self.first, self.refused) if refused else self.first
        step = min(max(self.longest, first), first * 2.0 ** min(attempt, 30))
        return step * (0.5 + 0.5 * chance)
