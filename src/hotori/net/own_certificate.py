"""The certificate by which a program shows who it is, with its private key; and asking for the next one.

The library that reads certificates is loaded by what reads one: most devices have none (ADR 25).
"""

from __future__ import annotations

import os
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hotori.model.json import JsonObject
from hotori.model.secret import Secret
from hotori.problems import Problem, Words
from hotori.problems.certificates import CERTIFICATE_UNUSABLE

if TYPE_CHECKING:
    from cryptography import x509

_NOT_PEM = Words("the certificate is not PEM", "証明書が PEM ではありません")
_NO_KEY = Words("the private key is not PEM without a passphrase", "秘密鍵がパスフレーズなしの PEM ではありません")
_OTHER_KEY = Words("the private key is not the certificate's", "秘密鍵が証明書のものではありません")
_RENEW_BELOW = 1 / 3
"""Of its life, left: then it is time for the next one."""


@dataclass(frozen=True, slots=True)
class OwnCertificate:
    """`chain` is PEM text, the own certificate first; `key` its private key, PEM text without a passphrase."""

    chain: str
    key: Secret

    @classmethod
    def read(cls, certificate: Path, key: Path) -> OwnCertificate:
        """From two files. Raises `certificate-unusable` with what is wrong with them."""
        made = cls(_text(certificate), Secret(_text(key)))
        made.check(certificate)
        return made

    @classmethod
    def from_document(cls, document: JsonObject, where: Path) -> OwnCertificate:
        """As `document` wrote it. Raises KeyError and `certificate-unusable`."""
        made = cls(str(document["chain"]), Secret(str(document["key"])))
        made.check(where)
        return made

    def document(self) -> JsonObject:
        """With the key: for a file that only its owner can read."""
        return {"chain": self.chain, "key": self.key.reveal()}

    def check(self, where: object) -> None:
        """Raises `certificate-unusable` where it cannot be shown to anybody; `where` says whence it came."""
        from cryptography import x509
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives import serialization

        try:
            own = x509.load_pem_x509_certificate(self.chain.encode())
        except ValueError as error:
            raise Problem(CERTIFICATE_UNUSABLE, str(error), where=where, reason=_NOT_PEM) from error
        try:
            key = serialization.load_pem_private_key(self.key.reveal().encode(), password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise Problem(CERTIFICATE_UNUSABLE, type(error).__name__, where=where, reason=_NO_KEY) from error
        if _public(key.public_key()) != _public(own.public_key()):
            raise Problem(CERTIFICATE_UNUSABLE, where=where, reason=_OTHER_KEY)

    @property
    def common_name(self) -> str:
        """Whom it is made out to; empty where that is not one name."""
        from cryptography.x509.oid import NameOID

        names = self._own().subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        return str(names[0].value) if len(names) == 1 else ""

    @property
    def begins(self) -> float:
        """Unix seconds."""
        return self._own().not_valid_before_utc.timestamp()

    @property
    def ends(self) -> float:
        """Unix seconds."""
        return self._own().not_valid_after_utc.timestamp()

    def renewal_due(self, now: float) -> bool:
        """Whether less than a third of its life is left."""
        return self.ends - now < (self.ends - self.begins) * _RENEW_BELOW

    def issued_by(self, authorities: str) -> bool:
        """Whether one of the authorities (PEM text) issued it directly."""
        from cryptography import x509

        own = self._own()
        return any(directly_issued(own, each) for each in x509.load_pem_x509_certificates(authorities.encode()))

    def show(self, context: ssl.SSLContext) -> None:
        """Let a client's context show it, in connections from now on."""
        # OpenSSL reads files only; this one is in memory, so that the key is on no other disk than its owner's.
        with os.fdopen(os.memfd_create("certificate"), "w", encoding="ascii") as file:
            file.write(self.chain + self.key.reveal())
            file.flush()
            context.load_cert_chain(f"/proc/self/fd/{file.fileno()}")

    def _own(self) -> x509.Certificate:
        from cryptography import x509

        return x509.load_pem_x509_certificate(self.chain.encode())


@dataclass(frozen=True, slots=True)
class CertificateRequest:
    """A new key, and the request for a certificate of it (PKCS#10, PEM text)."""

    text: str
    key: Secret

    @classmethod
    def make(cls, name: str) -> CertificateRequest:
        """For a certificate made out to the name."""
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.x509.oid import NameOID

        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return cls(request.public_bytes(serialization.Encoding.PEM).decode(), Secret(pem.decode()))

    def answered(self, chain: str) -> OwnCertificate:
        """The certificate that was issued for it. Raises `certificate-unusable` where it is for another key."""
        made = OwnCertificate(chain, self.key)
        made.check("the answer")
        return made


def directly_issued(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Whether the issuer's key signed it."""
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else _NOT_PEM
        raise Problem(CERTIFICATE_UNUSABLE, str(error), where=path, reason=reason) from error


def _public(key: object) -> bytes:
    from cryptography.hazmat.primitives import serialization

    return key.public_bytes(  # type: ignore[attr-defined, no-any-return]  # every kind of public key has it
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
