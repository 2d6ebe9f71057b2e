"""Numbers instead of topics, for as long as one connection lasts [MQTT 5, 3.3.2.3.4]."""

from __future__ import annotations

from dataclasses import replace

from hotori.mqtt.packets5 import Publish5, Reason

MOST_ALIASES = 16
"""How many topics are remembered for a client, in either direction; a topic may be 64 KiB long."""


class ReceivedAliases:
    """What the client's numbers stand for."""

    def __init__(self) -> None:
        self._topics: dict[int, str] = {}

    def named(self, packet: Publish5) -> Publish5 | Reason:
        """The packet with its topic, or what ends the connection; a topic that comes with a number is remembered."""
        alias = packet.properties.topic_alias
        if alias is None:
            return packet
        if alias > MOST_ALIASES:
            return Reason.TOPIC_ALIAS_INVALID
        if packet.topic:
            self._topics[alias] = packet.topic
            return packet
        topic = self._topics.get(alias)
        return Reason.PROTOCOL_ERROR if topic is None else replace(packet, topic=topic)


class SentAliases:
    """What we number for a client that takes up to `offered` numbers: the first topics that it is sent."""

    def __init__(self, offered: int) -> None:
        self._most = min(offered, MOST_ALIASES)
        self._known: dict[str, int] = {}

    def shortened(self, packet: Publish5) -> Publish5:
        """The packet with a number: in the place of its topic if the client knows it, else beside it."""
        topic = packet.topic
        if (alias := self._known.get(topic)) is not None:
            return replace(packet, topic="", properties=replace(packet.properties, topic_alias=alias))
        if len(self._known) < self._most:
            return replace(packet, properties=replace(packet.properties, topic_alias=len(self._known) + 1))
        return packet

    def sent(self, packet: Publish5) -> None:
        """The client has it, and knows the number by now."""
        alias = packet.properties.topic_alias
        if packet.topic and alias is not None:
            self._known[packet.topic] = alias
