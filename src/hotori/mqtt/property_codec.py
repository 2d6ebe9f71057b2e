"""Properties of MQTT 5 as bytes: one table says their numbers, kinds and packets [MQTT 5, 2.2.2.2]."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from hotori.mqtt.body import Body
from hotori.mqtt.packets import MAX_REMAINING, MAX_TEXT, MalformedPacketError, ProtocolBrokenError
from hotori.mqtt.properties import NO_PROPERTIES, Properties


class Place(Enum):
    """Where properties stand."""

    CONNECT = auto()
    WILL = auto()
    CONNACK = auto()
    PUBLISH = auto()
    ACKNOWLEDGEMENT = auto()
    SUBSCRIBE = auto()
    UNSUBSCRIBE = auto()
    DISCONNECT = auto()
    AUTH = auto()


@dataclass(frozen=True, slots=True)
class _Kind:
    """How a value is read and written; `several` may stand in one packet."""

    read: Callable[[Body], Any]
    write: Callable[[Any], bytes]
    several: bool = False


def encode_binary(data: bytes) -> bytes:
    """Two bytes of length, and the data. Raises ValueError where it is too long."""
    if len(data) > MAX_TEXT:
        raise ValueError(f"a field has at most {MAX_TEXT} bytes, this one {len(data)}")
    return len(data).to_bytes(2, "big") + data


def encode_text(text: str) -> bytes:
    return encode_binary(text.encode())


def encode_variable(value: int) -> bytes:
    """A variable byte integer [1.5.5]."""
    if not 0 <= value <= MAX_REMAINING:
        raise ValueError(f"{value} does not fit into a variable byte integer")
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def _flag(body: Body) -> int:
    value = body.byte()
    if value > 1:
        raise ProtocolBrokenError(f"a property that is 0 or 1 is {value}")
    return value


def _above_zero(read: Callable[[Body], int]) -> Callable[[Body], int]:
    def reader(body: Body) -> int:
        value = read(body)
        if not value:
            raise ProtocolBrokenError("a property that must not be 0 is 0")
        return value

    return reader


def _number(size: int) -> Callable[[int], bytes]:
    return lambda value: value.to_bytes(size, "big")


_FLAG = _Kind(_flag, _number(1))
_SHORT = _Kind(Body.number, _number(2))
_COUNT = _Kind(_above_zero(Body.number), _number(2))
_LONG = _Kind(Body.long, _number(4))
_SIZE = _Kind(_above_zero(Body.long), _number(4))
_TEXT = _Kind(Body.text, encode_text)
_BINARY = _Kind(Body.binary, encode_binary)
_VARIABLE = _Kind(_above_zero(Body.variable), encode_variable, several=True)
_PAIR = _Kind(
    lambda body: (body.text(), body.text()), lambda pair: encode_text(pair[0]) + encode_text(pair[1]), several=True
)

_MESSAGE = (Place.PUBLISH, Place.WILL)
_BOTH = (Place.CONNECT, Place.CONNACK)
_AUTH = (Place.CONNECT, Place.CONNACK, Place.AUTH)
_TABLE: dict[int, tuple[str, _Kind, tuple[Place, ...]]] = {
    0x01: ("payload_format", _FLAG, _MESSAGE),
    0x02: ("message_expiry", _LONG, _MESSAGE),
    0x03: ("content_type", _TEXT, _MESSAGE),
    0x08: ("response_topic", _TEXT, _MESSAGE),
    0x09: ("correlation_data", _BINARY, _MESSAGE),
    0x0B: ("subscription_ids", _VARIABLE, (Place.PUBLISH, Place.SUBSCRIBE)),
    0x11: ("session_expiry", _LONG, (*_BOTH, Place.DISCONNECT)),
    0x12: ("assigned_client_id", _TEXT, (Place.CONNACK,)),
    0x13: ("server_keep_alive", _SHORT, (Place.CONNACK,)),
    0x15: ("authentication_method", _TEXT, _AUTH),
    0x16: ("authentication_data", _BINARY, _AUTH),
    0x17: ("request_problem", _FLAG, (Place.CONNECT,)),
    0x18: ("will_delay", _LONG, (Place.WILL,)),
    0x19: ("request_response", _FLAG, (Place.CONNECT,)),
    0x1A: ("response_information", _TEXT, (Place.CONNACK,)),
    0x1C: ("server_reference", _TEXT, (Place.CONNACK, Place.DISCONNECT)),
    0x1F: ("reason", _TEXT, (Place.CONNACK, Place.ACKNOWLEDGEMENT, Place.DISCONNECT, Place.AUTH)),
    0x21: ("receive_maximum", _COUNT, _BOTH),
    0x22: ("topic_alias_maximum", _SHORT, _BOTH),
    0x23: ("topic_alias", _COUNT, (Place.PUBLISH,)),
    0x24: ("maximum_qos", _FLAG, (Place.CONNACK,)),
    0x25: ("retain_available", _FLAG, (Place.CONNACK,)),
    0x26: ("user", _PAIR, tuple(Place)),
    0x27: ("maximum_packet_size", _SIZE, _BOTH),
    0x28: ("wildcard_available", _FLAG, (Place.CONNACK,)),
    0x29: ("subscription_ids_available", _FLAG, (Place.CONNACK,)),
    0x2A: ("shared_available", _FLAG, (Place.CONNACK,)),
}


def read_properties(body: Body, place: Place) -> Properties:
    """Raises MalformedPacketError for what does not belong here, and ProtocolBrokenError for what stands twice."""
    length = body.variable()
    if not length:
        return NO_PROPERTIES
    part = body.part(length)
    values: dict[str, Any] = {}
    while part:
        number = part.variable()
        if number not in _TABLE or place not in _TABLE[number][2]:
            raise MalformedPacketError(f"property {number:#04x} does not belong to this packet [2.2.2.2]")
        name, kind, _ = _TABLE[number]
        value = kind.read(part)
        if kind.several:
            values.setdefault(name, []).append(value)
        elif name in values:
            raise ProtocolBrokenError(f"property {number:#04x} stands twice [2.2.2.2]")
        else:
            values[name] = value
    fields: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in values.items()
    }
    return Properties(**fields)


def encode_properties(properties: Properties) -> bytes:
    """The properties with their length; where they may stand is the caller's to know."""
    if properties is NO_PROPERTIES:
        return b"\0"
    parts = []
    for number, (name, kind, _) in _TABLE.items():
        value = getattr(properties, name)
        head = bytes((number,))
        if kind.several:
            parts += [head + kind.write(one) for one in value]
        elif value is not None:
            parts.append(head + kind.write(value))
    content = b"".join(parts)
    return encode_variable(len(content)) + content
