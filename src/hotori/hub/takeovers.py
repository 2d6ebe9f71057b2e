"""Two clients with one identity: each connection ends the other, and neither works (FAILURES: duplicate identity)."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from hotori.model.identity import Identity
from hotori.problems import Problem
from hotori.problems.plain_clients import IDENTITY_SHARED

MANY = 4
"""This many takeovers within WITHIN seconds are not one client that comes back after a broken connection."""
WITHIN = 60.0
_AGAIN = 600.0
_REMEMBERED = 1000

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class _Contest:
    times: deque[float] = field(default_factory=lambda: deque(maxlen=MANY))
    told: float = -_AGAIN


class Takeovers:
    """Counts them for each identity. `problems` are the last that were found, newest last."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.problems: deque[Problem] = deque(maxlen=100)
        self._clock = clock
        self._contests: dict[Identity, _Contest] = {}

    def note(self, identity: Identity, before: str, after: str) -> None:
        """A connection from one address ended another. Says so in the log when it is one too many."""
        now = self._clock()
        contest = self._contests.pop(identity, None) or _Contest()
        self._contests[identity] = contest  # the one that was noted last is the last
        if len(self._contests) > _REMEMBERED:
            del self._contests[next(iter(self._contests))]
        contest.times.append(now)
        many = len(contest.times) == MANY and now - contest.times[0] <= WITHIN
        if many and now - contest.told >= _AGAIN:
            contest.told = now
            problem = Problem(IDENTITY_SHARED, identity=identity, first=before, second=after)
            self.problems.append(problem)
            logger.error("%s. %s", problem, problem.cause())
