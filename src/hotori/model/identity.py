"""Who speaks: a device, or a module on a device."""

from __future__ import annotations

import re

import msgspec

from hotori.problems import Problem
from hotori.problems.identity import NAME_INVALID

EDGE_AGENT = "$edgeAgent"
EDGE_HUB = "$edgeHub"

# `#` and `+` are legal in the registry we are compatible with, but mean wildcards in MQTT topics: refused here.
_NAME = re.compile(r"[A-Za-z0-9\-:.%_*?!(),=@;$']{1,128}")


def is_name(text: str) -> bool:
    """Whether a device or module may have this name."""
    return _NAME.fullmatch(text) is not None


def check_name(name: str) -> str:
    """The name, if a device or module may have it; else the problem `name-invalid`."""
    if not is_name(name):
        raise Problem(NAME_INVALID, name=name)
    return name


class Identity(msgspec.Struct, frozen=True, order=True, cache_hash=True):
    """A device (`edge-1`) or a module on it (`edge-1/camera`). Names are case-sensitive."""

    device: str
    module: str | None = None

    def __post_init__(self) -> None:
        check_name(self.device)
        if self.module is not None:
            check_name(self.module)

    @classmethod
    def parse(cls, text: str) -> Identity:
        """Read `device` or `device/module`, the form of MQTT client ids."""
        device, slash, module = text.partition("/")
        return cls(device, module if slash else None)

    def __str__(self) -> str:
        return self.device if self.module is None else f"{self.device}/{self.module}"

    def parent(self) -> Identity:
        """The device that a module is on; a device is its own."""
        return Identity(self.device)

    def path(self) -> str:
        """The resource path below the hub's name: `devices/d` or `devices/d/modules/m` (not encoded)."""
        return f"devices/{self.device}" + (f"/modules/{self.module}" if self.module else "")
