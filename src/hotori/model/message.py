"""A message: opaque bytes with properties, from one identity."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import msgspec

from hotori.model.identity import Identity

MAX_SIZE = 262_144
"""The largest message, in bytes, properties included (IOT contract, 1.9)."""

TRACEPARENT = "traceparent"
"""The application property that carries a W3C trace context."""

_NONE: Mapping[str, str] = MappingProxyType({})


class CaseFolded:
    """Properties that can be asked by their names in lower case, as conditions do."""

    __slots__ = ()

    def find(self, name: str) -> str | None:
        """The value of a name in lower case."""
        raise NotImplementedError

    def folded(self) -> Mapping[str, str]:
        """All of them by their names in lower case."""
        raise NotImplementedError


def fold_names(properties: Mapping[str, str]) -> Mapping[str, str]:
    """The properties by their names in lower case."""
    if isinstance(properties, CaseFolded):
        return properties.folded()
    return {name.lower(): value for name, value in properties.items()}


def finder(properties: Mapping[str, str]) -> Callable[[str], str | None]:
    """What finds a value by its name in lower case."""
    return properties.find if isinstance(properties, CaseFolded) else fold_names(properties).get


class Message(msgspec.Struct, frozen=True, gc=False):
    """What a module or device says.

    `properties` are the sender's own; `system` holds what the contract names, by its wire key without the
    leading `$.` (`mid`, `cid`, `uid`, `ct`, `ce`, `to`, …). `sender` is stamped by the hub, never believed
    from the wire; `output` is the module output it left by, `enqueued_at` (Unix seconds) when it became
    durable. A property without a value is an empty text. A struct, since a hub makes one for every message (0.2 us;
    a frozen dataclass takes 2.4); `msgspec.structs.replace` makes a changed one.
    """

    body: bytes
    properties: Mapping[str, str] = _NONE
    system: Mapping[str, str] = _NONE
    sender: Identity | None = None
    output: str | None = None
    enqueued_at: float = 0.0

    @property
    def content_type(self) -> str | None:
        return self.system.get("ct")

    @property
    def content_encoding(self) -> str | None:
        return self.system.get("ce")

    @property
    def message_id(self) -> str | None:
        return self.system.get("mid")

    def size(self) -> int:
        """Bytes that count towards `MAX_SIZE`."""
        texts = (*self.properties.items(), *self.system.items())
        return len(self.body) + sum(len(name.encode()) + len(value.encode()) for name, value in texts)
