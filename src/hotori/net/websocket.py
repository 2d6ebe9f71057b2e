"""A protocol of bytes inside a websocket: what it writes leaves in binary frames, and binary frames are what it reads.

Frames have no meaning to the protocol inside: it may find its packets split over frames, or several in one.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import OPEN
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

MAX_FRAME = 1024 * 1024
"""The largest frame taken, in bytes; a larger one ends the connection with code 1009."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Tunnel:
    """A path where a protocol is spoken inside a websocket, its registered name, and who makes one end of it."""

    path: str
    subprotocol: str
    protocol: Callable[[], asyncio.Protocol]


class WebsocketProtocol(asyncio.Protocol):
    """One connection, from its handshake on. `connections` is where its server keeps those that it must end."""

    def __init__(self, tunnels: tuple[Tunnel, ...], connections: set[Any]) -> None:
        self.transport: asyncio.Transport | None = None
        self._tunnels = tunnels
        self._connections = connections
        self._websocket = ServerProtocol(max_size=(None, MAX_FRAME), logger=logger)
        self._inner: asyncio.Protocol | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's are no subclasses of it
        self._connections.add(self)

    def data_received(self, data: bytes) -> None:
        self._websocket.receive_data(data)
        for event in self._websocket.events_received():
            if isinstance(event, Request):
                self._shake_hands(event)
            elif isinstance(event, Frame):
                self._take(event)
        self.flush()

    def eof_received(self) -> None:
        self._websocket.receive_eof()

    def connection_lost(self, error: Exception | None) -> None:
        self._connections.discard(self)
        if self._inner is not None:
            self._inner.connection_lost(error)

    def pause_writing(self) -> None:
        if self._inner is not None:
            self._inner.pause_writing()

    def resume_writing(self) -> None:
        if self._inner is not None:
            self._inner.resume_writing()

    def shutdown(self) -> None:
        """The server stops."""
        self.close(CloseCode.GOING_AWAY)

    def hand_over(self, inner: asyncio.Protocol) -> None:
        """Another one speaks inside from here on."""
        self._inner = inner

    def send(self, data: bytes) -> None:
        if self._websocket.state is OPEN:
            self._websocket.send_binary(data)
            self.flush()

    def close(self, code: CloseCode = CloseCode.NORMAL_CLOSURE) -> None:
        """Say goodbye and end the connection, without waiting for the other side's goodbye."""
        if self._websocket.state is OPEN:
            self._websocket.send_close(code)
            self.flush()
        if self.transport is not None:
            self.transport.close()

    def flush(self) -> None:
        """Write what the websocket has to say, and close where it has said everything."""
        if self.transport is None or self.transport.is_closing():
            return
        data = self._websocket.data_to_send()
        if written := b"".join(data):
            self.transport.write(written)
        if b"" in data or self._websocket.close_expected():
            self.transport.close()

    def _shake_hands(self, request: Request) -> None:
        path = request.path.partition("?")[0]
        tunnel = next((tunnel for tunnel in self._tunnels if tunnel.path == path), None)
        if tunnel is None:
            self._websocket.send_response(self._websocket.reject(404, "There is no websocket here.\n"))
            return
        self._websocket.available_subprotocols = [Subprotocol(tunnel.subprotocol)]
        response = self._websocket.accept(request)
        self._websocket.send_response(response)
        if response.status_code == 101:
            self._inner = tunnel.protocol()
            self._inner.connection_made(_InnerTransport(self, self.transport))

    def _take(self, frame: Frame) -> None:
        if frame.opcode is Opcode.TEXT:
            self._websocket.fail(CloseCode.UNSUPPORTED_DATA, "binary frames only")
        elif frame.opcode in (Opcode.BINARY, Opcode.CONT) and self._inner is not None:
            self._inner.data_received(bytes(frame.data))


class _InnerTransport(asyncio.Transport):
    """What the protocol inside takes for its socket."""

    def __init__(self, outer: WebsocketProtocol, transport: asyncio.Transport | None) -> None:
        super().__init__()
        assert transport is not None, "a handshake comes after the connection"
        self._outer, self._transport = outer, transport

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._transport.get_extra_info(name, default)

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        self._outer.send(bytes(data))

    def close(self) -> None:
        self._outer.close()

    def abort(self) -> None:
        self._transport.abort()

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._outer.hand_over(cast(asyncio.Protocol, protocol))

    def get_write_buffer_size(self) -> int:
        return self._transport.get_write_buffer_size()

    def pause_reading(self) -> None:
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        self._transport.resume_reading()
