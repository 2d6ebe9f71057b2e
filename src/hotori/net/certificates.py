"""Certificates as whoever serves them needs them, and who issues them. Nothing here loads a library for them."""

from __future__ import annotations

import hashlib
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from hotori.net.tls import server_context

if TYPE_CHECKING:
    from cryptography import x509


@dataclass(frozen=True, slots=True)
class IssuedCertificate:
    """The chain, leaf first, and the leaf's private key (PKCS#8), both PEM; when it ends."""

    chain: bytes
    key: bytes = field(repr=False)
    expires: datetime


@dataclass(frozen=True, slots=True)
class ServerCertificate:
    """Two PEM files: the chain (leaf first, then the root) and the leaf's private key (mode 0600)."""

    cert_path: Path
    key_path: Path

    @classmethod
    def kept(cls, folder: Path, names: Sequence[str]) -> ServerCertificate:
        """Where an authority keeps the one for these names."""
        stem = "server-" + hashlib.sha256("\n".join(sorted(set(names))).encode()).hexdigest()[:16]
        return cls(folder / f"{stem}.pem", folder / f"{stem}.key")

    def context(self) -> ssl.SSLContext:
        """For a listener. Raises `file-unreadable`."""
        return server_context(self.cert_path, self.key_path)


class Issuer(Protocol):
    """An installation's authority, as those see it who have certificates of it: `authority.Authority` tells more."""

    @property
    def certificate(self) -> Path: ...

    @property
    def pem(self) -> str: ...

    def issue_server(self, names: Sequence[str]) -> ServerCertificate: ...

    def issue_module(
        self, name: str, names: Sequence[x509.GeneralName], usage: x509.ObjectIdentifier, until: datetime | None = None
    ) -> IssuedCertificate: ...
