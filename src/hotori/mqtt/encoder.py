"""Packets to bytes.

`encode` takes any packet; `encode_publish`, `encode_publishes` and `encode_pubacks` are the same work without packets
in between, for those who send many. The values are the program's own: what the standard forbids raises ValueError.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import Any

from hotori.mqtt.packets import (
    MAX_REMAINING,
    MAX_TEXT,
    Connack,
    Connect,
    Disconnect,
    Packet,
    Pingreq,
    Pingresp,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
    Suback,
    Subscribe,
    Unsuback,
    Unsubscribe,
    Will,
)

_HEAD = struct.Struct(">BBBH")
_PUBACK = 0x4002_0000
PINGREQ = b"\xc0\x00"
PINGRESP = b"\xd0\x00"
DISCONNECT = b"\xe0\x00"


def encode(packet: Packet) -> bytes:
    """The packet's bytes."""
    return _ENCODERS[type(packet)](packet)


def encode_puback(packet_id: int) -> bytes:
    return b"\x40\x02" + packet_id.to_bytes(2, "big")


def encode_pubacks(packet_ids: Sequence[int]) -> bytes:
    """Many at once, in this order."""
    return struct.pack(f">{len(packet_ids)}I", *[_PUBACK | packet_id for packet_id in packet_ids])


def encode_publish(
    topic: str, payload: bytes, qos: int = 0, packet_id: int = 0, retain: bool = False, dup: bool = False
) -> bytes:
    """The bytes of a PUBLISH; the id is left out at QoS 0 [2.3.1-5]."""
    name = topic.encode()
    size = len(name)
    if not 0 < size <= MAX_TEXT:
        raise ValueError(f"a topic has 1 to {MAX_TEXT} bytes, this one {size}")
    first = 0x30 | qos << 1 | retain | dup << 3
    if not qos:
        length = 2 + len(name) + len(payload)
        return b"%c%b%b%b%b" % (first, _length(length), len(name).to_bytes(2, "big"), name, payload)
    if not packet_id:
        raise ValueError("a message of QoS 1 needs a packet id")
    length = 4 + len(name) + len(payload)
    head = len(name).to_bytes(2, "big")
    return b"%c%b%b%b%b%b" % (first, _length(length), head, name, packet_id.to_bytes(2, "big"), payload)


def encode_publishes(
    topics: Sequence[bytes], payloads: Sequence[bytes], packet_ids: Sequence[int], again: Sequence[bool]
) -> bytes:
    """The bytes of many in this order: at QoS 1 those with a packet id, at QoS 0 those with 0.

    No topic may be empty, or longer than `MAX_TEXT`.
    """
    parts: list[bytes] = []
    for topic, payload, packet_id, dup in zip(topics, payloads, packet_ids, again, strict=True):
        size = len(topic)
        length = 4 + size + len(payload)
        if 0x7F < length < 0x4000 and packet_id:
            parts.append(_HEAD.pack(0x3A if dup else 0x32, length & 0x7F | 0x80, length >> 7, size))
            parts += (topic, packet_id.to_bytes(2, "big"), payload)
        else:
            parts.append(encode_publish(topic.decode(), payload, 1 if packet_id else 0, packet_id, dup=dup))
    return b"".join(parts)


_SHORT_LENGTHS = tuple(bytes((length,)) for length in range(0x80))


def _length(length: int) -> bytes:
    """The remaining length: seven bits a byte, lowest first, the top bit says that more follow [2.2.3]."""
    if length < 0x80:
        return _SHORT_LENGTHS[length]
    if length < 0x4000:
        return bytes((length & 0x7F | 0x80, length >> 7))
    if length > MAX_REMAINING:
        raise ValueError(f"a packet has at most {MAX_REMAINING} bytes, this one {length}")
    encoded = bytearray()
    while length > 0x7F:
        encoded.append(length & 0x7F | 0x80)
        length >>= 7
    encoded.append(length)
    return bytes(encoded)


def _packet(first: int, body: bytes) -> bytes:
    return bytes((first,)) + _length(len(body)) + body


def _binary(data: bytes) -> bytes:
    if len(data) > MAX_TEXT:
        raise ValueError(f"a field has at most {MAX_TEXT} bytes, this one {len(data)}")
    return len(data).to_bytes(2, "big") + data


def _text(text: str) -> bytes:
    return _binary(text.encode())


def _connect(packet: Connect) -> bytes:
    flags = packet.clean_session << 1 | (packet.username is not None) << 7 | (packet.password is not None) << 6
    fields = [_text(packet.client_id)]
    if packet.will is not None:
        flags |= _will_flags(packet.will)
        fields += [_text(packet.will.topic), _binary(packet.will.payload)]
    if packet.username is not None:
        fields.append(_text(packet.username))
    if packet.password is not None:
        fields.append(_binary(packet.password))
    head = _text("MQTT") + bytes((packet.level, flags)) + packet.keep_alive.to_bytes(2, "big")
    return _packet(0x10, head + b"".join(fields))


def _will_flags(will: Will) -> int:
    return 0x04 | will.qos << 3 | will.retain << 5


def _connack(packet: Connack) -> bytes:
    return bytes((0x20, 2, packet.session_present, packet.code))


def _subscribe(packet: Subscribe) -> bytes:
    filters = b"".join(_text(text) + bytes((qos,)) for text, qos in packet.filters)
    return _packet(0x82, packet.packet_id.to_bytes(2, "big") + filters)


def _suback(packet: Suback) -> bytes:
    return _packet(0x90, packet.packet_id.to_bytes(2, "big") + bytes(packet.codes))


def _unsubscribe(packet: Unsubscribe) -> bytes:
    return _packet(0xA2, packet.packet_id.to_bytes(2, "big") + b"".join(map(_text, packet.filters)))


def _only_id(first: int) -> Callable[[Any], bytes]:
    head = bytes((first, 2))
    return lambda packet: head + packet.packet_id.to_bytes(2, "big")


def _constant(data: bytes) -> Callable[[Any], bytes]:
    return lambda _: data


_ENCODERS: dict[type, Callable[[Any], bytes]] = {
    Connect: _connect,
    Connack: _connack,
    Publish: lambda packet: encode_publish(*packet),
    Puback: lambda packet: encode_puback(*packet),
    Pubrec: _only_id(0x50),
    Pubrel: _only_id(0x62),
    Pubcomp: _only_id(0x70),
    Subscribe: _subscribe,
    Suback: _suback,
    Unsubscribe: _unsubscribe,
    Unsuback: _only_id(0xB0),
    Pingreq: _constant(PINGREQ),
    Pingresp: _constant(PINGRESP),
    Disconnect: _constant(DISCONNECT),
}
