"""The cloud's streams: a device is asked to come, and joined with whoever asked.

A ticket opens one end of one stream, once, for half a minute. The device learns what it is to do only when it has come
with its ticket and its own token, so that nobody who may call methods can make it open anything.
"""

from __future__ import annotations

import asyncio
import base64
import logging
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from hotori.hub.auth_chain import chain_to
from hotori.hub.hub import Hub
from hotori.hub.methods import MethodResult
from hotori.hub.own_token import judge_own_token
from hotori.hub.registry import Registry
from hotori.hub.streams.end import StreamDoor, StreamEnd, join
from hotori.hub.streams.order import METHOD, StreamKind, StreamOrder
from hotori.hub.streams.shell_record import ShellRecord
from hotori.model.identity import EDGE_AGENT, Identity
from hotori.model.json import JsonObject
from hotori.model.sas import SasToken
from hotori.problems import Problem
from hotori.problems.service import NOT_AN_EDGE_DEVICE
from hotori.problems.streams import STREAM_CUT, STREAM_TICKET_REFUSED, STREAM_UNSUPPORTED
from hotori.sdk.stream_frames import Frame, FrameKind, FrameReader, MalformedStreamError

TICKET_SECONDS = 30.0
_ANSWER_SECONDS = 60.0
_LOOK = 5.0
"""Seconds between two looks whether a device is still let in."""
_FINAL = (FrameKind.EXIT, FrameKind.PROBLEM)
_log = logging.getLogger(__name__)


class _Stream:
    """One stream, from its order to its end. `device` is there once it has come."""

    def __init__(self, order: StreamOrder) -> None:
        self.order = order
        self.device: StreamEnd | None = None
        self.over = asyncio.Event()


class Streams:
    """`ticket_seconds` is how long a caller may take to come; `chance` gives so many random bytes."""

    def __init__(
        self,
        hub: Hub,
        registry: Registry,
        chance: Callable[[int], bytes],
        ticket_seconds: float = TICKET_SECONDS,
    ) -> None:
        self._hub, self._registry, self._chance = hub, registry, chance
        self.ticket_seconds = ticket_seconds
        self._devices: dict[str, _Stream] = {}
        self._callers: dict[str, _Stream] = {}
        self.door = StreamDoor(self._serve)

    async def open(self, order: StreamOrder) -> str:
        """Have the device come; the ticket for the caller's end.

        Raises `device-unknown`, `not-an-edge-device`, `stream-unsupported`, MethodError, and what the device says.
        """
        stream = await self._call(order)
        ticket = self._ticket()
        self._callers[ticket] = stream
        asyncio.get_running_loop().call_later(self.ticket_seconds, self._expire, ticket)
        return ticket

    async def follow(self, order: StreamOrder) -> AsyncGenerator[Frame, None]:
        """The device's frames for somebody in this process. Raises as `open`, and `stream-cut`."""
        stream = await self._call(order)
        reader = FrameReader()
        try:
            while stream.device is not None and (data := await stream.device.read()):
                for frame in reader.feed(data):
                    yield frame
                    if frame.kind in _FINAL:
                        return
            raise Problem(STREAM_CUT, device=order.device)
        except MalformedStreamError as error:
            raise Problem(STREAM_CUT, str(error), device=order.device) from error
        finally:
            stream.over.set()

    async def close(self) -> None:
        """End all of them."""
        await self.door.close()

    async def _serve(self, end: StreamEnd) -> None:
        """Have one end until its stream is over."""
        try:
            hello = await end.hello()
            ticket = str(hello.get("ticket"))
            if caller := self._callers.pop(ticket, None):
                await self._join(caller, end)
            elif device := self._devices.get(ticket):
                await self._admit(device, ticket, end, hello)
            else:
                raise Problem(STREAM_TICKET_REFUSED, seconds=f"{self.ticket_seconds:g}")
        except Problem as problem:
            await end.refuse(problem)

    async def _call(self, order: StreamOrder) -> _Stream:
        """A stream whose device has come."""
        registration = await self._registry.get(Identity(order.device))
        if not registration.edge:
            raise Problem(NOT_AN_EDGE_DEVICE, device=order.device)
        stream, ticket = _Stream(order), self._ticket()
        self._devices[ticket] = stream
        agent = Identity(registration.identity.device, EDGE_AGENT)
        payload: JsonObject = {"schemaVersion": "1.0", "ticket": ticket}
        try:
            result = await self._hub.methods.invoke(agent, METHOD, payload, _ANSWER_SECONDS)
            if result.status != 200 or stream.device is None:
                raise _refusal(order.device, result)
        except BaseException:
            stream.over.set()
            raise
        finally:
            self._devices.pop(ticket, None)
        return stream

    async def _admit(self, stream: _Stream, ticket: str, end: StreamEnd, hello: JsonObject) -> None:
        """The device's end, by its own token or that of an edge device that it stands behind."""
        speaker = Identity.parse(str(hello.get("device")))
        token = SasToken.parse(str(hello.get("authorization")))
        hub = self._hub
        names = (hub.name, *hub.host_names)
        problem = await judge_own_token(token, speaker, self._registry, names, hub.clock())
        if problem is not None:
            raise problem
        await chain_to(Identity(stream.order.device), self._registry, speaker.device)
        if self._devices.pop(ticket, None) is None:
            raise Problem(STREAM_TICKET_REFUSED, seconds=f"{self.ticket_seconds:g}")
        stream.device = end
        await end.answer({"order": stream.order.document()})
        with self._recorded(stream.order):
            await self._until_over(stream)

    async def _until_over(self, stream: _Stream) -> None:
        """A device that was disabled or removed meanwhile has no streams any more."""
        while not stream.over.is_set():
            registration = await self._registry.find(Identity(stream.order.device))
            if registration is None or not registration.enabled:
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK):
                    await stream.over.wait()

    async def _join(self, stream: _Stream, end: StreamEnd) -> None:
        assert stream.device is not None, "a caller has a ticket once the device has come"
        try:
            if await end.answer({"order": stream.order.document()}):
                await join(stream.device, end)
        finally:
            stream.over.set()

    def _expire(self, ticket: str) -> None:
        if stream := self._callers.pop(ticket, None):
            stream.over.set()

    def _ticket(self) -> str:
        return base64.urlsafe_b64encode(self._chance(32)).decode()

    @contextmanager
    def _recorded(self, order: StreamOrder) -> Iterator[None]:
        """A shell is on record from its beginning to its end."""
        if order.kind is not StreamKind.SHELL:
            yield
            return
        record = ShellRecord(self._hub, order)
        record.opened()
        try:
            yield
        finally:
            record.closed()


def _refusal(device: str, result: MethodResult) -> Problem:
    """What the device said is wrong; a device that says nothing of the kind knows no streams."""
    problem: Any = result.payload.get("problem") if isinstance(result.payload, dict) else None
    if isinstance(problem, dict):
        try:
            return Problem.from_document(problem)  # type: ignore[arg-type]  # a document of somebody else
        except (KeyError, TypeError, ValueError, AttributeError):
            _log.warning("%s told of a problem that cannot be read", device)
    return Problem(STREAM_UNSUPPORTED, str(result.payload)[:300], device=device, status=result.status)
