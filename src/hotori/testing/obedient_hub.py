"""A hub that does as it is told, over a real socket: for what a good hub would not do."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from hotori.mqtt.decoder import Decoder
from hotori.mqtt.encoder import encode
from hotori.mqtt.packets import (
    SUBSCRIPTION_FAILED,
    Connack,
    Connect,
    Disconnect,
    Packet,
    Pingreq,
    Pingresp,
    Puback,
    Publish,
    Suback,
    Subscribe,
)
from hotori.mqtt.topics import ReportedPatch, TwinGet, TwinReply, parse_client_topic
from hotori.sdk.endpoint import Endpoint
from hotori.testing.addresses import loopback_address

PORT = 1883


@dataclass
class Orders:
    """What the obedient hub is told to do."""

    connack: int = 0
    session: bool = False
    """Whether it claims to remember the session."""
    acknowledges: bool = True
    grants: bool = True
    answers_twins: bool = True
    talks: bool = True
    """Whether it answers at all."""
    twin: bytes = b'{"desired":{"$version":1},"reported":{"$version":1}}'
    twin_status: int = 200


@dataclass(eq=False)
class Visit:
    """One connection of a client: everything that it sent, in order."""

    writer: asyncio.StreamWriter
    received: list[Packet] = field(default_factory=list)

    def send(self, packet: Packet) -> None:
        self.writer.write(encode(packet))

    @property
    def hello(self) -> Connect:
        assert isinstance(self.received[0], Connect)
        return self.received[0]

    def published(self) -> list[Publish]:
        return [packet for packet in self.received if isinstance(packet, Publish)]


class ObedientHub:
    """Speaks MQTT with our own codec, and misbehaves on command."""

    def __init__(self) -> None:
        self.orders = Orders()
        self.visits: list[Visit] = []
        self._changed = asyncio.Condition()
        self._server: asyncio.Server | None = None
        self.endpoint = Endpoint(loopback_address(), PORT)

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, self.endpoint.host, self.endpoint.port)

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        self.drop()
        await self._server.wait_closed()

    def drop(self) -> None:
        """Cut every connection."""
        for visit in self.visits:
            visit.writer.transport.abort()

    async def until(self, count: int, kind: type[Packet], visit: int = -1) -> list[Packet]:
        """The packets of a kind in a visit, once there are so many."""
        async with asyncio.timeout(10), self._changed:
            await self._changed.wait_for(lambda: len(self._of_kind(kind, visit)) >= count)
            return self._of_kind(kind, visit)

    async def until_visits(self, count: int) -> None:
        async with asyncio.timeout(10), self._changed:
            await self._changed.wait_for(lambda: len([v for v in self.visits if v.received]) >= count)

    def _of_kind(self, kind: type[Packet], visit: int) -> list[Packet]:
        if not -len(self.visits) <= visit < len(self.visits):
            return []
        return [packet for packet in self.visits[visit].received if isinstance(packet, kind)]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        visit, decoder = Visit(writer), Decoder(1_000_000)
        self.visits.append(visit)
        try:
            while data := await reader.read(65536):
                for packet in decoder.feed(data):
                    visit.received.append(packet)
                    self._answer(visit, packet)
                async with self._changed:
                    self._changed.notify_all()
        except ConnectionError:
            pass
        finally:
            writer.transport.abort()

    def _answer(self, visit: Visit, packet: Packet) -> None:
        if not self.orders.talks:
            return
        match packet:
            case Connect():
                visit.send(Connack(self.orders.session, self.orders.connack))
            case Subscribe(packet_id, filters):
                code = 1 if self.orders.grants else SUBSCRIPTION_FAILED
                visit.send(Suback(packet_id, (code,) * len(filters)))
            case Pingreq():
                visit.send(Pingresp())
            case Publish():
                self._answer_publish(visit, packet)
            case Disconnect():
                visit.writer.close()

    def _answer_publish(self, visit: Visit, publish: Publish) -> None:
        if publish.qos and self.orders.acknowledges:
            visit.send(Puback(publish.packet_id))
        topic = parse_client_topic(publish.topic)
        if not self.orders.answers_twins:
            return
        if isinstance(topic, TwinGet):
            visit.send(Publish(TwinReply(self.orders.twin_status, topic.rid).format(), self.orders.twin))
        elif isinstance(topic, ReportedPatch):
            visit.send(Publish(TwinReply(self.orders.twin_status, topic.rid, 2).format(), b""))
