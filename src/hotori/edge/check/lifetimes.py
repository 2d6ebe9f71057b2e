"""How much of their lives certificates have left (FAILURES.md D17: told at 25 and at 10 percent)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from cryptography import x509

from hotori.problems import Problem
from hotori.problems.checks import CERTIFICATE_AT_ITS_END, CERTIFICATE_ENDING

_WARN, _ALARM = 0.25, 0.10


def life_left(certificate: x509.Certificate, now: float) -> float:
    """The share of its life that is still to come, from 0 to 1."""
    begins, ends = certificate.not_valid_before_utc.timestamp(), certificate.not_valid_after_utc.timestamp()
    return min(1.0, max(0.0, (ends - now) / (ends - begins)))


def ending(certificates: Iterable[tuple[str, x509.Certificate]], now: float) -> Iterator[Problem]:
    """A problem for each that has a quarter or less left; the names are for people."""
    for name, certificate in certificates:
        left, ends = life_left(certificate, now), certificate.not_valid_after_utc
        if left <= _WARN:
            kind = CERTIFICATE_AT_ITS_END if left <= _ALARM else CERTIFICATE_ENDING
            seen = f"{certificate.subject.rfc4514_string()}, until {ends.isoformat()}"
            yield Problem(kind, seen, name=name, percent=round(left * 100), end=ends.date().isoformat())
