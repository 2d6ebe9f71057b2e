"""Whether a request may be done (contract, 2): Shared Key or a shared access signature, never anonymously."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from email.utils import parsedate_to_datetime

from hotori.model.secret import Secret
from hotori.model.shared_key import parse_authorization
from hotori.objects.call import Call
from hotori.objects.errors import StorageError
from hotori.objects.sas import allowed_by_sas

_CLOCK_SLACK = 15 * 60
"""Seconds that a signed date may be off."""


def authorize(call: Call, accounts: Mapping[str, Sequence[Secret]], letters: str, now: float) -> Call:
    """The call with what its signer may do; any one of `letters` is enough for a token. Raises StorageError."""
    keys = accounts.get(call.account)
    if keys is None:
        raise StorageError("ResourceNotFound", f"There is no account {call.account}.")
    if "authorization" in call.headers:
        _check_shared_key(call, keys, now)
        return call
    if "sig" not in call.parameters:
        raise StorageError("AuthorizationFailure", "The request has neither a signature nor a token.")
    granted = allowed_by_sas(call, keys, now)
    if not granted & set(letters):
        raise StorageError("AuthorizationPermissionMismatch")
    return replace(call, may_overwrite="w" in granted)


def _check_shared_key(call: Call, keys: Sequence[Secret], now: float) -> None:
    parsed = parse_authorization(call.header("authorization"))
    if parsed is None:
        raise _failed("The header Authorization is not of the form `SharedKey account:signature`.")
    account, signature = parsed
    _check_date(call, now)
    if account != call.account or not call.signed.signed_by(account, keys, signature):
        signed = call.signed.string_to_sign(account)
        raise _failed(f"The signature is of another key or another request. Signed here: {signed!r}")


def _check_date(call: Call, now: float) -> None:
    text = call.header("x-ms-date") or call.header("date")
    try:
        sent = parsedate_to_datetime(text).timestamp()
    except ValueError as error:
        raise _failed("The request has no date, or one that cannot be read.") from error
    if abs(now - sent) > _CLOCK_SLACK:
        raise _failed(f"The request is dated {text}, which is {abs(now - sent):.0f} s away from the server's clock.")


def _failed(detail: str) -> StorageError:
    return StorageError("AuthenticationFailed", AuthenticationErrorDetail=detail)
