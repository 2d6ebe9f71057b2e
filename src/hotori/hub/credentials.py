"""Who may connect: what a CONNECT packet claims, judged against the registry (contract 1.2, 1.3).

A core: it looks nothing up and has no clock. It will not judge anything temporary: a refusal made here is for
good, and clients stop trying. Whoever could not look up answers `not_ready`, which says to come back.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import unquote

from hotori.hub.registration import Registration
from hotori.model.identity import Identity
from hotori.model.message import MAX_SIZE
from hotori.model.sas import SasToken
from hotori.mqtt.bag import MalformedBagError, message_from_bag
from hotori.mqtt.packets import PROTOCOL_LEVEL, ConnackCode, Connect
from hotori.mqtt.topics import Telemetry, parse_client_topic, telemetry_prefix
from hotori.problems import Kind, Problem
from hotori.problems.identity import (
    CLIENT_ID_MISMATCH,
    HUB_NAME_FOREIGN,
    HUB_NOT_READY,
    IDENTITY_DISABLED,
    IDENTITY_UNKNOWN,
    PROTOCOL_UNSUPPORTED,
    SIGNATURE_WRONG,
    TOKEN_EXPIRED,
    TOKEN_FOREIGN,
    TOKEN_MISSING,
    USER_NAME_MALFORMED,
    WILL_REFUSED,
)

CLOCK_SKEW = 300.0
"""How long after its end a token is still taken, in seconds: clocks differ (contract 1.3)."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A CONNACK code and why, for the log and the portal."""

    code: ConnackCode
    problem: Problem


@dataclass(frozen=True, slots=True)
class Claim:
    """What a client says of itself, well-formed and not yet believed."""

    identity: Identity
    hub: str
    token: SasToken | None
    model_id: str | None = None
    client_type: str = ""
    auth_chain: str | None = None

    @property
    def by_device_key(self) -> bool:
        """Whether a module shows a token made out to the device that it is on."""
        resource = self.token.resource.partition("/")[2] if self.token else ""
        return self.identity.module is not None and resource == self.identity.parent().path()


@dataclass(frozen=True, slots=True)
class Admission:
    """A client that may connect, until `expiry` (Unix seconds)."""

    identity: Identity
    expiry: int


def read_claim(connect: Connect) -> Claim | Refusal:
    """What the CONNECT packet claims. Refuses with 1, 2, 4 or 5 what no registry could mend."""
    if connect.level != PROTOCOL_LEVEL:
        return _refuse(ConnackCode.UNACCEPTABLE_PROTOCOL, PROTOCOL_UNSUPPORTED, level=connect.level)
    claim = _read_user_name(connect)
    if isinstance(claim, Refusal):
        return claim
    identity = claim.identity
    if connect.client_id != str(identity):
        return _refuse(
            ConnackCode.IDENTIFIER_REJECTED, CLIENT_ID_MISMATCH, client_id=connect.client_id, identity=identity
        )
    if connect.will is not None and not _own_will(connect, identity):
        expected = telemetry_prefix(identity)
        return _refuse(
            ConnackCode.NOT_AUTHORIZED, WILL_REFUSED, identity=identity, topic=connect.will.topic, expected=expected
        )
    return claim


def judge(
    claim: Claim, registration: Registration | None, device: Registration | None, names: Iterable[str], now: float
) -> Admission | Refusal:
    """Admit or refuse. `device` is the registration of the device that a module is on, where it is known here;
    `names` are the hub's name and any others that it answers to. The order is that of contract 1.3."""
    identity, token = claim.identity, claim.token
    known = [name.lower() for name in names]
    if claim.hub.lower() not in known:
        return _deny(HUB_NAME_FOREIGN, identity, hub=claim.hub, names=", ".join(known))
    if token is None:
        return _deny(TOKEN_MISSING, identity)
    if token.expiry + CLOCK_SKEW <= now:
        return _deny(TOKEN_EXPIRED, identity, expiry=token.expiry, now=int(now))
    if refusal := _judge_audience(claim, token, known):
        return refusal
    signer = device if claim.by_device_key else registration
    if registration is None or signer is None:
        return _deny(IDENTITY_UNKNOWN, identity)
    if not registration.enabled or (device is not None and not device.enabled):
        return _deny(IDENTITY_DISABLED, identity)
    if not token.signed_by(signer.keys):
        return _deny(SIGNATURE_WRONG, identity)
    return Admission(identity, token.expiry)


def not_ready(identity: Identity | None, reason: str) -> Refusal:
    """The refusal for whatever passes: the client comes back by itself (contract 1.3)."""
    return _refuse(ConnackCode.SERVER_UNAVAILABLE, HUB_NOT_READY, identity=identity or "a client", reason=reason)


def _read_user_name(connect: Connect) -> Claim | Refusal:
    """`{hub}/{d}[/{m}]/[?]key=value(&key=value)*` (contract 1.2)."""
    hub, _, rest = (connect.username or "").partition("/")
    device, _, rest = rest.partition("/")
    module, slash, query = rest.partition("/")
    if rest.startswith("?") or "api-version=" in module or not slash:
        module, query = "", rest
    if not hub or not device:
        return unreadable("it has not the parts HUB, DEVICE and ?api-version=…")
    fields = {name: unquote(value) for name, _, value in (part.partition("=") for part in query.lstrip("?").split("&"))}
    if not fields.get("api-version"):
        return unreadable("api-version is missing")
    try:
        identity = Identity(device, module or None)
    except Problem as problem:
        return unreadable(problem.title())
    password = (connect.password or b"").decode(errors="replace")
    return Claim(
        identity,
        hub,
        SasToken.parse(password),
        fields.get("model-id"),
        fields.get("DeviceClientType", ""),
        fields.get("auth-chain"),
    )


def _judge_audience(claim: Claim, token: SasToken, names: list[str]) -> Refusal | None:
    host, _, path = token.resource.partition("/")
    if host.lower() in names and (path == claim.identity.path() or claim.by_device_key):
        return None
    expected = f"{claim.hub}/{claim.identity.path()}"
    return _deny(TOKEN_FOREIGN, claim.identity, resource=token.resource, expected=expected)


def _own_will(connect: Connect, identity: Identity) -> bool:
    assert connect.will is not None
    topic = parse_client_topic(connect.will.topic)
    if not isinstance(topic, Telemetry) or topic.identity != identity or connect.will.qos == 2:
        return False
    try:
        return message_from_bag(topic.bag, connect.will.payload).size() <= MAX_SIZE
    except MalformedBagError:
        return False


def unreadable(reason: str) -> Refusal:
    """The refusal of a user name that is not in the form of contract 1.2."""
    return _refuse(ConnackCode.BAD_CREDENTIALS, USER_NAME_MALFORMED, reason=reason)


def _deny(kind: Kind, identity: Identity, **values: object) -> Refusal:
    return _refuse(ConnackCode.NOT_AUTHORIZED, kind, identity=identity, **values)


def _refuse(code: ConnackCode, kind: Kind, **values: object) -> Refusal:
    return Refusal(code, Problem(kind, **values))
