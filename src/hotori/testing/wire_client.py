"""An MQTT client that does only what it is told, packet by packet: for tests of clauses of the contract."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TypeVar

from hotori.model.identity import Identity
from hotori.mqtt.decoder import Decoder
from hotori.mqtt.encoder import encode
from hotori.mqtt.packets import Connack, Connect, Packet, Publish, Suback, Subscribe, Will
from hotori.testing.small_hub import SmallHub

_P = TypeVar("_P")
PATIENCE = 10.0
"""Seconds after which an answer that a test expects has not come."""


class WireClient:
    """A socket and our codec. `received` are packets not yet asked for, in order."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._decoder = Decoder(1 << 20)
        self.received: list[Packet] = []

    @classmethod
    async def dial(cls, hub: SmallHub) -> WireClient:
        """Open the connection, and say nothing."""
        return cls(*await asyncio.open_connection(hub.address, hub.port, ssl=hub.client_context()))

    @classmethod
    async def connect(
        cls,
        hub: SmallHub,
        identity: Identity,
        *,
        clean_session: bool = False,
        keep_alive: int = 60,
        will: Will | None = None,
    ) -> WireClient:
        """Connect as an identity with its own key, and be admitted."""
        client = await cls.dial(hub)
        client.send(
            Connect(
                str(identity),
                hub.user_name(identity),
                hub.token(identity).encode(),
                clean_session=clean_session,
                keep_alive=keep_alive,
                will=will,
            )
        )
        try:
            answer = await client.expect(Connack)
        except ConnectionError:
            await client.close()
            raise
        assert answer.code == 0, f"CONNACK {answer.code}"
        client.session_present = answer.session_present
        return client

    session_present: bool = False

    def send(self, *packets: Packet) -> None:
        self._writer.write(b"".join(encode(packet) for packet in packets))

    def send_bytes(self, data: bytes) -> None:
        self._writer.write(data)

    async def subscribe(self, *filters: str, qos: int = 1) -> tuple[int, ...]:
        """Subscribe and wait; the SUBACK's codes."""
        self.send(Subscribe(60000, tuple((text, qos) for text in filters)))
        return (await self.expect(Suback)).codes

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

    async def expect_publish(self) -> Publish:
        return await self.expect(Publish)

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
