"""Who may call: tokens of policies, and of the devices and modules themselves (contract 2.1, 1.3).

The judgement looks nothing up and has no clock. All comparisons of signatures take constant time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.requests import Request

from hotori.hub.client_certificate import ClientCertificate
from hotori.hub.credentials import Claim
from hotori.hub.own_token import judge_claim
from hotori.hub.policies import Right
from hotori.hub.policy_token import judge_policy
from hotori.model.identity import EDGE_HUB, Identity
from hotori.model.sas import SasToken
from hotori.net.http_protocol import CLIENT_CERTIFICATES
from hotori.problems import Problem, Words
from hotori.problems.identity import TOKEN_REFUSED
from hotori.problems.service import RIGHT_MISSING

if TYPE_CHECKING:  # the parts of a cloud; an edge hub uses this module, too, and has no use for them
    from hotori.hub.service_api.dependencies import ServiceDependencies

_NO_TOKEN = Words(
    "the request has no Authorization header with a SharedAccessSignature",
    "Authorization ヘッダーに SharedAccessSignature がありません",
)


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
    if token is None and not certificates_of(request):
        raise Problem(TOKEN_REFUSED, identity=request.url.path, reason=_NO_TOKEN)
    if token is not None and token.policy is not None:
        _judge_policy(request, deps, token, access.rights)
    else:
        await _judge_identity(request, deps, token, access)


def policy_of(request: Request) -> str:
    """The policy whose token an authorised request shows; empty where it was an identity's own."""
    token = SasToken.parse(request.headers.get("authorization", ""))
    return (token.policy or "") if token is not None else ""


def certificates_of(request: Request) -> tuple[bytes, ...]:
    """What the client showed in the handshake of TLS (DER), its own certificate first."""
    found: tuple[bytes, ...] = request.scope.get(CLIENT_CERTIFICATES, ())
    return found


def _judge_policy(request: Request, deps: ServiceDependencies, token: SasToken, rights: frozenset[Right]) -> None:
    policy = deps.policies.find(token.policy or "")
    # A tool signs for the name that it dials, and the cloud can be dialled by more names than it knows.
    names = (deps.hub.name, *deps.hub.host_names, request.headers.get("host", ""))
    problem = judge_policy(token, policy, rights, names, request.url.path, deps.clock())
    if problem is not None:
        raise problem


async def _judge_identity(request: Request, deps: ServiceDependencies, token: SasToken | None, access: Access) -> None:
    device = request.path_params.get("device")
    if device is None or not (access.device or access.edge_hub):
        right = " / ".join(sorted(access.rights))
        raise Problem(RIGHT_MISSING, who=token.resource if token else request.url.path, right=right or "-")
    identity = Identity(device, EDGE_HUB if access.edge_hub else None)
    names = (deps.hub.name, *deps.hub.host_names)
    certificate = ClientCertificate.read(certificates_of(request))
    claim = Claim(identity, names[0], token, certificate=certificate)
    authorities = await deps.hub.admissions.vouchers.trusted() if certificate else ()
    problem = await judge_claim(claim, deps.registry, names, deps.clock(), authorities)
    if problem is not None:
        raise problem
