"""Authorities whose certificates let devices in: registered by people, under names (contract 1.3).

One that is not verified yet is kept, and vouches for nobody.
"""

from __future__ import annotations

import base64
import hashlib
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from hotori.hub.client_certificate import ClientCertificate, load_certificate
from hotori.model.identity import is_name
from hotori.problems import Problem, Words
from hotori.problems.certificates import (
    AUTHORITY_EXISTS,
    AUTHORITY_UNKNOWN,
    AUTHORITY_UNREADABLE,
    POSSESSION_UNPROVEN,
)
from hotori.problems.identity import NAME_INVALID
from hotori.problems.service import CHANGED_MEANWHILE
from hotori.store.records import Record, Records

COLLECTION = "authorities"
MOST_SIZE = 64 * 1024
"""Of a certificate, in bytes."""
_NOT_ISSUED = Words("it was issued by somebody else", "別の認証局が発行したものです")
_UNREADABLE = Words("it is neither PEM nor DER", "PEM でも DER でもありません")
_NO_AUTHORITY = Words("it may not sign others", "ほかの証明書に署名できません")


@dataclass(frozen=True, slots=True)
class RegisteredAuthority:
    """`certificate` is DER; times are Unix seconds. `code` is what proof of possession has to carry."""

    name: str
    certificate: bytes = field(repr=False)
    verified: bool
    created: float
    updated: float
    version: int
    code: str | None = None

    @property
    def etag(self) -> str:
        return base64.b64encode(f"{self.created:.6f}.{self.version}".encode()).decode()

    @property
    def subject(self) -> str:
        return load_certificate(self.certificate).subject.rfc4514_string()

    @property
    def expires(self) -> float:
        return load_certificate(self.certificate).not_valid_after_utc.timestamp()

    @property
    def thumbprint(self) -> str:
        """SHA-1, in hex, as tools show it."""
        return hashlib.sha1(self.certificate, usedforsecurity=False).hexdigest().upper()


class Authorities:
    """Authorities over records. `etag` None means whatever stands there, else `changed-meanwhile`."""

    def __init__(
        self,
        records: Records,
        clock: Callable[[], float] = time.time,
        chance: Callable[[int], bytes] = os.urandom,
        own: tuple[bytes, ...] = (),
    ) -> None:
        """`own` are those that need not be registered (DER): the installation's."""
        self._records, self._clock, self._chance, self._own = records, clock, chance, own

    async def trusted(self) -> tuple[bytes, ...]:
        """Certificates (DER) of those that are verified, and the installation's own."""
        registered = (authority.certificate for authority in await self.all() if authority.verified)
        return (*self._own, *registered)

    async def all(self) -> list[RegisteredAuthority]:
        """In the order of their names."""
        return [_decode(record) for record in await self._records.list(COLLECTION)]

    async def get(self, name: str) -> RegisteredAuthority:
        """Raises `authority-unknown`."""
        record = await self._records.get(COLLECTION, name)
        if record is None:
            raise Problem(AUTHORITY_UNKNOWN, name=name)
        return _decode(record)

    async def add(self, name: str, certificate: bytes, *, verified: bool = True) -> RegisteredAuthority:
        """Register one in PEM or DER. Raises `authority-exists`, `authority-unreadable`, `name-invalid`."""
        if not is_name(name):
            raise Problem(NAME_INVALID, name=name)
        der = read_authority(certificate, name)
        if await self._records.get(COLLECTION, name) is not None:
            raise Problem(AUTHORITY_EXISTS, name=name)
        now = self._clock()
        return await self._put(RegisteredAuthority(name, der, verified, now, now, 0))

    async def remove(self, name: str, etag: str | None = None) -> None:
        """Raises `authority-unknown`, `changed-meanwhile`."""
        await self._expected(name, etag)
        await self._records.delete(COLLECTION, name)

    async def new_code(self, name: str, etag: str | None = None) -> RegisteredAuthority:
        """Ask for proof: a certificate with this code as its common name. Raises as `remove`."""
        known = await self._expected(name, etag)
        return await self._put(replace(known, code=self._chance(24).hex().upper(), updated=self._clock()))

    async def verify(self, name: str, proof: bytes, etag: str | None = None) -> RegisteredAuthority:
        """Take the proof (PEM or DER). Raises `possession-unproven` too."""
        known = await self._expected(name, etag)
        shown = ClientCertificate.read([_der(proof)]) if _der(proof) else None
        if shown is None:
            raise Problem(POSSESSION_UNPROVEN, name=name, reason=_UNREADABLE)
        if known.code is None or shown.common_name != known.code:
            wrong = shown.common_name
            raise Problem(
                POSSESSION_UNPROVEN,
                name=name,
                reason=Words(f"its common name is {wrong!r}", f"コモンネームが {wrong!r} です"),
            )
        if not shown.issued_under([known.certificate], self._clock()):
            raise Problem(POSSESSION_UNPROVEN, name=name, reason=_NOT_ISSUED)
        return await self._put(replace(known, code=None, verified=True, updated=self._clock()))

    async def _expected(self, name: str, etag: str | None) -> RegisteredAuthority:
        known = await self.get(name)
        if etag is not None and etag != known.etag:
            raise Problem(CHANGED_MEANWHILE, what=name)
        return known

    async def _put(self, authority: RegisteredAuthority) -> RegisteredAuthority:
        stored = _Stored(
            authority.certificate, authority.verified, authority.created, authority.updated, authority.code
        )
        value = msgspec.json.encode(stored)
        version = await self._records.put(COLLECTION, authority.name, value, expected=authority.version)
        return replace(authority, version=version)


def read_authority(text: bytes, what: str) -> bytes:
    """The DER of an authority's certificate in PEM or DER. Raises `authority-unreadable`."""
    der = read_certificate(text, what)
    certificate = ClientCertificate.read([der])
    if certificate is None or not certificate.is_authority:
        raise Problem(AUTHORITY_UNREADABLE, what=what, reason=_NO_AUTHORITY)
    return der


def read_certificate(text: bytes, what: str) -> bytes:
    """The DER of anybody's certificate in PEM, DER, or DER in base64. Raises `authority-unreadable`."""
    der = _der(text)
    if ClientCertificate.read([der] if der else []) is None:
        raise Problem(AUTHORITY_UNREADABLE, what=what, reason=_UNREADABLE)
    return der


def _der(text: bytes) -> bytes:
    """Empty where it is neither form; base64 of DER counts, too."""
    if b"-----BEGIN" in text:
        try:
            certificate = x509.load_pem_x509_certificate(text)
        except ValueError:
            return b""
        return certificate.public_bytes(Encoding.DER)
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        return text


class _Stored(msgspec.Struct):
    certificate: bytes
    verified: bool
    created: float
    updated: float
    code: str | None = None


def _decode(record: Record) -> RegisteredAuthority:
    stored = msgspec.json.decode(record.value, type=_Stored)
    return RegisteredAuthority(
        record.key, stored.certificate, stored.verified, stored.created, stored.updated, record.version, stored.code
    )
