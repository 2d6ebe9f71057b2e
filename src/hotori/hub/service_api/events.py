"""The event stream: every message of the hub's devices, as server-sent events, from any place on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import msgspec
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from hotori.hub.events import Event, Start
from hotori.hub.service_api.answer import json_answer
from hotori.hub.service_api.call import Call
from hotori.model.json import JsonObject
from hotori.model.message_document import message_document
from hotori.problems import Problem
from hotori.problems.events import EVENT_MISSING
from hotori.problems.service import REQUEST_MALFORMED

KEEP_ALIVE = 15.0
"""Seconds after which a silent stream says that it is alive."""

_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
_ENDS: dict[str, Start] = {"latest": "latest", "earliest": "earliest"}
_ALIVE = b": alive\n\n"


async def stream_events(call: Call) -> Response:
    """Events from `from` (latest, earliest or an offset) or after `Last-Event-ID`; of one `device` if named."""
    query, events = call.request.query_params, call.deps.events
    start = read_start(query.get("from", "latest"), call.request.headers.get("last-event-id"))
    place = events.next if start == "latest" else events.first if start == "earliest" else start
    return EventStream(events.subscribe(place), place, query.get("device"))


async def get_event(call: Call) -> Response:
    """The event at an offset, or the first after it that is kept. Raises `event-missing`."""
    offset = int(call.request.path_params["offset"])
    found = await call.deps.events.read(offset, 1)
    if not found:
        raise Problem(EVENT_MISSING, offset=offset, next=call.deps.events.next)
    return json_answer(event_document(found[0]))


def read_start(text: str, last_id: str | None) -> Start:
    """Where to begin: after the last event that the client had, else where it asks. Raises `request-malformed`."""
    if last_id is not None and last_id.removeprefix("-").isdecimal():
        return max(0, int(last_id) + 1)
    if text in _ENDS:
        return _ENDS[text]
    if not (text.isascii() and text.isdecimal()):
        raise Problem(REQUEST_MALFORMED, reason="from is latest, earliest or the offset of an event")
    return int(text)


def event_document(event: Event) -> JsonObject:
    """An event as JSON. The body is a value if the sender says that it is JSON and it is; else base64."""
    return {"offset": event.offset, **message_document(event.message)}


class EventStream(Response):
    """Sends events until the client leaves or the server stops.

    The first thing sent is the id before the place where it begins: a client that loses the connection before
    its first event so resumes from there all the same.
    """

    media_type = "text/event-stream"

    def __init__(self, events: AsyncGenerator[Event, None], place: int, device: str | None) -> None:
        super().__init__(None, headers=_HEADERS)
        del self.headers["content-length"]
        self._events = events
        self._place = place
        self._device = device

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        await _send(send, f"id: {self._place - 1}\n\n".encode())
        left = asyncio.ensure_future(_left(receive))
        try:
            await self._follow(left, send)
        finally:
            left.cancel()
            await self._events.aclose()

    async def _follow(self, left: asyncio.Future[None], send: Send) -> None:
        while not left.done():
            upcoming = asyncio.ensure_future(anext(self._events))
            try:
                while not await _wait(upcoming, left):
                    await _send(send, _ALIVE)
                if upcoming.done() and not left.done():
                    await self._send_event(send, upcoming.result())
            finally:
                upcoming.cancel()
                await asyncio.gather(upcoming, return_exceptions=True)

    async def _send_event(self, send: Send, event: Event) -> None:
        sender = event.message.sender
        if self._device is None or (sender is not None and sender.device == self._device):
            data = msgspec.json.encode(event_document(event))
            await _send(send, b"id: %d\ndata: %b\n\n" % (event.offset, data))


async def _wait(upcoming: asyncio.Future[Event], left: asyncio.Future[None]) -> bool:
    """Whether anything happened before the client must hear that the stream is alive."""
    waited: set[asyncio.Future[Any]] = {upcoming, left}
    done, _ = await asyncio.wait(waited, timeout=KEEP_ALIVE, return_when=asyncio.FIRST_COMPLETED)
    return bool(done)


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _send(send: Send, data: bytes) -> None:
    await send({"type": "http.response.body", "body": data, "more_body": True})
