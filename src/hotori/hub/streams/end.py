"""One of the two websockets of a stream, as the program sees it that joins them."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable
from typing import Protocol

from hotori.model.json import JsonObject
from hotori.net.websocket import Tunnel
from hotori.problems import Problem
from hotori.problems.service import REQUEST_MALFORMED
from hotori.sdk.stream import MAX_HELLO, PATH, SUBPROTOCOL, keep_alive, read_line

PIECE = 64 * 1024
"""The most that is read at once, and twice that waits at each end for somebody to take it."""
_PATIENCE = 10.0


class Flow(Protocol):
    """Where bytes come from and go to; both wait where the other side is slow."""

    async def read(self) -> bytes:
        """What comes next; nothing at the end."""
        ...

    async def write(self, data: bytes) -> bool:
        """Whether there was somebody to take it."""
        ...


class StreamEnd:
    """Somebody who dialled in."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        keep_alive(writer.get_extra_info("socket"))

    async def hello(self) -> JsonObject:
        """The first line. Raises `request-malformed` where none comes in time."""
        try:
            async with asyncio.timeout(_PATIENCE):
                line = await self._reader.readuntil(b"\n")
        except (TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
            raise Problem(REQUEST_MALFORMED, reason="a stream begins with a line of JSON") from error
        return read_line(line) if len(line) <= MAX_HELLO else {}

    async def answer(self, document: object) -> bool:
        return await self.write(json.dumps(document).encode() + b"\n")

    async def refuse(self, problem: Problem) -> None:
        await self.answer({"problem": problem.document()})

    async def read(self) -> bytes:
        try:
            return await self._reader.read(PIECE)
        except ConnectionError:
            return b""

    async def write(self, data: bytes) -> bool:
        try:
            self._writer.write(data)
            await self._writer.drain()
        except ConnectionError:
            return False
        return True

    def close(self) -> None:
        """What was written is sent first."""
        self._writer.close()


class StreamDoor:
    """Where streams come in, at a path of the hub's HTTPS. `serve` has one until it returns."""

    def __init__(self, serve: Callable[[StreamEnd], Awaitable[None]]) -> None:
        self._serve = serve
        self._tasks: set[asyncio.Task[None]] = set()

    def tunnel(self) -> Tunnel:
        return Tunnel(PATH, SUBPROTOCOL, self._protocol)

    async def close(self) -> None:
        """End all of them."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _protocol(self) -> asyncio.Protocol:
        return asyncio.StreamReaderProtocol(asyncio.StreamReader(limit=PIECE), self._enter)

    def _enter(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._have(StreamEnd(reader, writer)), name="stream")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _have(self, end: StreamEnd) -> None:
        try:
            await self._serve(end)
        finally:
            end.close()


async def join(first: Flow, second: Flow) -> None:
    """Pass on what each of them says until either has ended; all that the one said who ended has then been passed."""
    both = [asyncio.create_task(_pump(*pair)) for pair in ((first, second), (second, first))]
    try:
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in both:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*both)


async def _pump(source: Flow, target: Flow) -> None:
    while data := await source.read():
        if not await target.write(data):
            return
