"""The cloud's own keys and passwords: made once, kept in a file that only its owner reads."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path

from hotori.model.secret import Secret
from hotori.sdk.connection_file import read_document, write_private

Chance = Callable[[int], bytes]
"""So many random bytes."""


@dataclass(frozen=True, slots=True)
class CloudCredentials:
    """What opens the cloud's doors besides the hub's policies."""

    storage_key: Secret
    """64 bytes in base64, as storage accounts have."""
    registry_password: Secret
    vision_training_key: Secret
    vision_prediction_key: Secret
    portal_password: Secret
    portal_signing_key: Secret

    @classmethod
    def make(cls, chance: Chance) -> CloudCredentials:
        return cls(
            storage_key=Secret(base64.b64encode(chance(64)).decode()),
            registry_password=Secret(_readable(chance(15))),
            vision_training_key=Secret(chance(16).hex()),
            vision_prediction_key=Secret(chance(16).hex()),
            portal_password=Secret(_readable(chance(12))),
            portal_signing_key=Secret(chance(32).hex()),
        )

    @classmethod
    def open(cls, path: Path, chance: Chance) -> CloudCredentials:
        """Read the file, or make it on first use."""
        if path.exists():
            document = read_document(path)
            return cls(**{field.name: Secret(document[field.name]) for field in fields(cls)})
        made = cls.make(chance)
        write_private(path, {field.name: getattr(made, field.name).reveal() for field in fields(cls)})
        return made


def _readable(random: bytes) -> str:
    return base64.b32encode(random).decode().rstrip("=").lower()
