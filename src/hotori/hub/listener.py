"""The port that devices and modules dial: MQTT over TLS."""

from __future__ import annotations

import asyncio
import socket
import ssl

from hotori.hub.connection import Connection
from hotori.hub.hub import Hub

PORT = 8883
_BACKLOG = 1024


async def serve_mqtt(
    hub: Hub,
    host: str | None = None,
    port: int = PORT,
    ssl_context: ssl.SSLContext | None = None,
    *,
    sock: socket.socket | None = None,
) -> asyncio.Server:
    """Listen for clients until the server is closed; `hub.close()` ends those that are connected.

    Takes an address and a port, or a bound socket. Without `ssl_context` it speaks in the clear, for tests.
    """
    loop = asyncio.get_running_loop()
    if sock is not None:
        return await loop.create_server(lambda: Connection(hub), sock=sock, ssl=ssl_context, backlog=_BACKLOG)
    return await loop.create_server(lambda: Connection(hub), host, port, ssl=ssl_context, backlog=_BACKLOG)
