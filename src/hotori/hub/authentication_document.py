"""How an identity shows who it is, as REST writes and takes it: AuthenticationMechanism (contract 2.2)."""

from __future__ import annotations

from dataclasses import dataclass

from hotori.hub.registration import Authentication, Registration
from hotori.model.identity import Identity
from hotori.model.json import Json, JsonObject
from hotori.model.secret import Secret
from hotori.problems import Problem
from hotori.problems.service import AUTHENTICATION_UNSUPPORTED, REQUEST_MALFORMED


@dataclass(frozen=True, slots=True)
class Proofs:
    """What a document says of it; None leaves what is there."""

    authentication: Authentication | None = None
    primary: Secret | None = None
    secondary: Secret | None = None
    primary_thumbprint: str | None = None
    secondary_thumbprint: str | None = None


def authentication_document(registration: Registration) -> JsonObject:
    return {
        "symmetricKey": {
            "primaryKey": registration.primary.reveal() or None,
            "secondaryKey": registration.secondary.reveal() or None,
        },
        "x509Thumbprint": {
            "primaryThumbprint": registration.primary_thumbprint and registration.primary_thumbprint.upper(),
            "secondaryThumbprint": registration.secondary_thumbprint and registration.secondary_thumbprint.upper(),
        },
        "type": registration.authentication.value,
    }


def read_authentication(identity: Identity, document: JsonObject) -> Proofs:
    """Raises `request-malformed` and `authentication-unsupported`."""
    keys, prints = _object(document, "symmetricKey"), _object(document, "x509Thumbprint")
    proofs = Proofs(
        None,
        _secret(keys.get("primaryKey")),
        _secret(keys.get("secondaryKey")),
        _text(prints.get("primaryThumbprint")),
        _text(prints.get("secondaryThumbprint")),
    )
    return Proofs(
        _kind(identity, document.get("type"), proofs),
        proofs.primary,
        proofs.secondary,
        proofs.primary_thumbprint,
        proofs.secondary_thumbprint,
    )


def _kind(identity: Identity, named: Json, proofs: Proofs) -> Authentication | None:
    """As named; else what the given proofs are of."""
    if named is not None:
        try:
            return Authentication(str(named))
        except ValueError as error:
            raise Problem(AUTHENTICATION_UNSUPPORTED, identity=identity, type=named) from error
    if proofs.primary or proofs.secondary:
        return Authentication.SAS
    return Authentication.THUMBPRINT if proofs.primary_thumbprint or proofs.secondary_thumbprint else None


def _object(document: JsonObject, name: str) -> JsonObject:
    value = document.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Problem(REQUEST_MALFORMED, reason=f"authentication.{name} is an object")
    return value


def _secret(value: Json) -> Secret | None:
    text = _text(value)
    return Secret(text) if text else None


def _text(value: Json) -> str | None:
    if value is None or isinstance(value, str):
        return value
    raise Problem(REQUEST_MALFORMED, reason="keys and thumbprints are texts")
