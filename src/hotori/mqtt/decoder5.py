"""Bytes to packets of MQTT 5. Like the decoder for 3.1.1, it judges no order and no names."""

from __future__ import annotations

from typing import TypeVar

from hotori.mqtt.body import Body, read_topic
from hotori.mqtt.decoder import Cutter, Reader, check_connect_flags, malformed, read_level
from hotori.mqtt.packets import (
    Connect,
    MalformedPacketError,
    Pingreq,
    Pingresp,
    ProtocolBrokenError,
    Will,
)
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
from hotori.mqtt.properties import NO_PROPERTIES
from hotori.mqtt.property_codec import Place, read_properties


def _connect(_: int, data: bytes, start: int, end: int) -> Packet5:
    body = Body(data, start, end)
    level = read_level(body)
    if level != LEVEL_5:
        return Connect("", level=level)
    flags, keep_alive = body.byte(), body.number()
    check_connect_flags(flags & ~0x40)  # a password without a user name is allowed here
    properties = read_properties(body, Place.CONNECT)
    if properties.authentication_data is not None and properties.authentication_method is None:
        raise ProtocolBrokenError("authentication data without its method [3.1.2.11.10]")
    packet = Connect(
        client_id=body.text(),
        will=_will(flags, body) if flags & 0x04 else None,
        username=body.text() if flags & 0x80 else None,
        password=body.binary() if flags & 0x40 else None,
        clean_session=bool(flags & 0x02),
        keep_alive=keep_alive,
        level=LEVEL_5,
        properties=properties,
    )
    body.finish()
    return packet


def _will(flags: int, body: Body) -> Will:
    properties = read_properties(body, Place.WILL)
    topic = read_topic(body.binary())
    return Will(topic, body.binary(), flags >> 3 & 3, bool(flags & 0x20), properties)


def _connack(_: int, data: bytes, start: int, end: int) -> Packet5:
    body = Body(data, start, end)
    flags, reason = body.byte(), body.byte()
    properties = read_properties(body, Place.CONNACK)
    body.finish()
    if flags > 1:
        raise MalformedPacketError("reserved flags of CONNACK are set [3.2.2.1]")
    return Connack5(bool(flags), reason, properties)


def _publish(first: int, data: bytes, start: int, end: int) -> Packet5:
    body = Body(data, start, end)
    name, qos = body.binary(), first >> 1 & 3
    packet_id = body.packet_id() if qos else 0
    properties = read_properties(body, Place.PUBLISH)
    if not name and properties.topic_alias is None:
        raise ProtocolBrokenError("a PUBLISH has neither topic nor alias [3.3.2.1]")
    topic = read_topic(name) if name else ""
    return Publish5(topic, body.rest(), qos, packet_id, first & 1 == 1, first & 8 == 8, properties)


def _subscribe(_: int, data: bytes, start: int, end: int) -> Packet5:
    body = Body(data, start, end)
    packet_id, properties = body.packet_id(), read_properties(body, Place.SUBSCRIBE)
    if len(properties.subscription_ids) > 1:
        raise ProtocolBrokenError("SUBSCRIBE has two subscription identifiers [3.8.2.1.2]")
    wishes = []
    while body:
        wishes.append(_wish(body.filter(), body.byte()))
    if not wishes:
        raise ProtocolBrokenError("SUBSCRIBE names no topic [3.8.3-2]")
    return Subscribe5(packet_id, tuple(wishes), properties)


def _wish(topic_filter: str, options: int) -> Wish:
    qos, handling = options & 3, options >> 4 & 3
    if options & 0xC0:
        raise MalformedPacketError("reserved bits of a subscription are set [3.8.3-5]")
    if qos == 3 or handling == 3:
        raise ProtocolBrokenError("a subscription has options that do not exist [3.8.3.1]")
    return Wish(topic_filter, qos, bool(options & 4), bool(options & 8), handling)


def _unsubscribe(_: int, data: bytes, start: int, end: int) -> Packet5:
    body = Body(data, start, end)
    packet_id, properties = body.packet_id(), read_properties(body, Place.UNSUBSCRIBE)
    filters = []
    while body:
        filters.append(body.filter())
    if not filters:
        raise ProtocolBrokenError("UNSUBSCRIBE names no topic [3.10.3-2]")
    return Unsubscribe5(packet_id, tuple(filters), properties)


_Acknowledgement = TypeVar("_Acknowledgement", Puback5, Pubrec5, Pubrel5, Pubcomp5)


def _acknowledgement(kind: type[_Acknowledgement]) -> Reader[Packet5]:
    """Reason and properties may be left out where all is well [3.4.2.1]."""

    def read(_: int, data: bytes, start: int, end: int) -> Packet5:
        body = Body(data, start, end)
        packet_id = body.packet_id()
        reason = body.byte() if body else 0
        properties = read_properties(body, Place.ACKNOWLEDGEMENT) if body else NO_PROPERTIES
        body.finish()
        return kind(packet_id, reason, properties)

    return read


_Answer = TypeVar("_Answer", Suback5, Unsuback5)


def _answer(kind: type[_Answer]) -> Reader[Packet5]:
    def read(_: int, data: bytes, start: int, end: int) -> Packet5:
        body = Body(data, start, end)
        packet_id, properties = body.packet_id(), read_properties(body, Place.ACKNOWLEDGEMENT)
        return kind(packet_id, tuple(body.rest()), properties)

    return read


_Last = TypeVar("_Last", Disconnect5, Auth5)


def _last(kind: type[_Last], place: Place) -> Reader[Packet5]:
    def read(_: int, data: bytes, start: int, end: int) -> Packet5:
        body = Body(data, start, end)
        reason = body.byte() if body else 0
        properties = read_properties(body, place) if body else NO_PROPERTIES
        body.finish()
        return kind(reason, properties)

    return read


def _empty(packet: Pingreq | Pingresp) -> Reader[Packet5]:
    def read(_: int, data: bytes, start: int, end: int) -> Packet5:
        Body(data, start, end).finish()
        return packet

    return read


def _readers() -> tuple[Reader[Packet5], ...]:
    by_first: dict[int, Reader[Packet5]] = {
        0x10: _connect,
        0x20: _connack,
        0x40: _acknowledgement(Puback5),
        0x50: _acknowledgement(Pubrec5),
        0x62: _acknowledgement(Pubrel5),
        0x70: _acknowledgement(Pubcomp5),
        0x82: _subscribe,
        0x90: _answer(Suback5),
        0xA2: _unsubscribe,
        0xB0: _answer(Unsuback5),
        0xC0: _empty(Pingreq()),
        0xD0: _empty(Pingresp()),
        0xE0: _last(Disconnect5, Place.DISCONNECT),
        0xF0: _last(Auth5, Place.AUTH),
    }
    # DUP only above QoS 0 [3.3.1-2]; QoS 3 does not exist [3.3.1-4].
    by_first |= {first: _publish for first in range(0x30, 0x40) if first & 0x06 != 0x06 and first & 0x0E != 0x08}
    return tuple(by_first.get(first, malformed) for first in range(256))


_READERS = _readers()


class Decoder5(Cutter[Packet5]):
    """Cuts a stream of MQTT 5."""

    def __init__(self, max_packet: int) -> None:
        super().__init__(max_packet, _READERS)
