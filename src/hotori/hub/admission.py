"""Admits clients: looks up what the judgement of their credentials needs."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from hotori.hub.credentials import Admission, Claim, Refusal, judge, not_ready, read_claim
from hotori.hub.directory import Directory, DirectoryNotReadyError
from hotori.mqtt.packets import ConnackCode, Connect
from hotori.problems import Problem

_REMEMBERED = 100

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Refused:
    """A refusal that happened: when (Unix seconds), from where, and why."""

    at: float
    address: str
    problem: Problem


class Admissions:
    """Judges CONNECT packets. The last refusals are kept, newest last, for whoever shows them."""

    def __init__(self, directory: Directory, names: Callable[[], tuple[str, ...]], clock: Callable[[], float]) -> None:
        self.refused: deque[Refused] = deque(maxlen=_REMEMBERED)
        self._directory = directory
        self._names = names
        self._clock = clock

    async def admit(self, connect: Connect, address: str) -> tuple[Claim, Admission] | ConnackCode:
        """Whom it lets in, or the CONNACK code of the refusal. Refusals are logged with their remedy."""
        claim = read_claim(connect)
        verdict = claim if isinstance(claim, Refusal) else await self._judge(claim)
        if isinstance(claim, Claim) and isinstance(verdict, Admission):
            return claim, verdict
        assert isinstance(verdict, Refusal)
        self.refused.append(Refused(self._clock(), address, verdict.problem))
        logger.warning("%s (from %s). %s", verdict.problem, address, verdict.problem.cause())
        return verdict.code

    async def _judge(self, claim: Claim) -> Admission | Refusal:
        identity = claim.identity
        try:
            registration = await self._directory.find(identity)
            device = await self._directory.find(identity.parent()) if identity.module else registration
        except DirectoryNotReadyError as error:
            return not_ready(identity, str(error) or "it has just been started")
        except Problem as problem:
            return not_ready(identity, problem.title())
        return judge(claim, registration, device, self._names(), self._clock())
