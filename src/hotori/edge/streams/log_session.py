"""A module's log as it is written, over its stops, restarts and replacements."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, replace

from hotori.edge.log_request import LogFilter
from hotori.edge.streams.race import first_of
from hotori.edge.streams.sieve import Sieve
from hotori.model.json import Json
from hotori.problems import Problem
from hotori.problems.modules import MODULE_UNKNOWN
from hotori.problems.streams import STREAM_IDLE
from hotori.runtimes.module_runtime import ModuleObservation, ModuleRuntime, ModuleState
from hotori.sdk.stream import StreamConnection
from hotori.sdk.stream_frames import Frame, FrameKind, data_frames

_LOOK = 0.3
"""Seconds between two looks at a module that does not run."""
_STRANGE = 5.0
"""Seconds after which a log that ended, while its module has not, is taken up again."""
_EARLY_WORDS = 0.05
_SETTLED = 0.3
_LONGEST_SETTLING = 5.0


@dataclass(frozen=True, slots=True)
class LogSession:
    """`modules` are those of the deployment: one that is not among them any more is waited for no longer. A caller who
    takes nothing for `idle` seconds is left."""

    runtime: ModuleRuntime
    module: str
    chosen: LogFilter
    modules: Callable[[], Iterable[str]]
    clock: Callable[[], float]
    idle: float

    async def run(self, connection: StreamConnection) -> None:
        await first_of(self._listen(connection), self._follow(connection))

    async def _listen(self, connection: StreamConnection) -> None:
        """A caller says nothing, but that it goes."""
        while await connection.read():
            pass

    async def _follow(self, connection: StreamConnection) -> None:
        seen, since, chosen = await self._seen(), 0.0, self.chosen
        while True:
            if seen is not None:
                await self._copy(connection, chosen, since)
            ended = self.clock()
            following = await self._next(connection, seen)
            since = _since(seen, following, ended)
            chosen, seen = replace(chosen, tail=None), following

    async def _copy(self, connection: StreamConnection, chosen: LogFilter, since: float) -> None:
        """One run of the module, from what there is of it on."""
        sieve = Sieve(chosen)
        source = self.runtime.follow(self.module, None if chosen.tail is None else chosen.lines_needed, since)
        pieces = _Pieces(source)
        try:
            if chosen.tail is not None and chosen.sifts:
                await self._send(connection, await _last_lines(pieces, sieve, chosen.tail))
            while piece := await pieces.take():
                await self._send(connection, sieve.feed(piece))
            await self._send(connection, sieve.rest())
        except Problem as problem:
            if problem.kind is not MODULE_UNKNOWN:  # it is just being replaced, or was removed: `_next` finds out
                raise
        finally:
            await pieces.close()

    async def _next(self, connection: StreamConnection, last: ModuleObservation | None) -> ModuleObservation:
        """The module once it has begun another run. Raises `module-unknown` where it was removed for good."""
        told, began = False, self.clock()
        while True:
            seen = await self._seen()
            if seen is not None and seen.started_at and (last is None or seen.started_at != last.started_at):
                await self._tell(connection, {"event": "started"})
                return seen
            if seen is not None and seen.state is ModuleState.RUNNING:
                if self.clock() - began > _STRANGE:
                    return replace(seen, exited_at=0.0)
            elif not told:
                await self._tell(connection, _waiting(seen))
                told = True
            names = set(self.modules())
            if seen is None and self.module not in names:
                raise Problem(MODULE_UNKNOWN, module=self.module, modules=", ".join(sorted(names)) or "-")
            await asyncio.sleep(_LOOK)

    async def _seen(self) -> ModuleObservation | None:
        return next((seen for seen in await self.runtime.observe() if seen.name == self.module), None)

    async def _tell(self, connection: StreamConnection, note: dict[str, Json]) -> None:
        await connection.send(Frame.of(FrameKind.NOTE, {**note, "module": self.module}))

    async def _send(self, connection: StreamConnection, text: bytes) -> None:
        try:
            async with asyncio.timeout(self.idle):
                for frame in data_frames(FrameKind.DATA, text):
                    await connection.send(frame)
        except TimeoutError as error:
            raise Problem(STREAM_IDLE, module=self.module, minutes=f"{self.idle / 60:g}") from error


class _Pieces:
    """A log that may be waited for with patience or without, and loses nothing by it."""

    def __init__(self, source: AsyncIterator[bytes]) -> None:
        self._source = source
        self._next: asyncio.Future[bytes] | None = None

    async def take(self, seconds: float | None = None) -> bytes | None:
        """The next piece; no bytes at the end, None where none came in time."""
        if self._next is None:
            self._next = asyncio.ensure_future(anext(self._source, b""))
        done, _ = await asyncio.wait({self._next}, timeout=seconds)
        if not done:
            return None
        found, self._next = self._next.result(), None
        return found

    async def close(self) -> None:
        if self._next is not None:
            self._next.cancel()
            await asyncio.gather(self._next, return_exceptions=True)
        await self._source.aclose()  # type: ignore[attr-defined]  # runtimes make generators


async def _last_lines(pieces: _Pieces, sieve: Sieve, count: int) -> bytes:
    """The last chosen lines of what there is. Runtimes do not say where that ends; a pause does."""
    lines: deque[bytes] = deque(maxlen=count)
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _LONGEST_SETTLING
    while (left := deadline - loop.time()) > 0 and (piece := await pieces.take(min(_SETTLED, left))):
        lines.extend(sieve.feed(piece).splitlines(keepends=True))
    return b"".join(lines)


def _since(last: ModuleObservation | None, following: ModuleObservation, ended: float) -> float:
    """A time between the last word of one run and the first of the next; `ended` is when the last word was passed on.

    Where the runtime still knows when the run ended, it is that. Else the next may have begun before we knew, and its
    first words may bear a time a little before its start's.
    """
    if 0 < following.exited_at <= following.started_at:
        return min(following.exited_at, ended)
    again = last is not None and last.started_at == following.started_at
    return ended if again else min(ended, following.started_at - _EARLY_WORDS)


def _waiting(seen: ModuleObservation | None) -> dict[str, Json]:
    if seen is None:
        return {"event": "waiting", "state": "absent"}
    return {"event": "waiting", "state": seen.state.value, "exitCode": seen.exit_code}
