"""Bytes to packets.

A `Decoder` takes whatever a socket gave, in pieces of any size, and returns the packets that are complete. It
will not judge an order of packets, nor who may publish where.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, NoReturn, TypeAlias, TypeVar

from hotori.mqtt.body import Body, read_topic
from hotori.mqtt.packets import (
    PROTOCOL_LEVEL,
    SUBSCRIPTION_FAILED,
    Connack,
    Connect,
    Disconnect,
    MalformedPacketError,
    Packet,
    PacketTooLargeError,
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

_P = TypeVar("_P")
_new = tuple.__new__
Reader: TypeAlias = Callable[[int, bytes, int, int], _P]
"""Reads one packet from its first byte, the buffer, and where its body starts and ends."""


class Cutter(Generic[_P]):
    """Cuts a stream into packets. `max_packet` is the largest body it takes, in bytes after the fixed header.

    `readers` are those of one version of MQTT: one for every first byte, which holds the kind and the flags.
    """

    __slots__ = ("_max_packet", "_needed", "_readers", "_rest")

    def __init__(self, max_packet: int, readers: tuple[Reader[_P], ...]) -> None:
        self._max_packet = max_packet
        self._readers = readers
        self._rest = bytearray()
        self._needed = 0

    def feed(self, data: bytes) -> list[_P]:
        """The packets that are complete with this piece, in order.

        Raises MalformedPacketError as soon as a packet cannot become a good one; the decoder is of no use then.
        """
        if self._rest:
            data = self._joined(data)
        packets: list[_P] = []
        readers, largest = self._readers, self._max_packet
        position, size = 0, len(data)
        while size - position >= 2:
            first, length, start = data[position], data[position + 1], position + 2
            read = readers[first]
            if length > 0x7F:
                if start < size and (high := data[start]) < 0x80:  # what most messages have: two bytes of length
                    length += (high - 1) << 7
                    start += 1
                else:
                    length, start = long_length(data, position + 1)
            if length > largest:
                raise PacketTooLargeError(f"a packet of {length} bytes is larger than {largest}")
            end = start + length
            if end > size:
                break
            packets.append(read(first, data, start, end))
            position = end
        if position < size:
            self._keep(data, position)
        return packets

    def _joined(self, data: bytes) -> bytes:
        """What was put aside, with this piece; nothing as long as its packet is not complete."""
        self._rest += data
        if len(self._rest) < self._needed:
            return b""
        data = bytes(self._rest)
        self._rest.clear()
        return data

    def _keep(self, data: bytes, position: int) -> None:
        """Put an unfinished packet aside, and note how many bytes it needs at least."""
        if self._readers[data[position]] is malformed:
            malformed(data[position], data, position, position)
        self._rest += data[position:]
        self._needed = 2
        if len(self._rest) >= 2:
            length, start = long_length(self._rest, 1)
            self._needed = start + length


def long_length(data: bytes | bytearray, position: int) -> tuple[int, int]:
    """The remaining length and where the body starts; a length that is not all there counts as one byte more."""
    length = 0
    for shift in (0, 7, 14, 21):
        if position >= len(data):
            return 0, position + 1
        byte = data[position]
        position += 1
        length |= (byte & 0x7F) << shift
        if byte < 0x80:
            return length, position
    raise MalformedPacketError("the remaining length has more than four bytes [2.2.3]")


def _publish(first: int, data: bytes, start: int, end: int) -> Packet:
    """QoS 1 or 2: topic, packet id, payload."""
    name = start + 2
    body = name + (data[start] << 8 | data[start + 1]) if name < end else end
    after = body + 2
    if after > end:
        raise MalformedPacketError("a PUBLISH ends before its packet id")
    packet_id = data[body] << 8 | data[body + 1]
    if not packet_id:
        raise MalformedPacketError("a PUBLISH has packet id 0 [2.3.1-1]")
    topic = read_topic(data[name:body])
    if first == 0x32:  # what most messages are: QoS 1, for the first time
        return _new(Publish, (topic, data[after:end], 1, packet_id, False, False))
    return _new(Publish, (topic, data[after:end], first >> 1 & 3, packet_id, first & 1 == 1, first & 8 == 8))


def _publish_unacknowledged(first: int, data: bytes, start: int, end: int) -> Packet:
    """QoS 0: topic, payload."""
    name = start + 2
    body = name + (data[start] << 8 | data[start + 1]) if name < end else end + 1
    if body > end:
        raise MalformedPacketError("a PUBLISH ends before its topic does")
    return tuple.__new__(Publish, (read_topic(data[name:body]), data[body:end], 0, 0, first & 1 == 1, False))


def _puback(_: int, data: bytes, start: int, end: int) -> Packet:
    if end - start != 2 or not (packet_id := data[start] << 8 | data[start + 1]):
        return Puback(_only_id(data, start, end))
    return _new(Puback, (packet_id,))


def _only_id(data: bytes, start: int, end: int) -> int:
    packet_id = data[start] << 8 | data[start + 1] if end - start == 2 else 0
    if not packet_id:
        raise MalformedPacketError("an acknowledgement is two bytes, a packet id that is not 0 [2.3.1-1]")
    return packet_id


def read_level(body: Body) -> int:
    """The version of MQTT that a CONNECT asks for: 4 is 3.1.1, and 5 is 5."""
    name, level = body.text(), body.byte()
    if name not in ("MQTT", "MQIsdp"):
        raise MalformedPacketError("this is not MQTT [3.1.2-1]")
    return level if name == "MQTT" else 3


def _connect(_: int, data: bytes, start: int, end: int) -> Packet:
    body = Body(data, start, end)
    level = read_level(body)
    if level != PROTOCOL_LEVEL:
        return Connect("", level=level)
    flags, keep_alive = body.byte(), body.number()
    check_connect_flags(flags)
    packet = Connect(
        client_id=body.text(),
        will=_will(flags, body) if flags & 0x04 else None,
        username=body.text() if flags & 0x80 else None,
        password=body.binary() if flags & 0x40 else None,
        clean_session=bool(flags & 0x02),
        keep_alive=keep_alive,
    )
    body.finish()
    return packet


def check_connect_flags(flags: int) -> None:
    if flags & 0x01:
        raise MalformedPacketError("the reserved flag of CONNECT is set [3.1.2-3]")
    if not flags & 0x04 and flags & 0x38:
        raise MalformedPacketError("CONNECT tells how to send a will that it has not [3.1.2-11]")
    if flags & 0x18 == 0x18:
        raise MalformedPacketError("3 is no quality of service [3.1.2-14]")
    if flags & 0xC0 == 0x40:
        raise MalformedPacketError("CONNECT has a password and no user name [3.1.2-22]")


def _will(flags: int, body: Body) -> Will:
    topic = read_topic(body.binary())
    return Will(topic, body.binary(), flags >> 3 & 3, bool(flags & 0x20))


def _connack(_: int, data: bytes, start: int, end: int) -> Packet:
    body = Body(data, start, end)
    flags, code = body.byte(), body.byte()
    body.finish()
    if flags > 1:
        raise MalformedPacketError("reserved flags of CONNACK are set [3.2.2.1]")
    return Connack(bool(flags), code)


def _subscribe(_: int, data: bytes, start: int, end: int) -> Packet:
    body = Body(data, start, end)
    packet_id = body.packet_id()
    filters = []
    while body:
        filters.append((body.filter(), body.qos()))
    if not filters:
        raise MalformedPacketError("SUBSCRIBE names no topic [3.8.3-3]")
    return Subscribe(packet_id, tuple(filters))


def _suback(_: int, data: bytes, start: int, end: int) -> Packet:
    body = Body(data, start, end)
    packet_id = body.packet_id()
    codes = []
    while body:
        codes.append(body.qos((0, 1, 2, SUBSCRIPTION_FAILED)))
    return Suback(packet_id, tuple(codes))


def _unsubscribe(_: int, data: bytes, start: int, end: int) -> Packet:
    body = Body(data, start, end)
    packet_id = body.packet_id()
    filters = []
    while body:
        filters.append(body.filter())
    if not filters:
        raise MalformedPacketError("UNSUBSCRIBE names no topic [3.10.3-2]")
    return Unsubscribe(packet_id, tuple(filters))


_WithId = TypeVar("_WithId", Pubrec, Pubrel, Pubcomp, Unsuback)


def _acknowledgement(kind: type[_WithId]) -> Reader[Packet]:
    return lambda _, data, start, end: kind(_only_id(data, start, end))


def _empty(packet: Pingreq | Pingresp | Disconnect) -> Reader[Packet]:
    def read(_: int, _data: bytes, start: int, end: int) -> Packet:
        if end != start:
            raise MalformedPacketError("a packet that is only a header has a body")
        return packet

    return read


def malformed(first: int, _data: bytes, _start: int, _end: int) -> NoReturn:
    """The reader of first bytes that no packet has."""
    raise MalformedPacketError(f"no packet begins with {first:#04x} [2.2]")


def _readers() -> tuple[Reader[Packet], ...]:
    """One reader for every first byte: the packet's kind and its flags together [2.2.1, 2.2.2]."""
    by_first: dict[int, Reader[Packet]] = {
        0x10: _connect,
        0x20: _connack,
        0x40: _puback,
        0x50: _acknowledgement(Pubrec),
        0x62: _acknowledgement(Pubrel),
        0x70: _acknowledgement(Pubcomp),
        0x82: _subscribe,
        0x90: _suback,
        0xA2: _unsubscribe,
        0xB0: _acknowledgement(Unsuback),
        0xC0: _empty(Pingreq()),
        0xD0: _empty(Pingresp()),
        0xE0: _empty(Disconnect()),
    }
    # PUBLISH: any retain flag; DUP only above QoS 0 [3.3.1-2]; QoS 3 does not exist [3.3.1-4].
    by_first |= {0x30: _publish_unacknowledged, 0x31: _publish_unacknowledged}
    by_first |= {first: _publish for first in range(0x32, 0x40) if first & 0x06 in (0x02, 0x04)}
    return tuple(by_first.get(first, malformed) for first in range(256))


READERS = _readers()


class Decoder(Cutter[Packet]):
    """Cuts a stream of MQTT 3.1.1."""

    __slots__ = ()

    def __init__(self, max_packet: int) -> None:
        super().__init__(max_packet, READERS)
