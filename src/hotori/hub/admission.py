"""Admits clients: looks up what the judgement of their credentials needs."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from hotori.hub.auth_chain import AuthChain, MalformedChainError, judge_on_behalf, judge_place
from hotori.hub.credentials import Admission, Claim, Refusal, judge, not_ready, read_claim, unreadable
from hotori.hub.directory import Directory, DirectoryNotReadyError
from hotori.model.identity import Identity
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
    """Judges CONNECT packets. The last refusals are kept, newest last, for whoever shows them.

    `host` is the edge device that it judges for; None in the cloud.
    """

    def __init__(
        self,
        directory: Directory,
        names: Callable[[], tuple[str, ...]],
        clock: Callable[[], float],
        host: str | None = None,
    ) -> None:
        self.refused: deque[Refused] = deque(maxlen=_REMEMBERED)
        self._directory = directory
        self._names = names
        self._clock = clock
        self._host = host
        self._chains: dict[Identity, AuthChain] = {}

    def spoken_for(self, device: str) -> list[Identity]:
        """Whoever came last by a chain in which the device stands."""
        return [identity for identity, chain in self._chains.items() if device in chain.devices]

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
        try:
            if claim.auth_chain is not None:
                return await self._judge_on_behalf(claim, claim.auth_chain)
            self._chains.pop(claim.identity, None)
            return await self._judge_itself(claim)
        except DirectoryNotReadyError as error:
            return not_ready(claim.identity, str(error) or "it has just been started")
        except Problem as problem:
            return not_ready(claim.identity, problem.title())

    async def _judge_itself(self, claim: Claim) -> Admission | Refusal:
        identity = claim.identity
        registration = await self._directory.find(identity)
        device = await self._directory.find(identity.parent()) if identity.module else registration
        verdict = judge(claim, registration, device, self._names(), self._clock())
        if isinstance(verdict, Admission) and self._host is not None:
            return await judge_place(identity, self._directory, self._host) or verdict
        return verdict

    async def _judge_on_behalf(self, claim: Claim, text: str) -> Admission | Refusal:
        """An edge hub behind this one speaks for somebody (contract 11.3)."""
        try:
            chain = AuthChain.parse(text)
        except MalformedChainError as error:
            return unreadable(f"auth-chain cannot be read: {error}")
        names, now = self._names(), self._clock()
        verdict = await judge_on_behalf(claim, chain, self._directory, names, self._host, now)
        if isinstance(verdict, Admission):
            self._chains[claim.identity] = chain
        return verdict
