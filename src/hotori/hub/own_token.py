"""The token of a device or module that speaks for itself over HTTPS (contract 1.3).

The judgement has no clock. Signatures are compared in constant time.
"""

from __future__ import annotations

from hotori.hub.client_certificate import ClientCertificate
from hotori.hub.credentials import Claim, Refusal, judge
from hotori.hub.directory import Directory
from hotori.model.identity import Identity
from hotori.model.sas import SasToken
from hotori.problems import Problem


async def judge_own_token(
    token: SasToken | None,
    identity: Identity,
    directory: Directory,
    names: tuple[str, ...],
    now: float,
    certificate: ClientCertificate | None = None,
    authorities: tuple[bytes, ...] = (),
) -> Problem | None:
    """What speaks against a device or module that speaks for itself, by token or certificate; None where it is good."""
    claim = Claim(identity, names[0], token, certificate=certificate)
    return await judge_claim(claim, directory, names, now, authorities)


async def judge_claim(
    claim: Claim, directory: Directory, names: tuple[str, ...], now: float, authorities: tuple[bytes, ...]
) -> Problem | None:
    registration = await directory.find(claim.identity)
    device = await directory.find(claim.identity.parent()) if claim.identity.module else registration
    verdict = judge(claim, registration, device, names, now, authorities=authorities)
    return verdict.problem if isinstance(verdict, Refusal) else None
