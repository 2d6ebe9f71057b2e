"""Authorities and certificates of devices, made for a test."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass(frozen=True, slots=True)
class Signer:
    """A certificate with its key; `chain` are the certificates between it and the root, its own first."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    chain: tuple[x509.Certificate, ...]

    @classmethod
    def root(cls, name: str = "A factory") -> Signer:
        """An authority of its own."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _certificate(name, key, name, key, timedelta(days=9), authority=True)
        return cls(certificate, key, ())

    @classmethod
    def self_signed(cls, name: str, life: timedelta = timedelta(days=1)) -> Signer:
        """What a device makes for itself."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _certificate(name, key, name, key, life, authority=False)
        return cls(certificate, key, (certificate,))

    def issue(
        self,
        name: str,
        *,
        authority: bool = False,
        life: timedelta = timedelta(days=1),
        key: ec.EllipticCurvePrivateKey | None = None,
    ) -> Signer:
        """A certificate for somebody else, with a key of its own unless one is given."""
        key = key or ec.generate_private_key(ec.SECP256R1())
        issuer = self.certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
        certificate = _certificate(name, key, str(issuer), self.key, life, authority=authority)
        return Signer(certificate, key, (certificate, *self.chain))

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    @property
    def der_chain(self) -> tuple[bytes, ...]:
        return tuple(link.public_bytes(serialization.Encoding.DER) for link in self.chain)

    @property
    def sha1(self) -> str:
        return self.certificate.fingerprint(hashes.SHA1()).hex()  # noqa: S303 - what thumbprints are made of

    def thumbprint(self) -> str:
        return self.certificate.fingerprint(hashes.SHA256()).hex()

    def write(self, folder: Path, stem: str) -> tuple[Path, Path]:
        """The chain and the key, as PEM files."""
        cert, key = folder / f"{stem}.pem", folder / f"{stem}.key"
        cert.write_bytes(b"".join(link.public_bytes(serialization.Encoding.PEM) for link in self.chain))
        key.write_bytes(
            self.key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return cert, key

    def show(self, context: ssl.SSLContext, folder: Path, stem: str = "client") -> ssl.SSLContext:
        """The context, with which a client now shows this."""
        context.load_cert_chain(*self.write(folder, stem))
        return context


def _certificate(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: str,
    issuer_key: ec.EllipticCurvePrivateKey,
    life: timedelta,
    *,
    authority: bool,
) -> x509.Certificate:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(_name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(min(now, now + life) - timedelta(days=1))
        .not_valid_after(now + life)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .sign(issuer_key, hashes.SHA256())
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])
