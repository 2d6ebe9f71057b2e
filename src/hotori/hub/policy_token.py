"""Tokens of policies: what they open, of the service API and of the MQTT port (contract 2.1, 1.3).

A core: it looks nothing up and has no clock. Signatures are compared in constant time.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from hotori.hub.policies import Policy, Right
from hotori.model.sas import CLOCK_SKEW, SasToken
from hotori.problems import Problem, Words
from hotori.problems.identity import TOKEN_EXPIRED, TOKEN_REFUSED
from hotori.problems.service import RIGHT_MISSING

_NO_POLICY = Words("there is no policy of that name", "その名前のポリシーはありません")
_NO_SIGNATURE = Words("neither of the policy's keys made the signature", "ポリシーのどちらのキーの署名とも一致しません")


def judge_policy(
    token: SasToken, policy: Policy | None, rights: frozenset[Right], names: Iterable[str], path: str, now: float
) -> Problem | None:
    """What speaks against a policy's token; None where it is good for one of the rights.

    `names` are the hub's; a port after the name in the token is left out of account, and a path after it
    confines the token to addresses that begin so.
    """
    who = f"policy {token.policy}"
    if policy is None:
        return Problem(TOKEN_REFUSED, identity=who, reason=_NO_POLICY)
    if token.expiry + CLOCK_SKEW <= now:
        return Problem(TOKEN_EXPIRED, identity=who, expiry=_time(token.expiry), now=_time(now))
    host, _, below = token.resource.partition("/")
    if _host(host) not in [_host(name) for name in names] or not _within(path, below):
        return Problem(TOKEN_REFUSED, identity=who, reason=_made_out_to(token.resource))
    if not token.signed_by(policy.keys):
        return Problem(TOKEN_REFUSED, identity=who, reason=_NO_SIGNATURE)
    if not rights & policy.rights:
        return Problem(RIGHT_MISSING, who=who, right=" / ".join(sorted(rights)) or "-")
    return None


def _host(name: str) -> str:
    host, colon, port = name.lower().rpartition(":")
    return host if colon and port.isdigit() else name.lower()


def _within(path: str, below: str) -> bool:
    below = below.strip("/")
    return not below or path.strip("/") == below or path.strip("/").startswith(f"{below}/")


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def _made_out_to(resource: str) -> Words:
    return Words(f"the token is made out to {resource}", f"トークンの対象は {resource} です")
