"""The first packet of a connection: a CONNECT, of whichever version of MQTT it asks for."""

from __future__ import annotations

from hotori.mqtt.body import Body
from hotori.mqtt.decoder import Cutter, Decoder, read_level
from hotori.mqtt.decoder5 import Decoder5
from hotori.mqtt.packets import Connect, MalformedPacketError, PacketTooLargeError, ProtocolBrokenError
from hotori.mqtt.packets5 import LEVEL_5

_CONNECT = 0x10


class Greeting:
    """Takes bytes until CONNECT is complete. What follows it is for a decoder of its version."""

    def __init__(self, max_packet: int) -> None:
        self._max_packet = max_packet
        self._held = bytearray()

    def feed(self, data: bytes) -> tuple[Connect, bytes] | None:
        """The packet and the bytes behind it, or None while it is not complete.

        Raises MalformedPacketError as soon as it cannot become a good CONNECT [MQTT-3.1.0-1].
        """
        self._held += data
        if self._held and self._held[0] != _CONNECT:
            raise ProtocolBrokenError("it did not begin with CONNECT [3.1.0-1]")
        end = self._end()
        if end is None or len(self._held) < end:
            return None
        packet, rest = bytes(self._held[:end]), bytes(self._held[end:])
        self._held.clear()
        return self._read(packet), rest

    def _end(self) -> int | None:
        """How many bytes the packet has, as soon as its length is known."""
        length = 0
        for count, byte in enumerate(self._held[1:5]):
            length |= (byte & 0x7F) << 7 * count
            if byte < 0x80:
                if length > self._max_packet:
                    raise PacketTooLargeError(f"a packet of {length} bytes is larger than {self._max_packet}")
                return 2 + count + length
        if len(self._held) >= 5:
            raise MalformedPacketError("the remaining length has more than four bytes [2.2.3]")
        return None

    def _read(self, packet: bytes) -> Connect:
        start = 2
        while packet[start - 1] > 0x7F:
            start += 1
        level = read_level(Body(packet, start, len(packet)))
        decoder: Cutter[object] = Decoder5(self._max_packet) if level == LEVEL_5 else Decoder(self._max_packet)  # type: ignore[assignment]
        [connect] = decoder.feed(packet)
        assert isinstance(connect, Connect), "the first byte says so"
        return connect
