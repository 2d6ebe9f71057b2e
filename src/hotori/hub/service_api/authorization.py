"""Who may call: tokens of policies, and of the devices and modules themselves (contract 2.1, 1.3).

The judgement looks nothing up and has no clock. All comparisons of signatures take constant time.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from starlette.requests import Request

from hotori.hub.credentials import CLOCK_SKEW, Claim, Refusal, judge
from hotori.hub.directory import Directory
from hotori.hub.policies import Policy, Right
from hotori.hub.service_api.dependencies import ServiceDependencies
from hotori.model.identity import EDGE_HUB, Identity
from hotori.model.sas import SasToken
from hotori.problems import Problem, Words
from hotori.problems.identity import TOKEN_EXPIRED, TOKEN_REFUSED
from hotori.problems.service import RIGHT_MISSING

_NO_TOKEN = Words(
    "the request has no Authorization header with a SharedAccessSignature",
    "Authorization ヘッダーに SharedAccessSignature がありません",
)
_NO_POLICY = Words("there is no policy of that name", "その名前のポリシーはありません")
_NO_SIGNATURE = Words("neither of the policy's keys made the signature", "ポリシーのどちらのキーの署名とも一致しません")


@dataclass(frozen=True, slots=True)
class Access:
    """Who may use an address: policies with any of these rights; also, by its own token, the device in it
    (`device`), or that device's `$edgeHub` (`edge_hub`)."""

    rights: frozenset[Right] = frozenset()
    device: bool = False
    edge_hub: bool = False


async def authorize(request: Request, deps: ServiceDependencies, access: Access) -> None:
    """Return if the request is allowed. Raises problems that mean HTTP 401."""
    token = SasToken.parse(request.headers.get("authorization", ""))
    if token is None:
        raise Problem(TOKEN_REFUSED, identity=request.url.path, reason=_NO_TOKEN)
    if token.policy is not None:
        _judge_policy(request, deps, token, access.rights)
    else:
        await _judge_identity(request, deps, token, access)


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


async def judge_own_token(
    token: SasToken | None, identity: Identity, directory: Directory, names: tuple[str, ...], now: float
) -> Problem | None:
    """What speaks against the token of a device or module that speaks for itself; None where it is good."""
    registration = await directory.find(identity)
    device = await directory.find(identity.parent()) if identity.module else registration
    verdict = judge(Claim(identity, names[0], token), registration, device, names, now)
    return verdict.problem if isinstance(verdict, Refusal) else None


def _judge_policy(request: Request, deps: ServiceDependencies, token: SasToken, rights: frozenset[Right]) -> None:
    policy = deps.policies.find(token.policy or "")
    # A tool signs for the name that it dials, and the cloud can be dialled by more names than it knows.
    names = (deps.hub.name, *deps.hub.host_names, request.headers.get("host", ""))
    problem = judge_policy(token, policy, rights, names, request.url.path, deps.clock())
    if problem is not None:
        raise problem


async def _judge_identity(request: Request, deps: ServiceDependencies, token: SasToken, access: Access) -> None:
    device = request.path_params.get("device")
    if device is None or not (access.device or access.edge_hub):
        right = " / ".join(sorted(access.rights))
        raise Problem(RIGHT_MISSING, who=token.resource, right=right or "-")
    identity = Identity(device, EDGE_HUB if access.edge_hub else None)
    names = (deps.hub.name, *deps.hub.host_names)
    problem = await judge_own_token(token, identity, deps.registry, names, deps.clock())
    if problem is not None:
        raise problem


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
