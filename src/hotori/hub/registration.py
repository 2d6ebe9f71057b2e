"""A registered identity, as the registry keeps it and as a hub checks it."""

from __future__ import annotations

import base64
from dataclasses import dataclass

from hotori.model.identity import Identity, is_name
from hotori.model.secret import Secret

_SCOPE = "ms-azure-iot-edge://"


@dataclass(frozen=True, slots=True)
class Registration:
    """One device or module. `generation` is new with every (re)creation; `version` grows with every change.

    `edge` marks an edge device. `scope` and `parent_scopes` say which edge device it stands behind (IOT
    contract, 2.2). `managed_by` is "IotEdge" for modules that a deployment created.
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

    @property
    def keys(self) -> tuple[Secret, ...]:
        """The keys that may have signed a token. An empty one is none: anybody could sign with it."""
        return tuple(key for key in (self.primary, self.secondary) if key)

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
