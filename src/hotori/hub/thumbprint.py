"""Thumbprints: hashes of certificates by which a device is known (contract 1.3)."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable

from hotori.problems import Problem
from hotori.problems.certificates import THUMBPRINT_MALFORMED

_HEX = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


def checked_thumbprint(text: str | None) -> str | None:
    """A SHA-1 or SHA-256 hash in hex, in lower case; tools write it with colons or blanks too.

    None where none was given. Raises `thumbprint-malformed`.
    """
    if not text:
        return None
    bare = re.sub(r"[:\s]", "", text).lower()
    if _HEX.fullmatch(bare) is None:
        raise Problem(THUMBPRINT_MALFORMED, given=text[:80])
    return bare


def thumbprint_of(certificate: bytes) -> str:
    """The SHA-256 thumbprint of a certificate (DER)."""
    return hashlib.sha256(certificate).hexdigest()


def has_thumbprint(certificate: bytes, thumbprints: Iterable[str]) -> bool:
    """Whether a certificate (DER) has one of the hashes; compared in constant time, every one tried."""
    prints = (hashlib.sha1(certificate, usedforsecurity=False).hexdigest(), hashlib.sha256(certificate).hexdigest())
    matches = [hmac.compare_digest(own, known.lower()) for known in thumbprints for own in prints]
    return any(matches)
