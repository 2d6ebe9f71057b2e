"""The installation's own certificate authority: one ECDSA root, and leaf certificates for its listeners.

Everything off loopback is TLS, so every installation needs certificates, and nobody should have to buy or
copy any. The root is made on first use; clients are given its certificate (`Authority.certificate`) and
trust nothing else. The authority will not issue a certificate that outlives the root, and it knows nothing
of sockets.
"""

from __future__ import annotations

import errno
import ipaddress
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from hotori.net.certificates import IssuedCertificate, ServerCertificate
from hotori.problems import Problem
from hotori.problems.storage import DISK_FAILED, DISK_FULL, FILE_UNREADABLE

Clock: TypeAlias = Callable[[], float]
"""Unix seconds."""

Chance: TypeAlias = Callable[[int], bytes]
"""So many random bytes."""

ROOT_LIFE = timedelta(days=20 * 365)
LEAF_LIFE = timedelta(days=365)
MODULE_LIFE = timedelta(days=90)
"""At most, of what a module asks for: it asks again in time."""
DEVICE_LIFE = timedelta(days=10 * 365)
"""Of a certificate that a device keeps for itself: nobody renews it."""
CLIENT_LIFE = timedelta(days=90)
"""Of one that a device shows to its cloud, and lets its cloud renew."""
RENEW_BELOW = LEAF_LIFE / 3
_CLOCK_SLACK = timedelta(days=1)
"""Certificates begin a day early: the clock of a device without a battery may lag behind ours."""

_COMMON_NAME_LIMIT = 64
_NO_USE = {
    "content_commitment": False,
    "key_encipherment": False,
    "data_encipherment": False,
    "key_agreement": False,
    "encipher_only": False,
    "decipher_only": False,
}


class Authority:
    """A root key with its certificate, in a folder of its own."""

    def __init__(
        self, folder: Path, root: x509.Certificate, key: ec.EllipticCurvePrivateKey, clock: Clock, chance: Chance
    ) -> None:
        self._folder, self._root, self._key, self._clock, self._chance = folder, root, key, clock, chance

    @classmethod
    def open(cls, folder: Path, clock: Clock = time.time, chance: Chance = os.urandom) -> Authority:
        """Load the authority kept in `folder`, or make one there on first use."""
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        key_path, root_path = folder / "root.key", folder / "root.pem"
        # The key is written first, so a certificate without its key cannot be left behind.
        if not root_path.exists():
            key, root = _make_root(_now(clock), chance)
            _write(key_path, _key_pem(key))
            _write(root_path, _pem(root), mode=0o644)
        root = x509.load_pem_x509_certificate(root_path.read_bytes())
        return cls(folder, root, _load_key(key_path), clock, chance)

    @property
    def certificate(self) -> Path:
        """The root's certificate in PEM: what a client must trust. Free to be given to anybody."""
        return self._folder / "root.pem"

    @property
    def pem(self) -> str:
        """The text of `certificate`."""
        return _pem(self._root).decode()

    def issue_server(self, names: Sequence[str]) -> ServerCertificate:
        """A certificate for a listener that is dialled by these DNS names or IP addresses.

        The same names get the same files again, until a third of their life is left; then new ones take
        their place.
        """
        wanted = _alternative_names(names)
        issued = ServerCertificate.kept(self._folder, names)
        if not self._serves(issued):
            key = ec.generate_private_key(ec.SECP256R1())
            leaf = self._sign_leaf(names[0], wanted, key.public_key(), ExtendedKeyUsageOID.SERVER_AUTH, LEAF_LIFE)
            _write(issued.key_path, _key_pem(key))
            _write(issued.cert_path, _pem(leaf) + _pem(self._root), mode=0o644)
        return issued

    def issue_module(
        self, name: str, names: Sequence[x509.GeneralName], usage: x509.ObjectIdentifier, until: datetime | None = None
    ) -> IssuedCertificate:
        """A certificate for somebody else's use, which is not kept: to `until` or for `MODULE_LIFE`, if that is less.

        Raises ValueError where `until` has passed.
        """
        life = MODULE_LIFE if until is None else min(until - _now(self._clock), MODULE_LIFE)
        if life <= timedelta():
            raise ValueError("it would have ended already")
        key = ec.generate_private_key(ec.SECP256R1())
        alternative = x509.SubjectAlternativeName(list(dict.fromkeys(names)))
        leaf = self._sign_leaf(name, alternative, key.public_key(), usage, life)
        return IssuedCertificate(_pem(leaf) + _pem(self._root), _key_pem(key), leaf.not_valid_after_utc)

    def issue_client(
        self, name: str, key: CertificatePublicKeyTypes, life: timedelta = CLIENT_LIFE
    ) -> x509.Certificate:
        """A certificate by which a device shows who it is; it is not kept."""
        return self._sign_leaf(name, None, key, ExtendedKeyUsageOID.CLIENT_AUTH, life)

    @property
    def der(self) -> bytes:
        """The root's certificate in DER."""
        return self._root.public_bytes(serialization.Encoding.DER)

    def _serves(self, issued: ServerCertificate) -> bool:
        """Whether the files are there, belong together, come from this root and live long enough."""
        if not (issued.cert_path.exists() and issued.key_path.exists()):
            return False
        leaf = x509.load_pem_x509_certificate(issued.cert_path.read_bytes())
        ours = leaf.public_key() == _load_key(issued.key_path).public_key() and leaf.issuer == self._root.subject
        ends_soon = leaf.not_valid_after_utc - _now(self._clock) < RENEW_BELOW
        # A leaf cut short by the end of its root cannot be had any longer.
        return ours and (not ends_soon or leaf.not_valid_after_utc == self._root.not_valid_after_utc)

    def _sign_leaf(
        self,
        name: str,
        names: x509.SubjectAlternativeName | None,
        key: CertificatePublicKeyTypes,
        usage: x509.ObjectIdentifier,
        life: timedelta,
    ) -> x509.Certificate:
        now = _now(self._clock)
        builder = _builder(_name(name), self._root.subject, key, self._chance)
        if names is not None:
            builder = builder.add_extension(names, critical=False)
        return (
            builder.not_valid_before(max(now - _CLOCK_SLACK, self._root.not_valid_before_utc))
            .not_valid_after(min(now + life, self._root.not_valid_after_utc))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
            .sign(self._key, hashes.SHA256())
        )


def self_signed(name: str, clock: Clock = time.time, chance: Chance = os.urandom) -> tuple[bytes, bytes, str]:
    """A device's own certificate and key (PEM), and the certificate's SHA-256 thumbprint, to be registered."""
    key, now = ec.generate_private_key(ec.SECP256R1()), _now(clock)
    certificate = (
        _builder(_name(name), _name(name), key.public_key(), chance)
        .not_valid_before(now - _CLOCK_SLACK)
        .not_valid_after(now + DEVICE_LIFE)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    return _pem(certificate), _key_pem(key), certificate.fingerprint(hashes.SHA256()).hex()


def write_self_signed(folder: Path, name: str) -> str:
    """Make one in NAME.pem and NAME.key (mode 0600); its thumbprint. Raises `disk-full` and `disk-failed`."""
    certificate, key, thumbprint = self_signed(name)
    _write(folder / f"{name}.key", key)
    _write(folder / f"{name}.pem", certificate, mode=0o644)
    return thumbprint


def read_thumbprint(path: Path) -> str:
    """The SHA-256 thumbprint of a certificate (PEM). Raises `file-unreadable`."""
    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError) as error:
        raise Problem(FILE_UNREADABLE, str(error), path=path, reason=str(error)) from error
    return certificate.fingerprint(hashes.SHA256()).hex()


def _make_root(now: datetime, chance: Chance) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    key = ec.generate_private_key(ec.SECP256R1())
    # The random part tells the roots of two installations apart in a list of trusted authorities.
    name = _name(f"Hotori authority {chance(4).hex()}")
    root = (
        _builder(name, name, key.public_key(), chance)
        .not_valid_before(now - _CLOCK_SLACK)
        .not_valid_after(now + ROOT_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    return key, root


def _builder(
    subject: x509.Name, issuer: x509.Name, key: CertificatePublicKeyTypes, chance: Chance
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(int.from_bytes(b"\x01" + chance(18)))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        **_NO_USE,
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text[:_COMMON_NAME_LIMIT])])


def _alternative_names(names: Sequence[str]) -> x509.SubjectAlternativeName:
    return x509.SubjectAlternativeName([general_name(name) for name in dict.fromkeys(names)])


def general_name(name: str) -> x509.GeneralName:
    """Clients compare an address only with IP entries and a name only with DNS entries, so the kind matters."""
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _now(clock: Clock) -> datetime:
    return datetime.fromtimestamp(int(clock()), UTC)


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _load_key(path: Path) -> ec.EllipticCurvePrivateKey:
    key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key


def _write(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Put a whole file in place at once. Raises `disk-full` and `disk-failed`."""
    try:
        _write_whole(path, data, mode)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            disk = os.statvfs(path.parent)
            free = disk.f_bavail * disk.f_frsize
            raise Problem(DISK_FULL, str(error), path=path.parent, free=free) from error
        raise Problem(DISK_FAILED, str(error), path=path.parent, reason=error.strerror or "unknown") from error


def _write_whole(path: Path, data: bytes, mode: int) -> None:
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "wb") as file:
            os.fchmod(handle, mode)
            file.write(data)
            file.flush()
            os.fsync(handle)
        Path(temporary).replace(path)
    finally:
        Path(temporary).unlink(missing_ok=True)
