"""What a condition can ask of a message: application properties, system properties, the body."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import MappingProxyType

from hotori.model.identity import Identity
from hotori.model.json import Json
from hotori.model.message import Message, fold_names
from hotori.model.message_document import WIRE_KEYS
from hotori.routing.value import UNDEFINED, Lack, Value

_CODECS = frozenset({"utf-8", "utf-16", "utf-32"})

_STAMPED: Mapping[str, Callable[[Message], str | None]] = MappingProxyType(
    {
        "connectiondeviceid": lambda message: message.sender.device if message.sender else None,
        "connectionmoduleid": lambda message: message.sender.module if message.sender else None,
        "outputname": lambda message: message.output,
        "ack": lambda message: message.system.get("ack") or message.properties.get("iothub-ack"),
        "operation": lambda message: message.properties.get("iothub-operation"),
        "edgehuborigininterface": lambda message: _origin(message.sender),
        "enqueuedtime": lambda message: _iso(message.enqueued_at) if message.enqueued_at else None,
    }
)


class Facts:
    """One message, as conditions see it. Names are looked up in any case of letters; the body is read once."""

    __slots__ = ("_body", "message", "properties")

    def __init__(self, message: Message) -> None:
        self.message = message
        self.properties: Mapping[str, str] | None = None
        """Application properties by names in lower case, once anything asked for one."""
        self._body: Json | Lack = Lack.OBJECT

    def application_property(self, name: str) -> Value:
        """`name` is in lower case."""
        return (self.properties or self.application_properties()).get(name, UNDEFINED)

    def application_properties(self) -> Mapping[str, str]:
        """All of them, by names in lower case."""
        self.properties = fold_names(self.message.properties)
        return self.properties

    def system_property(self, name: str) -> Value:
        """`name` is in lower case, without the `$`."""
        if stamped := _STAMPED.get(name):
            value = stamped(self.message)
            return UNDEFINED if value is None else value
        key = WIRE_KEYS.get(name, name)
        if (found := self.message.system.get(key)) is not None:
            return found
        return next((value for known, value in self.message.system.items() if known.lower() == key), UNDEFINED)

    def body(self) -> Json | Lack:
        """The body as JSON; undefined where content type or encoding do not say so, or it is no object."""
        if self._body is Lack.OBJECT:
            self._body = _read_body(self.message)
        return self._body


def _read_body(message: Message) -> Json | Lack:
    media_type = (message.content_type or "").partition(";")[0].strip().lower()
    encoding = (message.content_encoding or "").strip().lower()
    if media_type != "application/json" or encoding not in _CODECS:
        return UNDEFINED
    try:
        document = json.loads(message.body.decode(encoding).removeprefix("\ufeff"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return UNDEFINED
    return document if isinstance(document, dict) else UNDEFINED


def _refuse_constant(name: str) -> Json:
    raise ValueError(f"{name} is not JSON")


def _origin(sender: Identity | None) -> str | None:
    """Modules are inside the edge device, devices behind it (contract 5.3)."""
    return None if sender is None else "internal" if sender.module else "downstream"


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
