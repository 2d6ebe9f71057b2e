"""Who may provision a device: an enrolment for one registration id, or for all that a group's secret vouches for.

(Contract 12.2, 12.4.)
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from enum import StrEnum

from hotori.model.json import JsonObject
from hotori.model.sas import derived_key
from hotori.model.secret import Secret

NO_KEY = Secret("")


class Attestation(StrEnum):
    """How an applicant shows that it belongs to an enrolment."""

    SYMMETRIC_KEY = "symmetricKey"
    X509 = "x509"


@dataclass(frozen=True, slots=True)
class Reprovisioning:
    """What happens when a device comes again: nothing, its data kept, or its twin made new."""

    update: bool = True
    migrate: bool = True


@dataclass(frozen=True, slots=True)
class Enrolment:
    """`name` is the registration id, or the group's. An empty key or no certificate is none.

    `certificates` are DER: for one device its own, for a group those of authorities; `authorities` are names of
    registered ones. `thumbprints` are hashes of a device's own. `device` None takes the registration id.
    """

    name: str
    group: bool
    attestation: Attestation
    primary: Secret = NO_KEY
    secondary: Secret = NO_KEY
    certificates: tuple[bytes, ...] = field(default=(), repr=False)
    thumbprints: tuple[str, ...] = ()
    authorities: tuple[str, ...] = ()
    device: str | None = None
    enabled: bool = True
    edge: bool = False
    reprovisioning: Reprovisioning = Reprovisioning()
    tags: JsonObject = field(default_factory=dict)
    desired: JsonObject = field(default_factory=dict)
    host: str | None = None
    allocation: str = "hashed"
    created: float = 0.0
    updated: float = 0.0
    version: int = 0

    @property
    def kind(self) -> str:
        return "group" if self.group else "individual"

    @property
    def etag(self) -> str:
        """Different for every version of every creation; without quotation marks."""
        return base64.b64encode(f"{self.created:.6f}.{self.version}".encode()).decode()

    def keys_of(self, registration: str) -> tuple[Secret, Secret]:
        """The keys of a device of this enrolment: its own, or derived from the group's (contract 12.2)."""
        if not self.group:
            return self.primary, self.secondary
        return derived_key(self.primary, registration), derived_key(self.secondary, registration)
