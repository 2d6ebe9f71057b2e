"""Shared access signatures: the tokens of devices, modules and service clients.

A token is `SharedAccessSignature sr={resource}&sig={signature}&se={expiry}[&skn={policy}]`, fields in any
order. The signature is HMAC-SHA256 with the base64-decoded key over `{sr}\\n{se}`, where `sr` is the text
*exactly as transmitted*: clients percent-encode differently, so decoding and encoding again breaks some.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import quote, unquote

from hotori.model.secret import Secret
from hotori.problems import Problem
from hotori.problems.identity import KEY_MALFORMED

CLOCK_SKEW = 300.0
"""How long after its end a token is still taken, in seconds: clocks differ (contract 1.3)."""

_SCHEME = "SharedAccessSignature "
_EXPIRY = re.compile(r"[0-9]{1,18}")


def decode_key(key: Secret) -> bytes:
    """The bytes of a base64 key; else the problem `key-malformed`."""
    try:
        return base64.b64decode(key.reveal(), validate=True)
    except ValueError as error:  # not base64, or not even ASCII
        raise Problem(KEY_MALFORMED, str(error)) from error


def hmac_sha256(key: Secret, data: bytes) -> str:
    """base64 of HMAC-SHA256 over `data` with a base64 key."""
    return base64.b64encode(hmac.digest(decode_key(key), data, hashlib.sha256)).decode()


def derived_key(group_key: Secret, name: str) -> Secret:
    """A device's own key of an enrolment group's: the HMAC of its name, as given; empty where the group's is."""
    return Secret(hmac_sha256(group_key, name.encode())) if group_key else Secret("")


def token_with_digest(encoded_resource: str, expiry: int, digest: str, policy: str | None = None) -> str:
    """Put a token together from a digest that somebody who holds the key computed (the workload API does)."""
    name = f"&skn={quote(policy, safe='')}" if policy else ""
    return f"{_SCHEME}sr={encoded_resource}&sig={quote(digest, safe='')}&se={expiry}{name}"


def sign(resource: str, key: Secret, expiry: int, policy: str | None = None) -> str:
    """A token for `resource` (plain text, such as `hub/devices/d`), valid until `expiry` (Unix seconds)."""
    encoded = quote(resource, safe="")
    digest = hmac_sha256(key, f"{encoded}\n{expiry}".encode())
    return token_with_digest(encoded, expiry, digest, policy)


@dataclass(frozen=True, slots=True)
class SasToken:
    """A parsed token. `signed_resource` is `sr` as transmitted; `resource` is what it says, decoded."""

    signed_resource: str
    signature: Secret
    expiry: int
    policy: str | None

    @property
    def resource(self) -> str:
        return unquote(self.signed_resource)

    @classmethod
    def parse(cls, text: str) -> SasToken | None:
        """Read a token, or None where the text is not one."""
        if not text.startswith(_SCHEME):
            return None
        fields = dict(part.partition("=")[::2] for part in text[len(_SCHEME) :].split("&"))
        expiry = fields.get("se", "")
        if not fields.get("sr") or not fields.get("sig") or not _EXPIRY.fullmatch(expiry):
            return None
        return cls(
            signed_resource=fields["sr"],
            signature=Secret(unquote(fields["sig"])),
            expiry=int(expiry),
            policy=unquote(fields["skn"]) if fields.get("skn") else None,
        )

    def signed_by(self, keys: Iterable[Secret]) -> bool:
        """Whether any of the keys made the signature; compared in constant time, every key tried."""
        data = f"{self.signed_resource}\n{self.expiry}".encode()
        matches = [self.signature == Secret(hmac_sha256(key, data)) for key in keys]
        return any(matches)
