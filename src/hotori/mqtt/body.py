"""Reads the fields of one packet, front to back."""

from __future__ import annotations

from hotori.mqtt.packets import MalformedPacketError


def read_topic(raw: bytes) -> str:
    try:
        topic = raw.decode()
    except UnicodeDecodeError as error:
        raise MalformedPacketError("a topic is not UTF-8 [1.5.3-1]") from error
    if not topic:
        raise MalformedPacketError("a topic has characters [4.7.3-1]")
    check_topic(topic)
    return topic


def check_topic(topic: str) -> None:
    """Raises MalformedPacketError where a topic, or a part of one, has what none may have."""
    if "#" in topic or "+" in topic or "\0" in topic:
        raise MalformedPacketError("a topic has neither wildcards nor null [3.3.2-2, 4.7.3-2]")


def decode_text(raw: bytes) -> str:
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise MalformedPacketError("a text is not UTF-8 [1.5.3-1]") from error
    if "\0" in text:
        raise MalformedPacketError("a text holds the null character [1.5.3-2]")
    return text


class Body:
    """The bytes of one packet between two positions; whoever reads beyond them raises MalformedPacketError."""

    __slots__ = ("_data", "_end", "_position")

    def __init__(self, data: bytes, start: int, end: int) -> None:
        self._data, self._position, self._end = data, start, end

    def __bool__(self) -> bool:
        return self._position < self._end

    def take(self, count: int) -> bytes:
        start = self._position
        if start + count > self._end:
            raise MalformedPacketError("a packet ends before its fields do")
        self._position = start + count
        return self._data[start : start + count]

    def byte(self) -> int:
        return self.take(1)[0]

    def number(self) -> int:
        return int.from_bytes(self.take(2), "big")

    def long(self) -> int:
        return int.from_bytes(self.take(4), "big")

    def variable(self) -> int:
        """A variable byte integer [MQTT 5, 1.5.5]."""
        value = 0
        for shift in (0, 7, 14, 21):
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
        raise MalformedPacketError("a variable byte integer has more than four bytes [1.5.5]")

    def rest(self) -> bytes:
        return self.take(self._end - self._position)

    def part(self, length: int) -> Body:
        """The next bytes as a body of their own."""
        self.take(length)
        return Body(self._data, self._position - length, self._position)

    def packet_id(self) -> int:
        packet_id = self.number()
        if not packet_id:
            raise MalformedPacketError("a packet has id 0 [2.3.1-1]")
        return packet_id

    def binary(self) -> bytes:
        return self.take(self.number())

    def text(self) -> str:
        return decode_text(self.binary())

    def filter(self) -> str:
        text = self.text()
        if not text:
            raise MalformedPacketError("a topic filter is empty [4.7.3-1]")
        return text

    def qos(self, allowed: tuple[int, ...] = (0, 1, 2)) -> int:
        qos = self.byte()
        if qos not in allowed:
            raise MalformedPacketError(f"{qos} is no quality of service [3.8.3-4]")
        return qos

    def finish(self) -> None:
        if self:
            raise MalformedPacketError("a packet goes on after its last field")
