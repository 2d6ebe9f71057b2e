"""What clients of either version of MQTT have in common that do only what they are told, packet by packet."""

from __future__ import annotations

import asyncio
import contextlib
from abc import ABC, abstractmethod
from typing import Generic, Self, TypeVar

from hotori.mqtt.decoder import Cutter
from hotori.testing.small_hub import SmallHub

PATIENCE = 10.0
"""Seconds after which an answer that a test expects has not come."""
LARGEST = 1 << 20
"""Bytes of the largest packet that is taken."""
P = TypeVar("P")
_Q = TypeVar("_Q")


class Wire(ABC, Generic[P]):
    """A socket and our codec. `received` are packets not yet asked for, in order."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._decoder = self.new_decoder()
        self.received: list[P] = []

    @abstractmethod
    def new_decoder(self) -> Cutter[P]: ...

    @abstractmethod
    def encoded(self, packet: P) -> bytes: ...

    @classmethod
    async def dial(cls, hub: SmallHub) -> Self:
        """Open the connection, and say nothing."""
        return cls(*await asyncio.open_connection(hub.address, hub.port, ssl=hub.client_context()))

    def send(self, *packets: P) -> None:
        self._writer.write(b"".join(map(self.encoded, packets)))

    def send_bytes(self, data: bytes) -> None:
        self._writer.write(data)

    async def expect(self, kind: type[_Q]) -> _Q:
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
