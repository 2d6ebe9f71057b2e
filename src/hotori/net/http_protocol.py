"""HTTP as the server library speaks it, which also tells applications who their client is."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from hotori.net.client_certificate import certificate_chain

CLIENT_CERTIFICATES = "client_certificates"
"""The key in a request's scope: DER, the client's own first, not judged; missing where it showed none."""

PEER_PROCESS = "peer_process"
"""The key in a request's scope on a Unix socket: the id of the process that connected, 0 where it is out of sight."""
_CREDENTIALS = struct.Struct("3i")

_HIGH_WATER = 1 << 19
"""Bytes of a request's body that may wait for the application before the client is held up: the server library's own
limit of 64 KiB stops and starts a socket for every few packets of a large upload."""


class HttpProtocol(HttpToolsProtocol):
    """One connection."""

    _certificates: tuple[bytes, ...] = ()
    _peer: int | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)  # type: ignore[arg-type]
        self._certificates = certificate_chain(transport.get_extra_info("ssl_object"))
        self._peer = _peer_process(transport.get_extra_info("socket"))

    def on_message_begin(self) -> None:
        super().on_message_begin()
        scope: Any = self.scope
        if self._certificates:
            scope[CLIENT_CERTIFICATES] = self._certificates
        if self._peer is not None:
            scope[PEER_PROCESS] = self._peer

    def on_body(self, body: bytes) -> None:
        cycle: Any = self.cycle
        if self.parser.should_upgrade() or cycle.response_complete or len(cycle.body) + len(body) > _HIGH_WATER:
            super().on_body(body)  # which knows what is no body any more, and holds the client up
            return
        # What the application gets is `bytes(cycle.body)`: no copy, where one packet's worth of bytes is all there is.
        cycle.body = bytearray(cycle.body) + body if cycle.body else body
        cycle.message_event.set()


def _peer_process(connection: Any) -> int | None:
    """Who is at the other end of a Unix socket, as the kernel says: unix(7), SO_PEERCRED."""
    if connection is None or connection.family != socket.AF_UNIX:
        return None
    pid, _, _ = _CREDENTIALS.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    return int(pid)
