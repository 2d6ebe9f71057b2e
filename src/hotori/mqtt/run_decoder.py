"""Bytes to what a hub hears most: runs of messages below one topic, and runs of acknowledgements.

A packet for each message would be made only to be taken apart again at once.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from hotori.mqtt.body import check_topic
from hotori.mqtt.decoder import READERS, Cutter, long_length
from hotori.mqtt.packets import MalformedPacketError, Packet, PacketTooLargeError

_LARGEST_IN_RUN = 65_535
"""Bytes; what is larger is weighed with care, as a packet of its own."""


class Run(msgspec.Struct, gc=False, eq=False):
    """Messages that followed one another.

    Of each the packet id (0 at QoS 0), what its topic says behind the prefix, and its payload. None is of QoS 2, a
    repetition, to be retained, or larger than 64 KiB.
    """

    messages: list[tuple[int, str, bytes]]


class Pubacks(msgspec.Struct, gc=False, eq=False):
    """Acknowledgements that followed one another."""

    packet_ids: list[int]


Heard: TypeAlias = Packet | Run | Pubacks


class RunDecoder(Cutter[Heard]):
    """Cuts a stream of MQTT 3.1.1 in which most packets are messages to topics that begin with `prefix`."""

    __slots__ = ("_prefix", "_skipped")

    def __init__(self, max_packet: int, prefix: str) -> None:
        super().__init__(max_packet, READERS)
        self._prefix = prefix.encode()
        self._skipped = 2 + len(self._prefix)

    def feed(self, data: bytes) -> list[Heard]:
        """What is complete with this piece, in order, but for acknowledgements, which come first.

        Raises MalformedPacketError as soon as a packet cannot become a good one; the decoder is of no use then.
        """
        try:
            return self._cut(self._joined(data) if self._rest else data)
        except UnicodeDecodeError as error:
            raise MalformedPacketError("a topic is not UTF-8 [1.5.3-1]") from error

    def _cut(self, data: bytes) -> list[Heard]:  # noqa: C901 - calls in this loop would cost more than all else
        # How a packet is found stands here again as in `Cutter.feed`, for the same reason; a property compares the two.
        heard: list[Heard] = []
        acknowledged: list[int] = []
        messages: list[tuple[int, str, bytes]] = []
        readers, largest, prefix, skipped = self._readers, self._max_packet, self._prefix, self._skipped
        position, size = 0, len(data)
        while size - position >= 2:
            first, length, start = data[position], data[position + 1], position + 2
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
            position = end
            if first & 0xFD == 0x30 and length <= _LARGEST_IN_RUN and data.startswith(prefix, start + 2):
                body = start + 2 + (data[start] << 8 | data[start + 1])
                payload = body + (first & 2)  # behind the packet id, which is there at QoS 1
                packet_id = data[body] << 8 | data[body + 1] if body < payload <= end else 0
                if start + skipped <= body <= payload <= end and (packet_id or body == payload):
                    rest = data[start + skipped : body].decode()
                    if "#" in rest or "+" in rest or "\0" in rest:
                        check_topic(rest)
                    messages.append((packet_id, rest, data[payload:end]))
                    continue
            elif first == 0x40 and length == 2 and (packet_id := data[start] << 8 | data[start + 1]):
                acknowledged.append(packet_id)
                continue
            if messages:
                heard.append(Run(messages))
                messages = []
            heard.append(readers[first](first, data, start, end))
        if messages:
            heard.append(Run(messages))
        if position < size:
            self._keep(data, position)
        return [Pubacks(acknowledged), *heard] if acknowledged else heard
