"""A registered device or module, as the registry shows it to those who manage it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hotori.model.connection_string import IdentityConnection
from hotori.model.identity import Identity
from hotori.model.json import JsonObject
from hotori.model.secret import Secret


@dataclass(frozen=True, slots=True)
class DeviceView:
    """`hub` is the name for connection strings; `document` the registry's own, which holds the keys."""

    hub: str
    document: JsonObject = field(repr=False)

    @property
    def identity(self) -> Identity:
        module = self.document.get("moduleId")
        return Identity(str(self.document["deviceId"]), str(module) if module else None)

    @property
    def name(self) -> str:
        """The device's name, or the module's."""
        return self.identity.module or self.identity.device

    @property
    def edge(self) -> bool:
        """Whether it is an edge device."""
        capabilities: Any = self.document.get("capabilities") or {}
        return bool(capabilities.get("iotEdge"))

    @property
    def connected(self) -> bool:
        return self.document.get("connectionState") == "Connected"

    @property
    def enabled(self) -> bool:
        return self.document.get("status", "enabled") == "enabled"

    @property
    def managed_by(self) -> str | None:
        """`IotEdge` for a module that a deployment made."""
        value = self.document.get("managedBy")
        return str(value) if value else None

    @property
    def scope(self) -> str | None:
        """The scope that devices behind this one are given."""
        value = self.document.get("deviceScope")
        return str(value) if value else None

    @property
    def key(self) -> Secret:
        """The primary key, in base64; empty where it shows a certificate instead."""
        authentication: Any = self.document["authentication"]
        return Secret(authentication["symmetricKey"]["primaryKey"] or "")

    @property
    def connection_string(self) -> Secret:
        """What the device needs to connect; besides its certificate, where it has one instead of a key."""
        return Secret(IdentityConnection(self.hub, self.identity, self.key).format())
