"""What is kept of one device: which configurations it has, and what it had before the first of them."""

from __future__ import annotations

from typing import Any

import msgspec

from hotori.model.json import JsonObject

EMPTY: JsonObject = {
    "$edgeAgent": {
        "properties.desired": {
            "schemaVersion": "1.1",
            "runtime": {"type": "docker", "settings": {}},
            "systemModules": {},
            "modules": {},
        }
    },
    "$edgeHub": {"properties.desired": {"schemaVersion": "1.1", "routes": {}}},
}
"""The modules of a device that never had any."""


class DeviceState(msgspec.Struct, frozen=True, omit_defaults=True):
    """`before` is modulesContent; a rollback to nothing else brings it back."""

    applied: tuple[str, ...] = ()
    before: dict[str, Any] | None = None

    def encode(self) -> bytes:
        return msgspec.json.encode(self)

    @classmethod
    def decode(cls, data: bytes) -> DeviceState:
        return msgspec.json.decode(data, type=cls)


def snapshot(desired: dict[str, JsonObject]) -> JsonObject:
    """The modules of a device as they stand, as content that can be applied again."""
    if "modules" not in desired.get("$edgeAgent", {}):
        return EMPTY
    return {name: {"properties.desired": values} for name, values in desired.items()}
