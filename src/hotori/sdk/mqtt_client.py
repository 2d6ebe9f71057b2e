"""One MQTT 3.1.1 connection, from CONNECT to its end. Coming back is for whoever holds it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from ssl import SSLContext
from typing import TypeAlias, cast

from hotori.mqtt.decoder import Decoder
from hotori.mqtt.encoder import DISCONNECT, PINGREQ, encode, encode_puback, encode_publish
from hotori.mqtt.packets import (
    Connack,
    ConnackCode,
    Connect,
    MalformedPacketError,
    Packet,
    Puback,
    Publish,
    Suback,
    Subscribe,
    Unsuback,
)
from hotori.sdk.outbox import PacketIds

_log = logging.getLogger(__name__)

MAX_PACKET = 1_048_576
_GOODBYE = 1.0
"""Seconds that an orderly end may take."""


class MqttClientError(Exception):
    """What can happen to a connection.

    MqttClientError
    ├── ConnectRefusedError: the server answered CONNECT with a code other than 0
    └── ConnectionLostError: there is no connection any more
    """


class ConnectRefusedError(MqttClientError):
    """`code` is a ConnackCode, or an unknown number."""

    def __init__(self, code: int) -> None:
        super().__init__(f"CONNACK {code}")
        self.code = code


class ConnectionLostError(MqttClientError):
    """The text says how it ended."""


PublishHandler: TypeAlias = "Callable[[MqttClient, Publish], None]"
PubackHandler: TypeAlias = Callable[[int], None]


class MqttClient:
    """A live connection. Callbacks run on the loop and must not block.

    `on_publish` gets every message; those of QoS 1 are to be acknowledged with `acknowledge`, when it suits.
    `on_puback` gets the ids of acknowledged messages that were sent with `send`.
    """

    def __init__(
        self,
        on_publish: PublishHandler,
        on_puback: PubackHandler | None = None,
        ids: PacketIds | None = None,
    ) -> None:
        self._on_publish, self._on_puback = on_publish, on_puback
        self._ids = ids or PacketIds()
        self._wire = _Wire(self._on_packets, self._on_lost)
        self._connack: asyncio.Future[Connack] = asyncio.get_running_loop().create_future()
        self._acknowledgements: dict[int, asyncio.Future[Packet]] = {}
        self._ended = asyncio.Event()
        self._end = "closed here"
        self._ticker: asyncio.TimerHandle | None = None
        self._heard = True
        self.session_present = False

    @classmethod
    async def connect(
        cls,
        host: str,
        port: int,
        ssl_context: SSLContext | None,
        hello: Connect,
        *,
        on_publish: PublishHandler,
        on_puback: PubackHandler | None = None,
        ids: PacketIds | None = None,
        timeout: float = 10.0,
    ) -> MqttClient:
        """Connect and introduce ourselves; `timeout` (seconds) is for both together.

        Raises OSError (ssl.SSLError and TimeoutError are among them), ConnectRefusedError, ConnectionLostError.
        """
        client = cls(on_publish, on_puback, ids)
        try:
            async with asyncio.timeout(timeout):
                loop = asyncio.get_running_loop()
                await loop.create_connection(lambda: client._wire, host, port, ssl=ssl_context)
                client._wire.write(encode(hello))
                connack = await client._connack
        except BaseException:
            client._wire.abort()
            raise
        if connack.code != ConnackCode.ACCEPTED:
            client._wire.abort()
            raise ConnectRefusedError(connack.code)
        client.session_present = connack.session_present
        client._keep_alive(hello.keep_alive / 2)
        return client

    @property
    def alive(self) -> bool:
        return not self._ended.is_set()

    def send(self, publish: Publish) -> None:
        """Write a message as it is. Its id is the caller's, who hears of its PUBACK by `on_puback`."""
        if self.alive:
            self._wire.write(encode_publish(*publish))

    async def publish(self, topic: str, payload: bytes, qos: int = 1) -> None:
        """Publish, and return when it is acknowledged (QoS 1) or written (QoS 0). Raises ConnectionLostError."""
        self._check_alive()
        await self._wire.writable.wait()
        if qos == 0:
            self.send(Publish(topic, payload))
            return
        packet_id = self._ids.take()
        await self._exchange(packet_id, encode_publish(topic, payload, 1, packet_id))

    async def subscribe(self, filters: tuple[tuple[str, int], ...]) -> tuple[int, ...]:
        """Ask for topics; the granted QoS of each, or SUBSCRIPTION_FAILED. Raises ConnectionLostError."""
        self._check_alive()
        packet_id = self._ids.take()
        answer = await self._exchange(packet_id, encode(Subscribe(packet_id, filters)))
        return answer.codes if isinstance(answer, Suback) else ()

    def acknowledge(self, publish: Publish) -> None:
        """Tell the server that a message is handled. After the end of the connection it would mean nothing."""
        if publish.qos and self.alive:
            self._wire.write(encode_puback(publish.packet_id))

    async def wait_closed(self) -> str:
        """Wait for the end; what brought it about."""
        await self._ended.wait()
        return self._end

    async def close(self) -> None:
        """Say goodbye and hang up; at once if the connection is gone already."""
        if self.alive:
            self._wire.write(DISCONNECT)
            self._wire.close()
        try:
            async with asyncio.timeout(_GOODBYE):
                await self._ended.wait()
        except TimeoutError:
            self._wire.abort()
            await self._ended.wait()

    def _check_alive(self) -> None:
        if not self.alive:
            raise ConnectionLostError(self._end)

    async def _exchange(self, packet_id: int, data: bytes) -> Packet:
        """Write, and wait for the packet that acknowledges the id."""
        answer: asyncio.Future[Packet] = asyncio.get_running_loop().create_future()
        self._acknowledgements[packet_id] = answer
        self._wire.write(data)
        return await answer

    def _keep_alive(self, period: float) -> None:
        """Ask every half keep-alive whether the server is there; silence for a whole period means it is not."""
        if not period or not self.alive:
            return
        if not self._heard:
            self._end = "the other side fell silent"
            self._wire.abort()
            return
        self._heard = False
        self._wire.write(PINGREQ)
        self._ticker = asyncio.get_running_loop().call_later(period, self._keep_alive, period)

    def _on_packets(self, packets: list[Packet]) -> None:
        self._heard = True
        for packet in packets:
            if isinstance(packet, Publish):
                self._on_publish(self, packet)
            elif isinstance(packet, Puback | Suback | Unsuback):
                self._on_acknowledgement(packet)
            elif isinstance(packet, Connack) and not self._connack.done():
                self._connack.set_result(packet)

    def _on_acknowledgement(self, packet: Puback | Suback | Unsuback) -> None:
        answer = self._acknowledgements.pop(packet.packet_id, None)
        if answer is not None:
            self._ids.free(packet.packet_id)
            if not answer.done():
                answer.set_result(packet)
        elif self._on_puback is not None and isinstance(packet, Puback):
            self._on_puback(packet.packet_id)

    def _on_lost(self, reason: str | None) -> None:
        self._end = reason or self._end
        self._ended.set()
        if self._ticker is not None:
            self._ticker.cancel()
        waiting: list[asyncio.Future[Connack] | asyncio.Future[Packet]] = [self._connack]
        waiting += self._acknowledgements.values()
        for packet_id in self._acknowledgements:
            self._ids.free(packet_id)
        self._acknowledgements.clear()
        for answer in waiting:
            if not answer.done():
                answer.set_exception(ConnectionLostError(self._end))
                answer.exception()  # seen: nobody may be waiting


class _Wire(asyncio.Protocol):
    """The socket: cuts what comes into packets, and writes what leaves once a turn of the loop."""

    def __init__(self, on_packets: Callable[[list[Packet]], None], on_lost: Callable[[str | None], None]) -> None:
        self._on_packets, self._on_lost = on_packets, on_lost
        self._decoder = Decoder(MAX_PACKET)
        self._transport: asyncio.Transport | None = None
        self._out: list[bytes] = []
        self._reason: str | None = None
        self._closing = False
        self.writable = asyncio.Event()
        self.writable.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are no subclasses of it

    def data_received(self, data: bytes) -> None:
        try:
            packets = self._decoder.feed(data)
        except MalformedPacketError as error:
            self._reason = f"the other side does not speak MQTT 3.1.1: {error}"
            self.abort()
        else:
            self._on_packets(packets)

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        self.writable.set()
        if self._reason is None and not self._closing:
            self._reason = f"the connection broke: {error}" if error else "the other side closed the connection"
        self._on_lost(self._reason)

    def pause_writing(self) -> None:
        self.writable.clear()

    def resume_writing(self) -> None:
        self.writable.set()

    def write(self, data: bytes) -> None:
        if not self._out:
            asyncio.get_running_loop().call_soon(self._flush)
        self._out.append(data)

    def close(self) -> None:
        """Write what there is to write, then hang up."""
        self._closing = True
        self._flush()
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        self._closing = True
        self._out.clear()
        if self._transport is not None:
            self._transport.abort()

    def _flush(self) -> None:
        if self._out and self._transport is not None:
            self._transport.write(b"".join(self._out))
        self._out.clear()
