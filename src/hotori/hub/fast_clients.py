"""Clients that say more than they may: counted, and named once in a while."""

from __future__ import annotations

import logging
from collections.abc import Callable

from hotori.hub.rates import ClientRates, Rates
from hotori.model.identity import Identity
from hotori.model.message import Message
from hotori.problems import Problem
from hotori.problems.plain_clients import CLIENT_TOO_FAST

RECENTLY = 60.0
"""Seconds for which it is said of a client that it was too fast."""
_AGAIN = 600.0
_MOST_NAMES = 4096

logger = logging.getLogger(__name__)


class FastClients:
    """`rests` counts, for each identity, how often it was not read from for a while."""

    def __init__(self, limits: ClientRates, clock: Callable[[], float]) -> None:
        self.rates = Rates(limits, self._note)
        self.rests: dict[Identity, int] = {}
        self._clock = clock
        self._last: dict[Identity, float] = {}
        self._told: dict[Identity, float] = {}

    def count(self, sender: Identity, message: Message, now: float) -> None:
        """A message came; `now` is on the clock that `Rates.rest` is asked by."""
        self.rates.spend(sender, message.size(), now)

    @property
    def problems(self) -> list[Problem]:
        """Of the identities that had to rest in the last minute."""
        since = self._clock() - RECENTLY
        return [self._problem(identity) for identity, at in self._last.items() if at >= since]

    def problem(self, identity: Identity, seconds: float) -> Problem:
        """For one that is told when it may come again."""
        return Problem(CLIENT_TOO_FAST, **self._values(identity), seconds=f"{seconds:.0f}")

    def _note(self, identity: Identity) -> None:
        now = self._clock()
        if identity not in self.rests and len(self.rests) >= _MOST_NAMES:
            return
        self.rests[identity] = self.rests.get(identity, 0) + 1
        self._last[identity] = now
        if now - self._told.get(identity, -_AGAIN) >= _AGAIN:
            self._told[identity] = now
            problem = self._problem(identity)
            logger.warning("%s. %s", problem, problem.cause())

    def _problem(self, identity: Identity) -> Problem:
        return Problem(CLIENT_TOO_FAST, **self._values(identity))

    def _values(self, identity: Identity) -> dict[str, str]:
        limits = self.rates.limits
        numbers = {"messages": limits.messages, "bytes": limits.bytes}
        return {"identity": str(identity)} | {name: f"{rate:.0f}" if rate else "∞" for name, rate in numbers.items()}
