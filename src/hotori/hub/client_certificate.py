"""The certificate that a client showed, and what may be believed of it (contract 1.3).

A core: which authorities are trusted and what time it is are told to it. It will not judge names; that is for
whoever knows the name that is claimed. TLS has proven that the client holds the key.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography import x509

# The library is 12 MB of memory and is loaded with the first certificate that a client shows: where all clients have
# keys, an edge device is a sixth smaller without it.

_LONGEST_CHAIN = 8


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """A chain in DER, the client's own certificate first, with what it says of itself."""

    chain: tuple[bytes, ...] = field(repr=False)
    common_name: str
    begins: float
    ends: float
    is_authority: bool

    @classmethod
    def read(cls, chain: Sequence[bytes]) -> ClientCertificate | None:
        """None where there is no certificate, or none that can be read."""
        if not chain:
            return None
        from cryptography import x509
        from cryptography.x509.oid import NameOID

        try:
            leaf = x509.load_der_x509_certificate(chain[0])
            names = leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
            return cls(
                tuple(chain[:_LONGEST_CHAIN]),
                str(names[0].value) if len(names) == 1 else "",
                leaf.not_valid_before_utc.timestamp(),
                leaf.not_valid_after_utc.timestamp(),
                _may_sign(leaf),
            )
        except ValueError:
            return None

    @property
    def own(self) -> bytes:
        """The client's own certificate, in DER."""
        return self.chain[0]

    def in_force(self, now: float) -> bool:
        return self.begins <= now <= self.ends

    def issued_under(self, authorities: Iterable[bytes], now: float) -> bool:
        """Whether signatures lead from it to one of the authorities (DER), all of them in force now."""
        from cryptography import x509

        try:
            sent = [x509.load_der_x509_certificate(link) for link in self.chain]
        except ValueError:
            return False
        trusted = [load_certificate(authority) for authority in authorities]
        return _leads_to(sent[0], sent[1:], trusted, datetime.fromtimestamp(now, UTC))


@lru_cache(maxsize=256)
def load_certificate(der: bytes) -> x509.Certificate:
    """Raises ValueError."""
    from cryptography import x509

    return x509.load_der_x509_certificate(der)


def _leads_to(
    own: x509.Certificate, between: list[x509.Certificate], trusted: list[x509.Certificate], now: datetime
) -> bool:
    """A search by distance from the client's own certificate; each link is looked at once, whatever was sent."""
    reached, unused = [own], between
    for below in range(_LONGEST_CHAIN):
        if any(_issued(link, issuer, now, below) for link in reached for issuer in trusted):
            return True
        reached = [issuer for issuer in unused if any(_issued(link, issuer, now, below) for link in reached)]
        unused = [link for link in unused if link not in reached]
    return False


def _issued(certificate: x509.Certificate, issuer: x509.Certificate, now: datetime, below: int) -> bool:
    """`below` counts the authorities between the issuer and the client's own certificate."""
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

    if certificate.issuer != issuer.subject or not _may_sign(issuer, below):
        return False
    if not issuer.not_valid_before_utc <= now <= issuer.not_valid_after_utc:
        return False
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _may_sign(certificate: x509.Certificate, below: int = 0) -> bool:
    """Whether it is an authority that may have `below` others under it."""
    from cryptography import x509

    try:
        basic = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
    except x509.ExtensionNotFound as missing:
        if missing.oid != x509.KeyUsage.oid:
            return False
        usage = True
    return basic.ca and usage and (basic.path_length is None or basic.path_length >= below)
