"""A registered identity, as the registry keeps it and as a hub checks it."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from enum import StrEnum

from hotori.model.identity import Identity, is_name
from hotori.model.secret import Secret

_SCOPE = "ms-azure-iot-edge://"


class Authentication(StrEnum):
    """How an identity shows who it is, in the contract's words (2.2)."""

    SAS = "sas"
    """By tokens, signed with one of its two keys."""
    THUMBPRINT = "selfSigned"
    """By a certificate whose SHA-1 or SHA-256 hash is registered."""
    AUTHORITY = "certificateAuthority"
    """By a certificate in its name that a registered authority vouches for."""
    NONE = "none"
    """Not by itself: it connects with a policy's token, or not at all."""


@dataclass(frozen=True, slots=True)
class Registration:
    """One device or module. `generation` is new with every (re)creation; `version` grows with every change.

    `edge` marks an edge device. `scope` and `parent_scopes` say which edge device it stands behind (IOT
    contract, 2.2). `managed_by` is "IotEdge" for modules that a deployment created. Keys are empty unless it is
    known by them; thumbprints are hex in lower case, primary first. `status_updated` is when it was last
    enabled or disabled, in Unix seconds; 0 is never.
    """

    identity: Identity
    generation: str
    primary: Secret
    secondary: Secret
    enabled: bool = True
    version: int = 1
    edge: bool = False
    scope: str | None = None
    parent_scopes: tuple[str, ...] = ()
    managed_by: str | None = None
    status_reason: str | None = None
    authentication: Authentication = Authentication.SAS
    primary_thumbprint: str | None = None
    secondary_thumbprint: str | None = None
    status_updated: float = 0.0

    @property
    def keys(self) -> tuple[Secret, ...]:
        """The keys that may have signed a token. An empty one is none: anybody could sign with it."""
        return tuple(key for key in (self.primary, self.secondary) if key)

    @property
    def thumbprints(self) -> tuple[str, ...]:
        return tuple(print_ for print_ in (self.primary_thumbprint, self.secondary_thumbprint) if print_)

    @property
    def etag(self) -> str:
        """Different for every version of every generation; without quotation marks (contract 2.2)."""
        return base64.b64encode(f"{self.generation}.{self.version}".encode()).decode()


def own_scope(device: str, generation: str) -> str:
    """What the children of an edge device name as their parent's (contract 2.2)."""
    return f"{_SCOPE}{device}-{generation}"


def device_of_scope(scope: str) -> str | None:
    """The edge device whose scope it is; None where the text is no scope."""
    device, dash, _ = scope.removeprefix(_SCOPE).rpartition("-")
    return device if dash and is_name(device) else None
