"""The page of a module, with its log as it is written (server-sent events)."""

from __future__ import annotations

import asyncio
import codecs
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from hotori.hub.service_api.errors import HANDLED, translated
from hotori.model.identity import Identity
from hotori.portal.dependencies import PortalDependencies
from hotori.portal.live import event
from hotori.portal.pages import Pages, language_of
from hotori.portal.words import Phrases
from hotori.problems import Language, Problem
from hotori.sdk.stream_frames import Frame, FrameKind

_BEAT = 15.0
"""Seconds of silence after which a comment tells proxies and browsers that the stream is alive."""


class ModuleLog:
    """What a module writes goes on until the reader leaves; a problem is the last that is sent."""

    def __init__(self, cloud: PortalDependencies, pages: Pages) -> None:
        self._cloud, self._pages = cloud, pages

    async def page(self, request: Request) -> Response:
        module = await self._module(request)
        if module is None:
            return self._pages.not_found(request)
        return self._pages.page(request, "module.html", device=module.device, module=module.module)

    async def stream(self, request: Request) -> Response:
        module = await self._module(request)
        if module is None:
            return Response(status_code=404, headers={"Cache-Control": "no-store"})
        events = self._events(module, language_of(request))
        return StreamingResponse(events, media_type="text/event-stream", headers={"Cache-Control": "no-store"})

    async def _module(self, request: Request) -> Identity | None:
        """The module that the address names, if its device is registered."""
        names = request.path_params
        try:
            module = Identity(names["device"], names["module"])
        except Problem:
            return None
        return module if await self._cloud.devices.find(module.parent()) is not None else None

    async def _events(self, module: Identity, language: Language) -> AsyncIterator[str]:
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        # A browser shows that it is connected once something has come.
        yield ": follows\n\n"
        try:
            async with aclosing(_with_beats(self._cloud.follow_log(module))) as frames:
                async for frame in frames:
                    if frame is None:
                        yield ": beat\n\n"
                    elif frame.kind is FrameKind.DATA:
                        yield event("text", msgspec.json.encode(decoder.decode(frame.payload)).decode())
                    elif frame.kind is FrameKind.NOTE:
                        yield event("text", msgspec.json.encode(_note(frame, language)).decode())
        except HANDLED as error:
            problem = translated(error)
            words = [problem.title(language), problem.cause(language), problem.remedy(language)]
            yield event("problem", msgspec.json.encode(words).decode())


async def _with_beats(frames: AsyncGenerator[Frame, None]) -> AsyncGenerator[Frame | None, None]:
    """The frames, and None now and then while there are none. Raises the problem that a device ends with."""
    async with aclosing(frames):
        pending = asyncio.ensure_future(anext(frames))
        try:
            while True:
                done, _ = await asyncio.wait({pending}, timeout=_BEAT)
                if not done:
                    yield None
                    continue
                frame = pending.result()
                if frame.kind is FrameKind.PROBLEM:
                    raise frame.problem()
                yield frame
                pending = asyncio.ensure_future(anext(frames))
        finally:
            pending.cancel()
            await asyncio.gather(pending, return_exceptions=True)


def _note(frame: Frame, language: Language) -> str:
    """A line about the module among its own."""
    document, say = frame.document(), Phrases(language)
    if document.get("event") == "started":
        return f"--- {say('module-started')}\n"
    return f"--- {say('module-waited-for', state=say.known(str(document.get('state'))))}\n"
