"""One local identity's connection to the hub above: its messages go up, its twin is mirrored, calls come down."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial

from hotori.hub.auth_chain import chain_to
from hotori.hub.directory import DirectoryNotReadyError
from hotori.hub.hub import Hub
from hotori.hub.lane import Item
from hotori.hub.meters import SAMPLED
from hotori.hub.methods import MethodError, MethodTimeoutError
from hotori.hub.mirror import adopted, confirmed, desired_adopted, unconfirmed
from hotori.hub.pace import Pace
from hotori.hub.queue import Queue
from hotori.hub.queues import upstream_endpoint
from hotori.model.identity import EDGE_HUB, Identity
from hotori.model.json import Json, JsonObject
from hotori.model.message import Message
from hotori.model.sas import sign
from hotori.problems import Problem
from hotori.problems.connections import MESSAGE_TOO_LARGE
from hotori.problems.identity import HUB_NOT_READY, IDENTITY_UNKNOWN
from hotori.sdk.connection import HubConnection
from hotori.sdk.endpoint import Endpoint, EndpointSource
from hotori.sdk.link import ConnectionOptions
from hotori.sdk.method_answer import MethodHandler
from hotori.sdk.twin_requests import TwinDocument

WINDOW = 64
"""Messages of one sender that were taken from its queue and are not acknowledged from above."""
LONGEST_METHOD = 300.0
LIVE_SECONDS = 10.0
"""A message that waited longer than this is one of a backlog, and leaves at the pace of catching up."""
_SUBSCRIBING_SECONDS = 2.0
"""How long a client that has just connected may take until it takes calls."""
_AGAIN_SECONDS = 5.0
_AHEAD_SECONDS = 0.02
"""How far ahead of the pace a sender may run, so that it need not sleep for every message."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Above:
    """Where the hub above is reached and how, its name in user names and tokens, and how fast a backlog goes up.

    The edge hub's own connection dials `endpoint`; all others dial `behind`.
    """

    endpoint: Endpoint | EndpointSource
    behind: EndpointSource
    hub: str
    options: ConnectionOptions
    pace: Pace


class Tether:
    """Open from construction until `close`. What cannot be sent now stays in the queue, and goes later in order."""

    def __init__(self, hub: Hub, above: Above, identity: Identity, method_handler: MethodHandler | None = None) -> None:
        self.identity = identity
        self.queue: Queue = hub.queues.queue(upstream_endpoint(identity))
        self.synced = asyncio.Event()
        assert hub.device is not None, "only an edge device's hub has one above it"
        self._hub, self._above = hub, above
        self._speaker = Identity(hub.device, EDGE_HUB)
        self.connection = self._make_connection()
        self._out: set[Item] = set()
        self._woken = asyncio.Event()
        self._stale = asyncio.Event()
        self._unread = True
        self._closed = False
        self.connection.on_connected(self._connected)
        self.connection.on_desired(self._desired_changed)
        self.connection.on_method(method_handler or self._call)
        if identity.module is None:
            self.connection.on_c2d(partial(hub.send_to_device, identity.device))
        self.connection.start()
        self._tasks = [asyncio.create_task(self._persist(work)) for work in (self._forward, self._mirror)]
        self.report()

    @property
    def idle(self) -> bool:
        """Whether nothing waits to go up."""
        return not len(self.queue)

    def wake(self) -> None:
        """Something waits to go up."""
        self._woken.set()

    def report(self) -> None:
        """The reported properties here have changed."""
        self._stale.set()

    async def close(self) -> None:
        """Hang up; what was not acknowledged goes back into the queue."""
        self._closed = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.connection.close()
        for item in self._out:
            self.queue.give_back(item)
        self._out.clear()

    def _make_connection(self) -> HubConnection:
        """The edge hub's own, or one on behalf of somebody, with the edge hub's token (contract 11.3)."""
        above = self._above
        if self.identity == self._speaker:
            return HubConnection(above.endpoint, above.hub, self.identity, self._token, above.options)
        return HubConnection(above.behind, above.hub, self.identity, self._token, above.options, self._chain)

    async def _token(self, expiry: int) -> str:
        try:
            registration = await self._hub.directory.find(self._speaker)
        except DirectoryNotReadyError as error:
            raise _not_ready(self._speaker, error) from error
        if registration is None:
            raise Problem(IDENTITY_UNKNOWN, identity=self._speaker)
        return sign(f"{self._above.hub}/{self._speaker.path()}", registration.primary, expiry)

    async def _chain(self) -> str:
        try:
            return str(await chain_to(self.identity, self._hub.directory, self._speaker.device))
        except DirectoryNotReadyError as error:
            raise _not_ready(self.identity, error) from error

    async def _persist(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do it for ever; what fails is said and tried again."""
        while True:
            try:
                await work()
            except Problem as problem:
                logger.warning("%s is not in step with the cloud: %s", self.identity, problem)
                await asyncio.sleep(_AGAIN_SECONDS)
            except Exception:  # the guard of both loops of this tether
                logger.exception("%s could not be served", self.identity)
                await asyncio.sleep(_AGAIN_SECONDS)

    async def _forward(self) -> None:
        """Post what waits, in order; when half of the window is free, as much as there is room for."""
        await self.connection.wait_connected()
        self._woken.clear()
        while len(self._out) <= WINDOW // 2 and (items := self._take(WINDOW - len(self._out))):
            await self._post_all(items)
        await self._woken.wait()

    def _take(self, most: int) -> list[Item]:
        items: list[Item] = []
        while len(items) < most and (item := self.queue.take(self._hub.clock())) is not None:
            items.append(item)
        return items

    async def _post_all(self, items: list[Item]) -> None:
        """Post the items, each when it is its turn; those that were not posted go back."""
        waiting = deque(items)
        try:
            for message in await self._hub.queues.load_each(items):
                await self._take_turn(message)
                self._post(waiting[0], message)
                waiting.popleft()
        except BaseException:
            for item in waiting:
                self.queue.give_back(item)
            raise

    def _post(self, item: Item, message: Message | None) -> None:
        arrived = self._sent(message) if message else None
        if arrived is None:
            logger.error("A message of %s cannot go up and is dropped", self.identity)
            self.queue.drop(item)
        else:
            self._out.add(item)
            arrived.add_done_callback(partial(self._arrived, item))
            if not item.offset % SAMPLED:
                arrived.add_done_callback(partial(self._time, asyncio.get_running_loop().time()))

    def _sent(self, message: Message) -> asyncio.Future[None] | None:
        """Begin to send it; None where it can never be sent."""
        try:
            return self.connection.post(message)
        except Problem as problem:
            if problem.kind is not MESSAGE_TOO_LARGE:
                raise
            return None

    async def _take_turn(self, message: Message | None) -> None:
        """What is fresh goes at once; what is of a backlog when its turn has come."""
        if message is None or message.enqueued_at >= self._hub.clock() - LIVE_SECONDS:
            return
        wait = self._above.pace.turn(asyncio.get_running_loop().time())
        if wait > _AHEAD_SECONDS:
            await asyncio.sleep(wait)

    def _time(self, began: float, arrived: asyncio.Future[None]) -> None:
        """Observe one message's way up."""
        if not arrived.cancelled() and arrived.exception() is None:
            self._hub.meters.sent(self.queue.endpoint, asyncio.get_running_loop().time() - began)

    def _arrived(self, item: Item, arrived: asyncio.Future[None]) -> None:
        """Off the books only once the hub above has it durably."""
        failed = arrived.cancelled() or arrived.exception() is not None
        if self._closed:
            return
        self._out.discard(item)
        if failed:
            self._hub.meters.retry(self.identity, "send")
            self.queue.give_back(item)
        else:
            self.queue.deliver(item)
        self.wake()

    async def _connected(self) -> None:
        """Changes may have been missed."""
        self._unread = True
        self._stale.set()

    async def _mirror(self) -> None:
        """Bring both copies of the twin together, once they may differ."""
        await self._stale.wait()
        await self.connection.wait_connected()
        try:
            await self._exchange()
        except BaseException:
            self._stale.set()
            self._hub.meters.sync(self.identity, failed=True)
            raise
        self._hub.meters.sync(self.identity, failed=False)

    async def _exchange(self) -> None:
        """Read the twin if it may have changed, and send what was reported meanwhile."""
        self._stale.clear()
        twins, clock = self._hub.twins, self._hub.clock
        if self._unread:
            self._unread = False
            document = await self._read()
            await twins.rewrite(
                self.identity, lambda record: adopted(record, document.desired, document.reported, clock())
            )
            self.synced.set()
        record = await twins.peek(self.identity)
        patch = unconfirmed(record)
        if patch:
            await self.connection.report(patch)
            await twins.rewrite(self.identity, lambda now: confirmed(now, record.twin.reported.values))

    async def _read(self) -> TwinDocument:
        try:
            document = await self.connection.twin()
        except BaseException:
            self._unread = True
            raise
        known = self.connection.desired
        newer = known is not None and known.version > document.desired.version
        return replace(document, desired=known) if known is not None and newer else document

    async def _desired_changed(self, patch: JsonObject, version: int) -> None:
        desired = self.connection.desired
        if desired is not None:
            await self._hub.twins.rewrite(
                self.identity, lambda record: desired_adopted(record, desired, self._hub.clock()), patch
            )

    async def _call(self, name: str, payload: Json) -> tuple[int, Json]:
        try:
            grace = _SUBSCRIBING_SECONDS if self._hub.sessions.connected(self.identity) else 0.0
            result = await self._hub.methods.invoke(self.identity, name, payload, LONGEST_METHOD, grace)
        except MethodError as error:
            return (504 if isinstance(error, MethodTimeoutError) else 404), {"message": str(error)}
        return result.status, result.payload


def _not_ready(identity: Identity, error: DirectoryNotReadyError) -> Problem:
    return Problem(HUB_NOT_READY, identity=identity, reason=str(error) or "it was just started")
