"""Admits clients: looks up what the judgement of their credentials needs."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from hotori.hub.auth_chain import AuthChain, MalformedChainError, judge_on_behalf, judge_place
from hotori.hub.credentials import Admission, Claim, Refusal, judge, not_ready, read_claim, unreadable
from hotori.hub.denied import Denied
from hotori.hub.directory import Directory, DirectoryNotReadyError
from hotori.hub.failed_logins import FailedLogins, LoginLimits
from hotori.hub.vouchers import Vouchers
from hotori.model.identity import Identity
from hotori.mqtt.packets import ConnackCode, Connect
from hotori.problems import Problem
from hotori.problems.certificates import CERTIFICATE_REFUSED, CREDENTIALS_DIFFER
from hotori.problems.identity import IDENTITY_DISABLED, SIGNATURE_WRONG
from hotori.problems.plain_clients import KEY_WRONG

_REMEMBERED = 100
_MAY_HAVE_CHANGED = (SIGNATURE_WRONG, KEY_WRONG, CERTIFICATE_REFUSED, CREDENTIALS_DIFFER, IDENTITY_DISABLED)
"""What another registration than the one known here would not be refused for."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Refused:
    """A refusal that happened: when (Unix seconds), from where, and why."""

    at: float
    address: str
    problem: Problem


class Admissions:
    """Judges CONNECT packets. The last refusals are kept, newest last, for whoever shows them.

    `host` is the edge device that it judges for; None in the cloud. `note` is told who was refused, and the
    problem's code.
    """

    def __init__(
        self,
        directory: Directory,
        names: Callable[[], tuple[str, ...]],
        clock: Callable[[], float],
        host: str | None = None,
        vouchers: Vouchers | None = None,
        limits: LoginLimits | None = None,
        note: Callable[[str, str], None] = lambda *_: None,
    ) -> None:
        self.refused: deque[Refused] = deque(maxlen=_REMEMBERED)
        self.vouchers = vouchers or Vouchers()
        self.ask_again: Callable[[Identity], Awaitable[None]] | None = None
        """Asks above, where there is an above, for the registration that a known identity has by now."""
        self._failed = FailedLogins(limits or LoginLimits())
        self._note = note
        self._directory = directory
        self._names = names
        self._clock = clock
        self._host = host
        self._chains: dict[Identity, AuthChain] = {}

    def spoken_for(self, device: str) -> list[Identity]:
        """Whoever came last by a chain in which the device stands."""
        return [identity for identity, chain in self._chains.items() if device in chain.devices]

    async def admit(
        self, connect: Connect, address: str, chain: Sequence[bytes] = (), *, secure: bool = False
    ) -> tuple[Claim, Admission] | Denied:
        """Whom it lets in, or what the client is told that may not. Refusals are logged with their remedy.

        `chain` are the certificates that the client showed in the handshake (DER), its own first; `secure` says
        whether there was one.
        """
        claim = read_claim(connect, chain, secure=secure)
        verdict = claim if isinstance(claim, Refusal) else await self._judge_twice(claim)
        if isinstance(claim, Claim) and isinstance(verdict, Admission):
            return claim, verdict
        assert isinstance(verdict, Refusal)
        return await self.refuse(verdict, address, connect.client_id)

    async def _judge_twice(self, claim: Claim) -> Admission | Refusal:
        """Before somebody is refused for good by what was learnt a while ago, it is asked whether that still holds."""
        verdict = await self.judge(claim)
        if self.ask_again is None or not isinstance(verdict, Refusal) or verdict.problem.kind not in _MAY_HAVE_CHANGED:
            return verdict
        signer = AuthChain.parse(claim.auth_chain).hub if claim.auth_chain is not None else claim.identity
        try:
            await self.ask_again(signer)
        except DirectoryNotReadyError as error:
            return not_ready(claim.identity, str(error))
        return await self.judge(claim)

    async def judge(self, claim: Claim) -> Admission | Refusal:
        """Look up what is known of a claim, and judge it."""
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
        authorities = await self.vouchers.trusted() if claim.certificate else ()
        policy = self.vouchers.policy(claim.token.policy if claim.token else None)
        names, now = self._names(), self._clock()
        verdict = judge(claim, registration, device, names, now, policy=policy, authorities=authorities)
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

    async def refuse(self, refusal: Refusal, address: str, who: str) -> Denied:
        """Log and remember a refusal; what to answer: late and without a reason where too many came before."""
        now = self._clock()
        self._note(who, refusal.problem.code)
        if refusal.code is not ConnackCode.SERVER_UNAVAILABLE and self._too_many(address, who, now):
            await asyncio.sleep(self._failed.limits.delay)
            return Denied(ConnackCode.SERVER_UNAVAILABLE)
        self.refused.append(Refused(now, address, refusal.problem))
        logger.warning("%s (from %s). %s", refusal.problem, address, refusal.problem.cause())
        return Denied(refusal.code, f"{refusal.problem.code}: {refusal.problem}")

    def _too_many(self, address: str, who: str, now: float) -> bool:
        host = address.rpartition(":")[0]
        # Both are counted, whatever the other says. Nothing is logged beyond the limit: the log is a disk, too.
        return any([self._failed.note(f"name {who[:256]}", now), self._failed.note(f"address {host}", now)])
