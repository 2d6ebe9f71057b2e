"""The event stream: every message of the hub's devices, as server-sent events, from any place on."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Mapping
from datetime import datetime
from typing import Any

import msgspec
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from hotori.hub.consumer_groups import ConsumerGroup
from hotori.hub.event_filter import EventFilter, read_condition
from hotori.hub.events import Event, Events, Start
from hotori.hub.partitions import PARTITIONS, partition_of
from hotori.hub.service_api.answer import json_answer, no_content
from hotori.hub.service_api.call import Call, natural_number
from hotori.model.json import Json, JsonObject
from hotori.model.message_document import message_document
from hotori.problems import Problem
from hotori.problems.events import CONSUMER_GROUP_UNKNOWN, EVENT_MISSING
from hotori.problems.service import REQUEST_MALFORMED

KEEP_ALIVE = 15.0
"""Seconds after which a silent stream says that it is alive."""

_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
_ENDS: dict[str, Start] = {"latest": "latest", "earliest": "earliest"}
_GROUP = re.compile(r"[A-Za-z0-9$._-]{1,50}")


async def stream_events(call: Call) -> Response:
    """Events from `from` (latest, earliest, an offset or a time) or after `Last-Event-ID`.

    `device`, `module`, `output` and `filter`, a condition as in routes, choose. With `group`, the events of the
    partitions that fall to this reader, from the group's checkpoints on; `from` is where a new group begins.
    Raises `request-malformed`, `filter-invalid`.
    """
    query, events = call.request.query_params, call.deps.events
    chosen = read_filter(query)
    name = query.get("group")
    last_id = None if name else call.request.headers.get("last-event-id")
    place = await _place(events, read_start(query.get("from", "latest"), last_id))
    if name is None:
        return EventStream(events.follow(place), place, chosen)
    group = await call.deps.groups.open(_group_name(name), place)
    return EventStream(group.read(), place, chosen)


def read_filter(query: Mapping[str, str]) -> EventFilter:
    """Raises `filter-invalid`."""
    condition = query.get("filter")
    return EventFilter(
        query.get("device"), query.get("module"), query.get("output"), read_condition(condition) if condition else None
    )


async def list_groups(call: Call) -> Response:
    """The consumer groups with their checkpoints."""
    return json_answer([group_document(group) for group in call.deps.groups.all()])


async def checkpoint_group(call: Call) -> Response:
    """`{"partitions": {"0": offset}}`: the last event of each partition that the group is done with.

    Raises `consumer-group-unknown`, `request-malformed`.
    """
    name = str(call.request.path_params["group"])
    group = call.deps.groups.find(name)
    if group is None:
        raise Problem(CONSUMER_GROUP_UNKNOWN, name=name)
    partitions = (await call.object()).get("partitions")
    if not isinstance(partitions, dict):
        raise Problem(REQUEST_MALFORMED, reason="partitions is an object of partitions and offsets")
    await group.checkpoint(dict(_next_offset(call, *item) for item in partitions.items()))
    return json_answer(group_document(group))


async def delete_group(call: Call) -> Response:
    """Raises `consumer-group-unknown`."""
    name = str(call.request.path_params["group"])
    if not await call.deps.groups.delete(name):
        raise Problem(CONSUMER_GROUP_UNKNOWN, name=name)
    return no_content()


def group_document(group: ConsumerGroup) -> JsonObject:
    checkpoints: JsonObject = {str(partition): offset for partition, offset in sorted(group.checkpoints.items())}
    return {"group": group.name, "next": checkpoints, "readers": len(group.readers), "lag": group.lag()}


def _next_offset(call: Call, partition: str, offset: Json) -> tuple[int, int]:
    number = natural_number(partition)
    counted = isinstance(offset, int) and not isinstance(offset, bool) and 0 <= offset < call.deps.events.next
    if number is None or number >= PARTITIONS or not isinstance(offset, int) or not counted:
        raise Problem(REQUEST_MALFORMED, reason=f"{partition}: {offset} is no partition with the offset of an event")
    return number, offset + 1


def _group_name(name: str) -> str:
    if not _GROUP.fullmatch(name):
        raise Problem(REQUEST_MALFORMED, reason="group has letters, digits, $ . _ and -, 50 at most")
    return name


async def _place(events: Events, start: Start | datetime) -> int:
    if isinstance(start, datetime):
        return await events.offset_at(start.timestamp())
    return events.next if start == "latest" else events.first if start == "earliest" else start


async def get_event(call: Call) -> Response:
    """The event at an offset, or the first after it that is kept. Raises `event-missing`."""
    text = str(call.request.path_params["offset"])
    if (offset := natural_number(text)) is None:
        raise Problem(REQUEST_MALFORMED, reason="an event is named by its offset, a whole number")
    found = await call.deps.events.read(offset, 1)
    if not found:
        raise Problem(EVENT_MISSING, offset=offset, next=call.deps.events.next)
    return json_answer(event_document(found[0]))


def read_start(text: str, last_id: str | None) -> Start | datetime:
    """Where to begin: after the last event that the client had, else where it asks. Raises `request-malformed`."""
    if last_id is not None and (last := natural_number(last_id.removeprefix("-"))) is not None:
        return 0 if last_id.startswith("-") else last + 1
    if text in _ENDS:
        return _ENDS[text]
    if (offset := natural_number(text)) is not None:
        return offset
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise Problem(
            REQUEST_MALFORMED,
            reason="from is latest, earliest, the offset of an event or a time such as 2027-02-01T12:00:00Z",
        )
    return moment


def event_document(event: Event) -> JsonObject:
    """An event as JSON. The body is a value if the sender says that it is JSON and it is; else base64."""
    return {"offset": event.offset, "partition": partition_of(event.message), **message_document(event.message)}


class EventStream(Response):
    """Sends events until the client leaves or the server stops.

    The first thing sent is the id before the place where it begins: a client that loses the connection before
    its first event so resumes from there all the same.
    """

    media_type = "text/event-stream"

    def __init__(self, events: AsyncGenerator[list[Event], None], place: int, chosen: EventFilter) -> None:
        super().__init__(None, headers=_HEADERS)
        del self.headers["content-length"]
        self._events = events
        self._last = place - 1
        self._chosen = chosen

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        await _send(send, b"id: %d\n\n" % self._last)
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
                    await _send(send, b": alive\nid: %d\n\n" % self._last)
                if upcoming.done() and not left.done():
                    await self._send_events(send, upcoming.result())
            finally:
                upcoming.cancel()
                await asyncio.gather(upcoming, return_exceptions=True)

    async def _send_events(self, send: Send, events: list[Event]) -> None:
        self._last = events[-1].offset
        takes = self._chosen.takes
        chosen = events if self._chosen.takes_all else [event for event in events if takes(event.message)]
        if chosen:
            await _send(send, b"".join([event.sent or _frame(event) for event in chosen]))


def _frame(event: Event) -> bytes:
    """The event as streams send it, made for the first of them."""
    event.sent = b"id: %d\ndata: %b\n\n" % (event.offset, msgspec.json.encode(event_document(event)))
    return event.sent


async def _wait(upcoming: asyncio.Future[list[Event]], left: asyncio.Future[None]) -> bool:
    """Whether anything happened before the client must hear that the stream is alive."""
    waited: set[asyncio.Future[Any]] = {upcoming, left}
    done, _ = await asyncio.wait(waited, timeout=KEEP_ALIVE, return_when=asyncio.FIRST_COMPLETED)
    return bool(done)


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _send(send: Send, data: bytes) -> None:
    await send({"type": "http.response.body", "body": data, "more_body": True})
