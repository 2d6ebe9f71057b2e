"""One end of a stream through the cloud: a websocket that somebody dials, a ticket, then frames.

Whoever dials says hello in one line of JSON, and is answered in one: what it is to do, or a problem. All after that
goes to the other end as it is. Nothing is gathered on the way: who does not read makes the other end wait.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import ssl
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from hotori.diagnosis.evidence import ConnectEvidence
from hotori.diagnosis.findings import findings
from hotori.model.json import JsonObject
from hotori.problems import Problem
from hotori.sdk.connection_file import HubAddress
from hotori.sdk.http_problem import innermost
from hotori.sdk.stream_frames import Frame, FrameReader

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

PATH = "/$hotori/stream"
SUBPROTOCOL = "hotori-stream"
MAX_HELLO = 16 * 1024
_CONNECT = 15.0
_PING = 20.0
_FAREWELL = 5.0
_FRAMES = 4
_KEEPALIVE = ((socket.TCP_KEEPIDLE, 20), (socket.TCP_KEEPINTVL, 10), (socket.TCP_KEEPCNT, 3))


class StreamConnection:
    """Open from `dial` until `close`."""

    def __init__(self, websocket: ClientConnection) -> None:
        self._websocket = websocket
        self._reader = FrameReader()
        self._first = b""
        self.answer: JsonObject = {}

    @classmethod
    async def dial(cls, address: HubAddress, context: ssl.SSLContext, hello: JsonObject) -> StreamConnection:
        """Raises `cloud-unreachable` and others of the network, and the problem that the other side tells."""
        from websockets.asyncio.client import connect  # large, and few ever open a stream
        from websockets.exceptions import WebSocketException

        where = f"{address.host}:{address.https_port}"
        try:
            # No limit for the answer to a ping: who makes the other end wait does not answer pings either. A peer that
            # has vanished is the kernel's to find out.
            websocket = await connect(
                f"wss://{where}{PATH}",
                ssl=context,
                subprotocols=[SUBPROTOCOL],  # type: ignore[list-item]  # a new type for text
                proxy=None,
                compression=None,
                open_timeout=_CONNECT,
                ping_interval=_PING,
                ping_timeout=None,
                close_timeout=_FAREWELL,
                max_queue=_FRAMES,
            )
        except (OSError, TimeoutError, WebSocketException) as error:
            raise findings(ConnectEvidence(where, innermost(error)))[0] from error
        keep_alive(websocket.transport.get_extra_info("socket"))
        connection = cls(websocket)
        try:
            await connection._greet(hello, where)
        except BaseException:
            await connection.close()
            raise
        return connection

    async def read(self) -> bytes:
        """What comes next; nothing at the end, whatever ended it."""
        from websockets.exceptions import ConnectionClosed

        if self._first:
            first, self._first = self._first, b""
            return first
        while True:
            try:
                message = await self._websocket.recv()
            except ConnectionClosed:
                return b""
            if message:
                return message if isinstance(message, bytes) else message.encode()

    async def write(self, data: bytes) -> bool:
        """Return when there is room for more: whether there was somebody to take it."""
        from websockets.exceptions import ConnectionClosed

        try:
            await self._websocket.send(data)
        except ConnectionClosed:
            return False
        return True

    async def send(self, frame: Frame) -> bool:
        return await self.write(frame.encode())

    async def frames(self) -> AsyncIterator[Frame]:
        """What comes, in frames, until the end. Raises MalformedStreamError."""
        while data := await self.read():
            for frame in self._reader.feed(data):
                yield frame

    async def close(self) -> None:
        await self._websocket.close()

    async def _greet(self, hello: JsonObject, where: str) -> None:
        await self.write(json.dumps(hello).encode() + b"\n")
        line = b""
        try:
            async with asyncio.timeout(_CONNECT):
                while b"\n" not in line:
                    piece = await self.read()
                    if not piece or len(line) > MAX_HELLO:
                        raise findings(ConnectEvidence(where, "the connection was closed"))[0]
                    line += piece
        except TimeoutError as error:
            raise findings(ConnectEvidence(where, "timed out"))[0] from error
        line, _, self._first = line.partition(b"\n")
        self.answer = read_line(line)
        problem: Any = self.answer.get("problem")
        if problem is not None:
            raise Problem.from_document(problem)


def read_line(line: bytes) -> JsonObject:
    """A line of JSON; nothing in it where it is none."""
    with contextlib.suppress(ValueError, RecursionError):
        found = json.loads(line)
        if isinstance(found, dict):
            return found
    return {}


def keep_alive(connection: Any) -> None:
    """Let the kernel find out within a minute that the machine at the other end has gone."""
    if connection is None or connection.family not in (socket.AF_INET, socket.AF_INET6):
        return
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in _KEEPALIVE:
        connection.setsockopt(socket.IPPROTO_TCP, option, value)
