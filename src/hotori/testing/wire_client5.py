"""A client of MQTT 5 that does only what it is told, packet by packet: for tests of clauses of the standard."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TypeVar

from hotori.model.identity import Identity
from hotori.mqtt.decoder5 import Decoder5
from hotori.mqtt.encoder5 import encode5
from hotori.mqtt.packets import Connect, Will
from hotori.mqtt.packets5 import Connack5, Disconnect5, Packet5, Publish5, Suback5, Subscribe5, Wish
from hotori.mqtt.properties import NO_PROPERTIES, Properties
from hotori.testing.small_hub import SmallHub
from hotori.testing.wire_client import PATIENCE

_P = TypeVar("_P", bound=Packet5)


class WireClient5:
    """A socket and our codec. `received` are packets not yet asked for, in order; `welcome` is the CONNACK."""

    welcome: Connack5

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._decoder = Decoder5(1 << 20)
        self.received: list[Packet5] = []

    @classmethod
    async def dial(cls, hub: SmallHub) -> WireClient5:
        """Open the connection, and say nothing."""
        return cls(*await asyncio.open_connection(hub.address, hub.port, ssl=hub.client_context()))

    @classmethod
    async def connect(
        cls,
        hub: SmallHub,
        identity: Identity,
        properties: Properties = NO_PROPERTIES,
        *,
        clean_start: bool = False,
        keep_alive: int = 60,
        will: Will | None = None,
    ) -> WireClient5:
        """Connect as an identity with its own key, and be admitted."""
        client = await cls.dial(hub)
        hello = introduction5(hub, identity, properties, clean_start=clean_start, keep_alive=keep_alive, will=will)
        client.send(hello)
        client.welcome = await client.expect(Connack5)
        assert client.welcome.reason == 0, f"CONNACK {client.welcome.reason:#x}"
        return client

    def send(self, *packets: Packet5) -> None:
        self._writer.write(b"".join(map(encode5, packets)))

    def send_bytes(self, data: bytes) -> None:
        self._writer.write(data)

    async def subscribe(self, *filters: str, qos: int = 1, identifier: int | None = None) -> tuple[int, ...]:
        """Subscribe and wait; the SUBACK's reasons."""
        properties = Properties(subscription_ids=(identifier,)) if identifier else NO_PROPERTIES
        self.send(Subscribe5(60000, tuple(Wish(text, qos) for text in filters), properties))
        return (await self.expect(Suback5)).reasons

    async def expect(self, kind: type[_P]) -> _P:
        """The next packet of a kind; those of other kinds stay in `received`."""
        async with asyncio.timeout(PATIENCE):
            while True:
                for number, packet in enumerate(self.received):
                    if isinstance(packet, kind):
                        del self.received[number]
                        return packet
                data = await self._reader.read(65536)
                if not data:
                    raise ConnectionError(f"closed instead of sending {kind.__name__}")
                self.received += self._decoder.feed(data)

    async def expect_publish(self) -> Publish5:
        return await self.expect(Publish5)

    async def expect_disconnect(self) -> int:
        """The reason with which the hub ends the connection."""
        reason = (await self.expect(Disconnect5)).reason
        await self.expect_closed()
        return reason

    async def expect_closed(self) -> None:
        """The hub ends the connection; what it sends before that is kept."""
        async with asyncio.timeout(PATIENCE):
            with contextlib.suppress(ConnectionError):
                while data := await self._reader.read(65536):
                    self.received += self._decoder.feed(data)
        await self.close()

    async def close(self) -> None:
        """Drop the connection without a goodbye."""
        self._writer.transport.abort()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()


def introduction5(
    hub: SmallHub,
    identity: Identity,
    properties: Properties = NO_PROPERTIES,
    *,
    clean_start: bool = False,
    keep_alive: int = 60,
    will: Will | None = None,
) -> Connect:
    """The CONNECT of an identity with its own key."""
    return Connect(
        str(identity),
        hub.user_name(identity),
        hub.token(identity).encode(),
        clean_session=clean_start,
        keep_alive=keep_alive,
        will=will,
        level=5,
        properties=properties,
    )
