"""A shell in a module, between its program and whoever asked for it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from hotori.edge.streams.race import first_of
from hotori.hub.streams.order import StreamOrder
from hotori.model.json import JsonObject
from hotori.problems import Problem
from hotori.problems.service import REQUEST_MALFORMED
from hotori.problems.streams import STREAM_IDLE
from hotori.runtimes.shell import STANDARD_SHELL, Channel, Shell, ShellOpener, ShellRequest
from hotori.sdk.stream import StreamConnection
from hotori.sdk.stream_frames import Frame, FrameKind, MalformedStreamError, data_frames

_WIDEST = 10_000


@dataclass(slots=True)
class ShellSession:
    """Ends with the program, with the caller, or after `idle` seconds in which nothing moved."""

    shells: ShellOpener
    order: StreamOrder
    idle: float
    _moved: float = field(default=0.0, init=False)

    async def run(self, connection: StreamConnection) -> None:
        order = self.order
        request = ShellRequest(order.command or STANDARD_SHELL, order.terminal, order.columns, order.rows, order.term)
        shell = await self.shells.shell(order.module, request)
        try:
            self._move()
            await first_of(self._inward(shell, connection), self._outward(shell, connection), self._watch())
        finally:
            # Whoever ends this must not keep the program from being ended.
            await asyncio.shield(shell.close())

    async def _inward(self, shell: Shell, connection: StreamConnection) -> None:
        """What is typed, until the caller has gone."""
        try:
            async for frame in connection.frames():
                self._move()
                await self._take(shell, frame)
        except MalformedStreamError as error:
            raise Problem(REQUEST_MALFORMED, reason=str(error)) from error

    async def _take(self, shell: Shell, frame: Frame) -> None:
        match frame.kind:
            case FrameKind.DATA:
                await shell.write(frame.payload)
                self._move()
            case FrameKind.END_OF_INPUT:
                await shell.write_end()
            case FrameKind.SIZE:
                columns, rows = _size(frame.document())
                await shell.resize(columns, rows)
            case _:
                raise MalformedStreamError(f"a frame {frame.kind.name} from a caller")

    async def _outward(self, shell: Shell, connection: StreamConnection) -> None:
        """What is written, and the exit status."""
        while True:
            channel, piece = await shell.read()
            if not piece:
                break
            kind = FrameKind.ERRORS if channel is Channel.ERRORS else FrameKind.DATA
            for frame in data_frames(kind, piece):
                if not await connection.send(frame):
                    return
                self._move()
        await connection.send(Frame.of(FrameKind.EXIT, {"status": await shell.wait()}))

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        while (left := self._moved + self.idle - loop.time()) > 0:  # noqa: ASYNC110 - it moves
            await asyncio.sleep(left)
        raise Problem(STREAM_IDLE, module=self.order.module, minutes=f"{self.idle / 60:g}")

    def _move(self) -> None:
        self._moved = asyncio.get_running_loop().time()


def _size(document: JsonObject) -> tuple[int, int]:
    """Columns and rows. Raises MalformedStreamError."""
    columns, rows = document.get("columns"), document.get("rows")
    for number in (columns, rows):
        if isinstance(number, bool) or not isinstance(number, int) or not 1 <= number <= _WIDEST:
            raise MalformedStreamError("a terminal's size is two numbers")
    assert isinstance(columns, int), "it was looked at"
    assert isinstance(rows, int), "it was looked at"
    return columns, rows
