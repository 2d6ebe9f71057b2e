"""What a device writes that asks to be provisioned, and how it is told what went wrong (contract 12.3)."""

from __future__ import annotations

import secrets

import msgspec

from hotori.hub.moment import written_time
from hotori.model.json import JsonObject
from hotori.problems import Problem
from hotori.problems.provisioning import TPM_UNSUPPORTED
from hotori.problems.service import REQUEST_MALFORMED


def check_register(body: bytes, registration: str) -> None:
    """Raise `request-malformed` where the body of a registration is not one, or is somebody else's, and
    `tpm-unsupported` where it asks for a TPM's way.

    Its `payload` is for an allocation by the user's own program, which there is none of. Nothing need be said.
    """
    if not body.strip():
        return
    try:
        said = msgspec.json.decode(body)
    except (ValueError, RecursionError) as error:  # ValueError: a text in it may be no UTF-8
        raise Problem(REQUEST_MALFORMED, str(error), reason=f"the body is not JSON ({error})") from error
    if not isinstance(said, dict):
        raise Problem(REQUEST_MALFORMED, reason="the body is not a JSON object")
    named = said.get("registrationId", registration)
    if not isinstance(named, str) or named.lower() != registration.lower():
        raise Problem(REQUEST_MALFORMED, reason="registrationId is another in the body than in the address")
    if said.get("tpm") is not None:
        raise Problem(TPM_UNSUPPORTED, registration=registration)


def error_body(code: int, problem: Problem, now: float) -> JsonObject:
    """The body of an answer that is no success."""
    return {
        "errorCode": code,
        "trackingId": secrets.token_hex(16),
        "message": f"{problem.title()}. {problem.cause()}",
        "timestampUtc": written_time(now),
    }
