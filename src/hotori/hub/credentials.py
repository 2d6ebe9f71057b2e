"""Who may connect: what a CONNECT packet claims, judged against the registry (contract 1.2, 1.3).

A core: it looks nothing up and has no clock. It will not judge anything temporary: a refusal made here is for
good, and clients stop trying. Whoever could not look up answers `not_ready`, which says to come back.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from urllib.parse import unquote

from hotori.hub.client_certificate import ClientCertificate
from hotori.hub.dialects import dialect_for
from hotori.hub.policies import Policy, Right
from hotori.hub.policy_token import judge_policy
from hotori.hub.published import published
from hotori.hub.registration import Authentication, Registration
from hotori.hub.thumbprint import has_thumbprint
from hotori.model.identity import Identity
from hotori.model.message import MAX_SIZE, Message
from hotori.model.sas import CLOCK_SKEW, SasToken
from hotori.model.secret import Secret
from hotori.mqtt.bag import MalformedBagError
from hotori.mqtt.packets import PROTOCOL_LEVEL, ConnackCode, Connect, Will
from hotori.mqtt.packets5 import LEVEL_5
from hotori.mqtt.topics import telemetry_prefix
from hotori.problems import Kind, Problem, Words
from hotori.problems.certificates import CERTIFICATE_REFUSED, CREDENTIALS_DIFFER
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
from hotori.problems.plain_clients import KEY_IN_THE_CLEAR, KEY_WRONG

_KINDS = {
    Authentication.SAS: Words("tokens of its keys", "キーのトークン"),
    Authentication.THUMBPRINT: Words("a certificate of a known thumbprint", "拇印を登録した証明書"),
    Authentication.AUTHORITY: Words("a certificate of a registered authority", "登録済み認証局の証明書"),
    Authentication.NONE: Words("no credentials of its own", "資格情報なし"),
}
_A_TOKEN, _A_CERTIFICATE = Words("a token", "トークン"), Words("a certificate", "証明書")
_A_KEY = Words("a key", "キー")
_NEVER = 1 << 53
_PLAIN = re.compile(r"(?!.*api-version=)[^/]+(?:/[^/]+)?", re.DOTALL)
"""A user name of one or two parts: a plain client's."""
_NOT_IN_FORCE = Words("it is not valid today", "有効期間外です")
_OTHER_CERTIFICATE = Words("it has neither of the registered thumbprints", "登録された拇印のどちらとも一致しません")
_IS_AUTHORITY = Words("it is an authority's own", "認証局自身の証明書です")
_NO_AUTHORITY = Words("no registered authority vouches for it", "登録済みの認証局につながりません")


@dataclass(frozen=True, slots=True)
class Refusal:
    """A CONNACK code and why, for the log and the portal."""

    code: ConnackCode
    problem: Problem


@dataclass(frozen=True, slots=True)
class Claim:
    """What a client says of itself, well-formed and not yet believed.

    A plain client names no hub, may show its key itself, and speaks the dialect of plain clients.
    """

    identity: Identity
    hub: str
    token: SasToken | None
    model_id: str | None = None
    client_type: str = ""
    auth_chain: str | None = None
    certificate: ClientCertificate | None = field(default=None, repr=False)
    key: Secret | None = None

    @property
    def plain(self) -> bool:
        return not self.hub

    @property
    def by_device_key(self) -> bool:
        """Whether a module shows a token made out to the device that it is on."""
        resource = self.token.resource.partition("/")[2] if self.token else ""
        return self.identity.module is not None and resource == self.identity.parent().path()


@dataclass(frozen=True, slots=True)
class Admission:
    """A client that may connect, until `expiry` (Unix seconds), the end of its token or certificate."""

    identity: Identity
    expiry: int


def read_claim(connect: Connect, chain: Sequence[bytes] = (), *, secure: bool = False) -> Claim | Refusal:
    """What the CONNECT packet claims; `chain` are the certificates shown in the handshake (DER), and `secure` says
    whether there was one: a key is not taken in the clear.

    Refuses with 1, 2, 4 or 5 what no registry could mend.
    """
    if connect.level not in (PROTOCOL_LEVEL, LEVEL_5):
        return _refuse(ConnackCode.UNACCEPTABLE_PROTOCOL, PROTOCOL_UNSUPPORTED, level=connect.level)
    plain = _PLAIN.fullmatch(connect.username or "")
    claim = _read_plain(connect, chain, plain[0]) if plain else _read_user_name(connect, chain)
    if isinstance(claim, Refusal):
        return claim
    identity = claim.identity
    if claim.key is not None and not secure:
        return _deny(KEY_IN_THE_CLEAR, identity)
    if not _good_client_id(connect, claim):
        return _refuse(
            ConnackCode.IDENTIFIER_REJECTED, CLIENT_ID_MISMATCH, client_id=connect.client_id, identity=identity
        )
    if connect.will is not None and not _own_will(connect.will, claim):
        expected = "a/topic/of/its/own" if claim.plain else telemetry_prefix(identity)
        return _refuse(
            ConnackCode.NOT_AUTHORIZED, WILL_REFUSED, identity=identity, topic=connect.will.topic, expected=expected
        )
    return claim


def judge(
    claim: Claim,
    registration: Registration | None,
    device: Registration | None,
    names: Iterable[str],
    now: float,
    *,
    policy: Policy | None = None,
    authorities: Iterable[bytes] = (),
) -> Admission | Refusal:
    """Admit or refuse. `device` is the registration of the device that a module is on, where it is known here;
    `names` are the hub's name and any others that it answers to; `policy` is the one that the token names;
    `authorities` may vouch for certificates (DER). The order is that of contract 1.3."""
    identity, token = claim.identity, claim.token
    known = [name.lower() for name in names]
    if claim.plain and identity.device.lower() in known:  # a hub's name, and not what has to follow it
        return unreadable("api-version is missing")
    if not claim.plain and claim.hub.lower() not in known:
        return _deny(HUB_NAME_FOREIGN, identity, hub=claim.hub, names=", ".join(known))
    if by_certificate := _by_certificate(claim, registration):
        token = None
    if token is None and not by_certificate and claim.key is None:
        return _deny(TOKEN_MISSING, identity)
    if token is not None and (refusal := _judge_token(claim, token, policy, known, now)):
        return refusal
    if registration is None or (device is None and claim.by_device_key):
        return _deny(IDENTITY_UNKNOWN, identity)
    if not registration.enabled or (device is not None and not device.enabled):
        return _deny(IDENTITY_DISABLED, identity)
    if by_certificate:
        return _judge_certificate(claim, registration, authorities, now)
    if token is None:
        return _judge_key(claim, registration)
    signer = device if claim.by_device_key and device is not None else registration
    return _judge_signature(identity, token, signer)


def not_ready(identity: Identity | None, reason: str) -> Refusal:
    """The refusal for whatever passes: the client comes back by itself (contract 1.3)."""
    return _refuse(ConnackCode.SERVER_UNAVAILABLE, HUB_NOT_READY, identity=identity or "a client", reason=reason)


def _read_user_name(connect: Connect, chain: Sequence[bytes]) -> Claim | Refusal:
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
        ClientCertificate.read(chain),
    )


def _read_plain(connect: Connect, chain: Sequence[bytes], name: str) -> Claim | Refusal:
    """`{d}[/{m}]`, with the key itself as password, a token made with it, or a certificate."""
    try:
        identity = Identity.parse(name)
    except Problem as problem:
        return unreadable(problem.title())
    password = (connect.password or b"").decode(errors="replace")
    token = SasToken.parse(password)
    key = Secret(password) if password and token is None else None
    return Claim(identity, "", token, certificate=ClientCertificate.read(chain), key=key)


def _good_client_id(connect: Connect, claim: Claim) -> bool:
    """A plain client's is its own affair, and may be empty where 3.1.1 allows it [MQTT-3.1.3-8]."""
    if claim.plain:
        return bool(connect.client_id) or connect.clean_session or connect.level == LEVEL_5
    return connect.client_id == str(claim.identity)


def _judge_key(claim: Claim, registration: Registration) -> Admission | Refusal:
    """Every key is tried, each in constant time."""
    if registration.authentication is not Authentication.SAS:
        return _differ(claim.identity, _A_KEY, registration)
    matches = [claim.key == key for key in registration.keys]
    if not any(matches):
        return _deny(KEY_WRONG, claim.identity)
    return Admission(claim.identity, _NEVER)


def _by_certificate(claim: Claim, registration: Registration | None) -> bool:
    """Whether the certificate is to be judged; a client may show one and mean its token."""
    if claim.certificate is None or (claim.token is None and claim.key is None):
        return claim.certificate is not None
    of_policy = claim.token is not None and claim.token.policy is not None
    known_by = registration.authentication if registration and not of_policy else None
    return known_by in (Authentication.THUMBPRINT, Authentication.AUTHORITY)


def _judge_token(claim: Claim, token: SasToken, policy: Policy | None, names: list[str], now: float) -> Refusal | None:
    if token.policy is not None:
        path = claim.identity.path()
        problem = judge_policy(token, policy, frozenset({Right.DEVICE}), names, path, now)
        return Refusal(ConnackCode.NOT_AUTHORIZED, problem) if problem else None
    if token.expiry + CLOCK_SKEW <= now:
        return _deny(TOKEN_EXPIRED, claim.identity, expiry=token.expiry, now=int(now))
    return _judge_audience(claim, token, names)


def _judge_signature(identity: Identity, token: SasToken, signer: Registration) -> Admission | Refusal:
    if token.policy is not None:  # the policy's keys have been tried
        return Admission(identity, token.expiry)
    if signer.authentication is not Authentication.SAS:
        return _differ(identity, _A_TOKEN, signer)
    if not token.signed_by(signer.keys):
        return _deny(SIGNATURE_WRONG, identity)
    return Admission(identity, token.expiry)


def _judge_certificate(
    claim: Claim, registration: Registration, authorities: Iterable[bytes], now: float
) -> Admission | Refusal:
    identity, certificate = claim.identity, claim.certificate
    assert certificate is not None
    match registration.authentication:
        case Authentication.THUMBPRINT:
            known = has_thumbprint(certificate.own, registration.thumbprints)
            fault = None if known else _OTHER_CERTIFICATE
        case Authentication.AUTHORITY:
            fault = _fault_of_issued(certificate, identity, authorities, now)
        case _:
            return _differ(identity, _A_CERTIFICATE, registration)
    if not certificate.in_force(now):
        fault = fault or _NOT_IN_FORCE
    if fault is not None:
        return _deny(CERTIFICATE_REFUSED, identity, reason=fault)
    return Admission(identity, int(certificate.ends))


def _fault_of_issued(
    certificate: ClientCertificate, identity: Identity, authorities: Iterable[bytes], now: float
) -> Words | None:
    if certificate.is_authority:
        return _IS_AUTHORITY
    # A module may show its device's certificate, as it may show a token of its device's key.
    if certificate.common_name not in (identity.device, str(identity)):
        name = certificate.common_name
        return Words(f"its common name is {name!r}", f"コモンネームが {name!r} です")
    return None if certificate.issued_under(authorities, now) else _NO_AUTHORITY


def _differ(identity: Identity, shown: Words, registration: Registration) -> Refusal:
    return _deny(CREDENTIALS_DIFFER, identity, shown=shown, registered=_KINDS[registration.authentication])


def _judge_audience(claim: Claim, token: SasToken, names: list[str]) -> Refusal | None:
    host, _, path = token.resource.partition("/")
    if host.lower() in names and (path == claim.identity.path() or claim.by_device_key):
        return None
    expected = f"{claim.hub}/{claim.identity.path()}"
    return _deny(TOKEN_FOREIGN, claim.identity, resource=token.resource, expected=expected)


def _own_will(will: Will, claim: Claim) -> bool:
    """Whether it is a message of this client, of a size and a QoS that it could publish itself."""
    dialect = dialect_for(claim.plain, claim.identity)
    if will.qos == 2 and not dialect.exactly_once:
        return False
    try:
        said = dialect.read(will.topic, will.payload)
    except MalformedBagError:
        return False
    return isinstance(said, Message) and published(said, will.properties, 0.0).size() <= MAX_SIZE


def unreadable(reason: str) -> Refusal:
    """The refusal of a user name that is not in the form of contract 1.2."""
    return _refuse(ConnackCode.BAD_CREDENTIALS, USER_NAME_MALFORMED, reason=reason)


def _deny(kind: Kind, identity: Identity, **values: object) -> Refusal:
    return _refuse(ConnackCode.NOT_AUTHORIZED, kind, identity=identity, **values)


def _refuse(code: ConnackCode, kind: Kind, **values: object) -> Refusal:
    return Refusal(code, Problem(kind, **values))
