"""Counts log-ins that failed, by who was claimed and by where they came from, so that guessing gets slow.

A core: it has no clock. It will not refuse good credentials: a device is not locked out because somebody else
tries its name. Whoever fails too often is kept waiting and told to come back (CONNACK 3), never "not
authorised": what fails may be a device whose key is just being changed, and 5 stops a client for good.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LoginLimits:
    """`burst` failures at once, one more each `seconds`; then each is kept waiting for `delay` seconds.

    At most `remembered` names and addresses are counted; the one that failed longest ago is forgotten first.
    """

    burst: int = 20
    seconds: float = 6.0
    delay: float = 2.0
    remembered: int = 10_000


class FailedLogins:
    """A bucket for each name and address."""

    def __init__(self, limits: LoginLimits) -> None:
        self.limits = limits
        self._full_at: OrderedDict[str, float] = OrderedDict()

    def note(self, key: str, now: float) -> bool:
        """Count one failure; whether that is too many."""
        limits = self.limits
        # The time at which everything will be forgiven stands for the level of the bucket.
        forgiven = max(self._full_at.pop(key, now), now) + limits.seconds
        over = forgiven > now + limits.burst * limits.seconds
        self._full_at[key] = forgiven - limits.seconds if over else forgiven
        while len(self._full_at) > limits.remembered:
            self._full_at.popitem(last=False)
        return over
