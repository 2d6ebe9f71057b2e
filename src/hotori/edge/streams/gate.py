"""Streams of edge devices behind this one: handed on to the hub above, byte for byte, as far as both take them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from hotori.edge.streams.way_up import WayUp
from hotori.hub.auth_chain import judge_place
from hotori.hub.credentials import Refusal
from hotori.hub.directory import Directory, DirectoryNotReadyError
from hotori.hub.own_token import judge_own_token
from hotori.hub.streams.end import StreamDoor, StreamEnd, join
from hotori.model.identity import Identity
from hotori.model.json import JsonObject
from hotori.model.sas import SasToken
from hotori.problems import Problem
from hotori.problems.identity import HUB_NOT_READY
from hotori.problems.streams import STREAMS_FULL
from hotori.sdk.stream import StreamConnection

MOST_THROUGH = 100


@dataclass(frozen=True, slots=True)
class StreamGate:
    """`device` is this edge device, `names` are its hub's; at most `most` streams go through at a time."""

    book: Directory
    device: str
    names: tuple[str, ...]
    way: WayUp
    clock: Callable[[], float]
    most: int = MOST_THROUGH
    _through: set[StreamEnd] = field(default_factory=set)

    def door(self) -> StreamDoor:
        return StreamDoor(self._serve)

    async def _serve(self, end: StreamEnd) -> None:
        self._through.add(end)
        try:
            above = await self._open(end)
        except DirectoryNotReadyError as error:
            reason = str(error) or "it has just been started"
            await end.refuse(Problem(HUB_NOT_READY, identity="an edge device", reason=reason))
        except Problem as problem:
            await end.refuse(problem)
        else:
            try:
                if await end.answer(above.answer):
                    await join(above, end)
            finally:
                await above.close()
        finally:
            self._through.discard(end)

    async def _open(self, end: StreamEnd) -> StreamConnection:
        if len(self._through) > self.most:
            raise Problem(STREAMS_FULL, device=self.device, most=self.most)
        hello = await end.hello()
        await self._authorize(hello)
        return await self.way.dial(str(hello.get("ticket")))

    async def _authorize(self, hello: JsonObject) -> None:
        """By the token of an edge device directly behind this one; the ticket is for the cloud to know."""
        child = Identity.parse(str(hello.get("device")))
        token = SasToken.parse(str(hello.get("authorization")))
        problem = await judge_own_token(token, child, self.book, self.names, self.clock())
        if problem is not None:
            raise problem
        refusal = await judge_place(child, self.book, self.device)
        if isinstance(refusal, Refusal):
            raise refusal.problem
