"""Packets of MQTT 5 to bytes. What the standard forbids raises ValueError."""

from __future__ import annotations

from hotori.mqtt.encoder import PINGREQ, PINGRESP
from hotori.mqtt.packets import Connect, Pingreq, Pingresp, Will
from hotori.mqtt.packets5 import (
    LEVEL_5,
    Auth5,
    Connack5,
    Disconnect5,
    Packet5,
    Puback5,
    Pubcomp5,
    Publish5,
    Pubrec5,
    Pubrel5,
    Suback5,
    Subscribe5,
    Unsuback5,
    Unsubscribe5,
    Wish,
)
from hotori.mqtt.properties import NO_PROPERTIES, Properties
from hotori.mqtt.property_codec import encode_binary, encode_properties, encode_text, encode_variable


def encode5(packet: Packet5) -> bytes:
    """The packet's bytes."""
    first, body = _parts(packet)
    return bytes((first,)) + encode_variable(len(body)) + body


def _parts(packet: Packet5) -> tuple[int, bytes]:
    match packet:
        case Publish5():
            return _publish(packet)
        case Puback5() | Pubrec5() | Pubrel5() | Pubcomp5():
            return _FIRST[type(packet)], _id(packet.packet_id) + _ending(packet.reason, packet.properties)
        case Suback5() | Unsuback5():
            head = _id(packet.packet_id) + encode_properties(packet.properties)
            return _FIRST[type(packet)], head + bytes(packet.reasons)
        case Subscribe5():
            head = _id(packet.packet_id) + encode_properties(packet.properties)
            return 0x82, head + b"".join(map(_wish, packet.wishes))
        case Unsubscribe5():
            head = _id(packet.packet_id) + encode_properties(packet.properties)
            return 0xA2, head + b"".join(map(encode_text, packet.filters))
        case Connack5():
            return 0x20, bytes((packet.session_present, packet.reason)) + encode_properties(packet.properties)
        case Disconnect5() | Auth5():
            return _FIRST[type(packet)], _ending(packet.reason, packet.properties)
        case Connect():
            return 0x10, _connect(packet)
        case Pingreq() | Pingresp():
            return (PINGREQ if isinstance(packet, Pingreq) else PINGRESP)[0], b""


_FIRST: dict[type, int] = {
    Puback5: 0x40,
    Pubrec5: 0x50,
    Pubrel5: 0x62,
    Pubcomp5: 0x70,
    Suback5: 0x90,
    Unsuback5: 0xB0,
    Disconnect5: 0xE0,
    Auth5: 0xF0,
}


def _ending(reason: int, properties: Properties) -> bytes:
    """Both are left out where all is well, properties where there are none [3.4.2.1]."""
    if properties is not NO_PROPERTIES and properties != NO_PROPERTIES:
        return bytes((reason,)) + encode_properties(properties)
    return bytes((reason,)) if reason else b""


def _id(packet_id: int) -> bytes:
    if not packet_id:
        raise ValueError("a packet needs an id")
    return packet_id.to_bytes(2, "big")


def _publish(packet: Publish5) -> tuple[int, bytes]:
    first = 0x30 | packet.qos << 1 | packet.retain | packet.dup << 3
    head = encode_text(packet.topic) + (_id(packet.packet_id) if packet.qos else b"")
    return first, head + encode_properties(packet.properties) + packet.payload


def _wish(wish: Wish) -> bytes:
    options = wish.qos | wish.no_local << 2 | wish.retain_as_published << 3 | wish.retain_handling << 4
    return encode_text(wish.topic_filter) + bytes((options,))


def _connect(packet: Connect) -> bytes:
    flags = packet.clean_session << 1 | (packet.username is not None) << 7 | (packet.password is not None) << 6
    fields = [encode_text(packet.client_id)]
    if packet.will is not None:
        flags |= 0x04 | packet.will.qos << 3 | packet.will.retain << 5
        fields += _will(packet.will)
    if packet.username is not None:
        fields.append(encode_text(packet.username))
    if packet.password is not None:
        fields.append(encode_binary(packet.password))
    head = encode_text("MQTT") + bytes((LEVEL_5, flags)) + packet.keep_alive.to_bytes(2, "big")
    return head + encode_properties(packet.properties) + b"".join(fields)


def _will(will: Will) -> tuple[bytes, ...]:
    return encode_properties(will.properties), encode_text(will.topic), encode_binary(will.payload)
