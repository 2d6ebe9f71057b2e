"""An ASGI application on a socket, inside the loop that runs already."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from functools import partial
from typing import Any, TypeAlias, cast

import uvicorn
from uvicorn.server import ServerState

from hotori.net.address import is_loopback
from hotori.net.client_certificate import ask_for_certificate
from hotori.net.http_protocol import HttpProtocol
from hotori.net.tls import ServesTls
from hotori.net.websocket import Tunnel, WebsocketProtocol
from hotori.problems import Problem
from hotori.problems.network import TLS_REQUIRED

Scope: TypeAlias = MutableMapping[str, Any]
AsgiMessage: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[AsgiMessage]]
Send: TypeAlias = Callable[[AsgiMessage], Awaitable[None]]
AsgiApp: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

_LAST_REQUESTS = 5
"""Seconds that requests under way get to finish when the server stops."""

_FAREWELL = 0.5
"""Seconds that a client gets to answer the end of TLS; one that keeps an idle connection reads nothing until its
next request, and would hold the server up."""


class HttpServer:
    """Serves one application on one bound socket, with TLS where a certificate is given.

    It takes no signals and writes no access log. Without TLS it serves loopback only: `start` raises
    `tls-required` for any other address. `tunnels` are protocols that are spoken inside websockets on the same port.
    With `asks_clients` the application is told what certificates clients show (`CLIENT_CERTIFICATES`).
    """

    def __init__(
        self,
        app: AsgiApp,
        listener: socket.socket,
        certificate: ServesTls | None = None,
        tunnels: tuple[Tunnel, ...] = (),
        *,
        asks_clients: bool = False,
    ) -> None:
        self._listener = listener
        self._tunnels, self._asks_clients = tunnels, asks_clients
        self._certificate = certificate
        self._closing = _Closing(app)
        self._server: _Server | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        """The port that is served (not of a Unix socket)."""
        return int(self._listener.getsockname()[1])

    async def start(self) -> None:
        """Return when requests are answered."""
        self._refuse_clear_text()
        self._server = _Server(_config(self._closing, self._certificate, self._tunnels, self._asks_clients))
        self._task = asyncio.create_task(self._server.serve(sockets=[self._listener]), name="http-server")
        ready = asyncio.create_task(self._server.ready.wait())
        await asyncio.wait({ready, self._task}, return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        if self._task.done():
            self._task.result()

    async def stop(self) -> None:
        """End event streams, let requests under way finish, close the socket."""
        if self._server is None or self._task is None:
            self._listener.close()
            return
        self._closing.begin()
        self._server.leave()
        await self._task

    def _refuse_clear_text(self) -> None:
        if self._certificate is not None or self._listener.family == socket.AF_UNIX:
            return
        address, port = self._listener.getsockname()[:2]
        if not is_loopback(address):
            raise Problem(TLS_REQUIRED, address=address, port=port)

    async def __aenter__(self) -> HttpServer:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()


class _Server(uvicorn.Server):
    """A server that leaves the process's signals alone and says when it is ready."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()
        self._leaving = asyncio.Event()

    def leave(self) -> None:
        self.should_exit = True
        self._leaving.set()

    async def main_loop(self) -> None:
        """Once a second is enough for the header Date, and `leave` is heard at once."""
        while not await self.on_tick(0):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await self._leaving.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        parting = asyncio.create_task(self._part())
        try:
            await super().shutdown(sockets)
        finally:
            parting.cancel()

    async def _part(self) -> None:
        """Cut connections that only wait for the client's goodbye."""
        while True:
            await asyncio.sleep(_FAREWELL)
            for connection in list(self.server_state.connections):
                transport = connection.transport
                if transport.is_closing() and not transport.get_write_buffer_size():
                    transport.abort()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()


def _config(
    app: AsgiApp, certificate: ServesTls | None, tunnels: tuple[Tunnel, ...], asks_clients: bool
) -> uvicorn.Config:
    config = uvicorn.Config(
        app,
        http=HttpProtocol,
        ws="none",
        lifespan="auto",
        log_config=None,
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=_LAST_REQUESTS,
    )
    if tunnels:
        config.ws = cast(Any, partial(_upgrade, tunnels))  # called as the class that it stands for
    if certificate is not None:
        context = certificate.context()
        if asks_clients:
            ask_for_certificate(context)
        config.ssl_context_factory = lambda *_: context
    return config


def _upgrade(
    tunnels: tuple[Tunnel, ...], *, config: uvicorn.Config, server_state: ServerState, app_state: dict[str, Any]
) -> WebsocketProtocol:
    """What takes a connection over from HTTP; the arguments are uvicorn's."""
    del config, app_state
    return WebsocketProtocol(tunnels, server_state.connections)


class _Closing:
    """Tells endless responses (event streams) that their client has left, once the server stops.

    A response without a length never ends by itself; whoever makes one listens for the client's leaving.
    """

    def __init__(self, app: AsgiApp) -> None:
        self._app = app
        self._begun = asyncio.Event()

    def begin(self) -> None:
        self._begun.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(self._begun, receive, send)
        await self._app(scope, exchange.receive, exchange.send)
        await exchange.finish()


class _Exchange:
    """One request and its response, on their way through `_Closing`."""

    def __init__(self, closing: asyncio.Event, receive: Receive, send: Send) -> None:
        self._closing, self._receive, self._send = closing, receive, send
        self._body_read = False
        self._open_ended = False

    async def receive(self) -> AsgiMessage:
        if not self._body_read:
            message = await self._receive()
            self._body_read = message["type"] == "http.request" and not message.get("more_body", False)
            return message
        return await self._left()

    async def _left(self) -> AsgiMessage:
        client, closing = asyncio.ensure_future(self._receive()), asyncio.create_task(self._closing.wait())
        try:
            await asyncio.wait({client, closing}, return_when=asyncio.FIRST_COMPLETED)
            if client.done() or not self._open_ended:
                return await client
            return {"type": "http.disconnect"}
        finally:
            client.cancel()
            closing.cancel()

    async def send(self, message: AsgiMessage) -> None:
        if message["type"] == "http.response.start":
            self._open_ended = not any(name.lower() == b"content-length" for name, _ in message.get("headers", ()))
        elif not message.get("more_body", False):
            self._open_ended = False
        await self._send(message)

    async def finish(self) -> None:
        """End a stream that was left open because the server stops."""
        if self._open_ended and self._closing.is_set():
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})
