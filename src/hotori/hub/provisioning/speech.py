"""What is said at the counter in either version of MQTT: the counter itself knows the packets of 3.1.1 alone."""

from __future__ import annotations

import math
from typing import Any

from hotori.hub.head import Ending
from hotori.hub.mqtt5_head import ENDING_REASONS
from hotori.hub.provisioning.topics import RESPONSES
from hotori.mqtt.decoder import Cutter, Decoder
from hotori.mqtt.decoder5 import Decoder5
from hotori.mqtt.encoder import encode, encode_puback, encode_publish
from hotori.mqtt.encoder5 import encode5
from hotori.mqtt.packets import (
    SUBSCRIPTION_FAILED,
    Connack,
    ConnackCode,
    Connect,
    Disconnect,
    Packet,
    Puback,
    Publish,
    Suback,
    Subscribe,
    Unsuback,
    Unsubscribe,
)
from hotori.mqtt.packets5 import (
    LEVEL_5,
    Connack5,
    Disconnect5,
    Packet5,
    Puback5,
    Publish5,
    Reason,
    Suback5,
    Subscribe5,
    Unsuback5,
    Unsubscribe5,
)
from hotori.mqtt.properties import Properties

MAX_PACKET = 64 * 1024
MOST_WAITING = 20
"""Requests that a device may send before the first is answered."""


class Speech:
    """MQTT 3.1.1's."""

    def decoder(self) -> Cutter[Any]:
        """Cuts what comes after CONNECT, for `heard`."""
        return Decoder(MAX_PACKET)

    def welcome(self) -> bytes:
        return encode(Connack(False, ConnackCode.ACCEPTED))

    def heard(self, packet: Packet | Packet5) -> Packet | Packet5:
        """What a packet is in 3.1.1; itself where it is nothing that can be said here."""
        return packet

    def subscribed(self, packet: Subscribe) -> bytes:
        """There is one topic to be had."""
        codes = tuple(min(qos, 1) if name == RESPONSES else SUBSCRIPTION_FAILED for name, qos in packet.filters)
        return encode(Suback(packet.packet_id, codes))

    def unsubscribed(self, packet: Unsubscribe) -> bytes:
        return encode(Unsuback(packet.packet_id))

    def acknowledged(self, packet: Publish) -> bytes:
        return encode_puback(packet.packet_id)

    def answer(self, topic: str, body: bytes) -> bytes | None:
        """The answer to a request; None where it is larger than the client takes."""
        return encode_publish(topic, body)

    def farewell(self, ending: Ending) -> bytes:
        """What is said last."""
        return b""


class Speech5(Speech):
    """MQTT 5's. No topic aliases and no subscription identifiers: a visit is short."""

    def __init__(self, connect: Connect) -> None:
        self._most_bytes = connect.properties.maximum_packet_size or math.inf

    def decoder(self) -> Cutter[Any]:
        return Decoder5(MAX_PACKET)

    def welcome(self) -> bytes:
        properties = Properties(
            receive_maximum=MOST_WAITING,
            maximum_qos=1,
            retain_available=0,
            maximum_packet_size=MAX_PACKET,
            wildcard_available=1,
            subscription_ids_available=0,
            shared_available=0,
        )
        return encode5(Connack5(False, Reason.SUCCESS, properties))

    def heard(self, packet: Packet | Packet5) -> Packet | Packet5:
        match packet:
            case Publish5(topic, payload, qos, packet_id, properties=properties) if properties.topic_alias is None:
                return Publish(topic, payload, qos, packet_id)
            case Subscribe5(packet_id, wishes, properties) if not properties.subscription_ids:
                return Subscribe(packet_id, tuple((wish.topic_filter, wish.qos) for wish in wishes))
            case Unsubscribe5(packet_id, filters):
                return Unsubscribe(packet_id, filters)
            case Puback5(packet_id):
                return Puback(packet_id)
            case Disconnect5():
                return Disconnect()
            case _:
                return packet

    def subscribed(self, packet: Subscribe) -> bytes:
        reasons = [min(qos, 1) if name == RESPONSES else Reason.TOPIC_FILTER_INVALID for name, qos in packet.filters]
        return encode5(Suback5(packet.packet_id, tuple(reasons)))

    def unsubscribed(self, packet: Unsubscribe) -> bytes:
        return encode5(Unsuback5(packet.packet_id, (Reason.SUCCESS,) * len(packet.filters)))

    def acknowledged(self, packet: Publish) -> bytes:
        return encode5(Puback5(packet.packet_id))

    def answer(self, topic: str, body: bytes) -> bytes | None:
        properties = Properties(payload_format=1, content_type="application/json")
        said = encode5(Publish5(topic, body, properties=properties))
        return said if len(said) <= self._most_bytes else None

    def farewell(self, ending: Ending) -> bytes:
        return b"" if ending is Ending.GOODBYE else encode5(Disconnect5(ENDING_REASONS[ending]))


def speech_for(connect: Connect) -> Speech:
    """That of the version in which a client greets."""
    return Speech5(connect) if connect.level == LEVEL_5 else Speech()
