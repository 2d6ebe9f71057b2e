"""Shared access signatures of the object store (contract, 2): who holds one may do what it says.

Account SAS (`ss`, `srt`) and service SAS for a container or a blob (`sr`); a stored access policy (`si`) is
unknown here and refused. Values are signed as they were sent, after decoding.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from urllib.parse import urlencode

from hotori.model.sas import hmac_sha256
from hotori.model.secret import Secret
from hotori.objects.call import Call, Level
from hotori.objects.errors import StorageError

_RESOURCE_TYPE = {Level.ACCOUNT: "s", Level.CONTAINER: "c", Level.BLOB: "o"}
_OVERRIDES = ("rscc", "rscd", "rsce", "rscl", "rsct")
_SIGNED_VERSION = "2021-12-02"
_SINCE_SNAPSHOT = "2018-11-09"
_SINCE_SCOPE = "2020-12-06"


def allowed_by_sas(call: Call, keys: Iterable[Secret], now: float) -> frozenset[str]:
    """The letters that the request's token grants for its resource. Raises StorageError."""
    token = call.parameters
    account_wide = "ss" in token
    text = _account_text(call) if account_wide else _service_text(call.account, call.container, call.blob, token)
    _check_signature(text, token, keys)
    _check_time(token, now)
    _check_origin(token, call)
    _check_resource(token, call, account_wide=account_wide)
    return frozenset(token.get("sp", ""))


def sign_blob(account: str, container: str, blob: str, key: Secret, *, permissions: str, expires: float) -> Secret:
    """A service SAS for one blob, as a query text; `expires` in Unix seconds."""
    ends = datetime.fromtimestamp(expires, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    token = {"sp": permissions, "se": ends, "sv": _SIGNED_VERSION, "sr": "b"}
    signature = hmac_sha256(key, _service_text(account, container, blob, token).encode())
    return Secret(urlencode({**token, "sig": signature}))


def _account_text(call: Call) -> str:
    fields = ["sp", "ss", "srt", "st", "se", "sip", "spr", "sv"]
    if call.parameters.get("sv", "") >= _SINCE_SCOPE:
        fields.append("ses")
    return "\n".join([call.account, *(call.parameters.get(field, "") for field in fields), ""])


def _service_text(account: str, container: str, blob: str, token: Mapping[str, str]) -> str:
    version = token.get("sv", "")
    resource = f"/blob/{account}/{container}"
    if token.get("sr") == "b":
        resource += f"/{blob}"
    lines = [*(token.get(field, "") for field in ("sp", "st", "se")), resource]
    lines += [token.get(field, "") for field in ("si", "sip", "spr", "sv")]
    if version >= _SINCE_SNAPSHOT:
        lines += [token.get("sr", ""), token.get("snapshot", "")]
    if version >= _SINCE_SCOPE:
        lines.append(token.get("ses", ""))
    return "\n".join(lines + [token.get(field, "") for field in _OVERRIDES])


def _check_signature(text: str, token: Mapping[str, str], keys: Iterable[Secret]) -> None:
    signature = Secret(token.get("sig", ""))
    matches = [Secret(hmac_sha256(key, text.encode())) == signature for key in keys]
    if not any(matches):
        raise StorageError("AuthenticationFailed", AuthenticationErrorDetail=f"Signature did not match. Signed: {text}")


def _check_time(token: Mapping[str, str], now: float) -> None:
    starts, ends = _moment(token, "st"), _moment(token, "se")
    if ends is None or not (starts or 0) <= now < ends:
        time = datetime.fromtimestamp(now, UTC).isoformat()
        detail = f"Token valid from {token.get('st', 'ever')} to {token.get('se', 'nothing')}; it is {time} here."
        raise StorageError("AuthenticationFailed", AuthenticationErrorDetail=detail)


def _moment(token: Mapping[str, str], name: str) -> float | None:
    if not token.get(name):
        return None
    try:
        moment = datetime.fromisoformat(token[name])
    except ValueError as error:
        raise StorageError("AuthenticationFailed", AuthenticationErrorDetail=f"{name} is not a time") from error
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _check_origin(token: Mapping[str, str], call: Call) -> None:
    if token.get("spr") == "https" and not call.secure:
        raise StorageError("AuthorizationProtocolMismatch")
    if token.get("sip") and not _within(token["sip"], call.peer):
        raise StorageError("AuthorizationSourceIPMismatch")


def _within(allowed: str, peer: str) -> bool:
    first, _, last = allowed.partition("-")
    try:
        low, high = (int(ipaddress.IPv4Address(end)) for end in (first, last or first))
        return low <= int(ipaddress.IPv4Address(peer)) <= high
    except ValueError:
        return False


def _check_resource(token: Mapping[str, str], call: Call, *, account_wide: bool) -> None:
    if account_wide:
        if "b" not in token.get("ss", ""):
            raise StorageError("AuthorizationServiceMismatch")
        if _RESOURCE_TYPE[call.level] not in token.get("srt", ""):
            raise StorageError("AuthorizationResourceTypeMismatch")
        return
    # A service SAS manages no containers: of a container it may only list what is in it.
    listing = call.level is Level.CONTAINER and token.get("sr") == "c" and call.parameters.get("comp") == "list"
    inside = call.level is Level.BLOB and token.get("sr") in ("b", "c")
    if token.get("si") or not (listing or inside):
        raise StorageError("AuthorizationFailure")
