"""Where devices and modules come in: a port for MQTT over TLS, and a path for MQTT in a websocket."""

from __future__ import annotations

import asyncio
import socket
import ssl

from hotori.hub.connection import Connection
from hotori.hub.hub import Hub
from hotori.net.websocket import Tunnel

PORT = 8883
WEBSOCKET_PATH = "/$iothub/websocket"
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
    patience = None if ssl_context is None else hub.connect_seconds
    if sock is not None:
        return await loop.create_server(
            lambda: Connection(hub), sock=sock, ssl=ssl_context, backlog=_BACKLOG, ssl_handshake_timeout=patience
        )
    return await loop.create_server(
        lambda: Connection(hub), host, port, ssl=ssl_context, backlog=_BACKLOG, ssl_handshake_timeout=patience
    )


def mqtt_tunnel(hub: Hub) -> Tunnel:
    """MQTT in a websocket, on the port of the hub's HTTPS (contract 1.1)."""
    return Tunnel(WEBSOCKET_PATH, "mqtt", lambda: Connection(hub))
