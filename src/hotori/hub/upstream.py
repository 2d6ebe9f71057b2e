"""An edge hub's side towards the hub above: a tether for every local identity that needs one."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace

from hotori.hub.account import Counters
from hotori.hub.hub import Hub
from hotori.hub.pace import Pace
from hotori.hub.queue import Queue
from hotori.hub.tether import Above, Tether
from hotori.hub.twins import TwinChange, TwinNotReadyError
from hotori.model.identity import EDGE_HUB, Identity
from hotori.problems import Problem
from hotori.sdk.backoff import Backoff
from hotori.sdk.endpoint import Endpoint, EndpointSource
from hotori.sdk.link import ConnectionOptions
from hotori.sdk.method_answer import MethodHandler
from hotori.sdk.outages import Outages

GROUP = "upstream"
LINGER_SECONDS = 60.0
"""How long a tether stays after its identity has left and everything of it went up."""
PATIENCE_SECONDS = 10.0
"""How long a client waits for a twin that never came down yet."""
CATCH_UP = 1000.0
"""Messages a second, of all senders together, that go up of what waited; what is fresh is not held back."""
UPSTREAM_OPTIONS = ConnectionOptions(keep_alive=20, backoff=Backoff(first=1.0, longest=60.0, refused=2.0))
"""A dead line is noticed within the keep-alive; attempts are 1 to 60 seconds apart (contract 5.3)."""
LONGEST_KNOCK = 15.0
"""The edge hub's own connection tries at least so often (seconds); all others follow as soon as it stands."""
_SPREAD = 0.002
"""Seconds for each connection within which all of them come back."""

logger = logging.getLogger(__name__)


class Upstream:
    """The edge hub speaks to the hub above for each identity, with its own token (contract 11.3).

    A tether opens when the identity connects here, when a message of it waits to go up, or when its twin is
    asked for, and closes when none of that holds for `linger` seconds. The edge hub's own stays. Twins that
    came down once are answered here from then on, cloud or no cloud.
    """

    def __init__(
        self,
        hub: Hub,
        endpoint: Endpoint | EndpointSource,
        *,
        linger: float = LINGER_SECONDS,
        patience: float = PATIENCE_SECONDS,
        options: ConnectionOptions = UPSTREAM_OPTIONS,
        catch_up: float = CATCH_UP,
    ) -> None:
        assert hub.device is not None, "only an edge device's hub has one above it"
        self.identity = Identity(hub.device, EDGE_HUB)
        self._hub = hub
        self._endpoint, self._options = endpoint, options
        self._above = Above(endpoint, self._behind, hub.name, options, Pace(catch_up))
        self._linger, self._patience = linger, patience
        self._tethers: dict[Identity, Tether] = {}
        self._methods: dict[Identity, MethodHandler] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._timers: dict[Identity, asyncio.TimerHandle] = {}

    @property
    def connected(self) -> bool:
        """Whether the edge hub itself is connected to the hub above."""
        tether = self._tethers.get(self.identity)
        return tether is not None and tether.connection.connected

    @property
    def problem(self) -> Problem | None:
        """Why it is not; None when all is well."""
        tether = self._tethers.get(self.identity)
        return tether.connection.problem if tether is not None else None

    @property
    def outages(self) -> Outages:
        """How often the edge hub itself lost its connection, and for how long."""
        tether = self._tethers.get(self.identity)
        return tether.connection.outages if tether is not None else Outages()

    @property
    def counters(self) -> Counters:
        """The accounts of everything that goes up."""
        return self._hub.queues.total(GROUP)

    def answer_methods(self, identity: Identity, handler: MethodHandler) -> None:
        """Have calls from above to an identity answered here instead of by its local client; before `start`."""
        self._methods[identity] = handler

    async def start(self) -> None:
        """Begin; the hub must have been started. Connections come as they can."""
        self._hub.twins.gate = self
        self._hub.twins.reported_watchers.append(self._reported)
        self._hub.sessions.watchers.append(self._presence_changed)
        self._hub.queues.listen(GROUP, self._wake)
        for identity in (self.identity, *self._methods):
            self.open(identity)
        for queue in self._hub.queues.group(GROUP):
            if len(queue):
                self._wake(queue)

    async def close(self) -> None:
        """Hang up everything; what did not arrive stays in the queues."""
        self._hub.queues.listen(GROUP, None)
        for timer in self._timers.values():
            timer.cancel()
        await asyncio.gather(*(tether.close() for tether in self._tethers.values()), *self._closing)
        self._tethers.clear()

    def open(self, identity: Identity) -> Tether:
        """The identity's tether, which begins to be when it is first needed."""
        tether = self._tethers.get(identity)
        if tether is None:
            above = self._knocking() if identity == self.identity else self._above
            tether = self._tethers[identity] = Tether(self._hub, above, identity, self._methods.get(identity))
        return tether

    async def ready(self, identity: Identity) -> None:
        """Return once the identity's twin has come down; raises TwinNotReadyError after some patience."""
        if (await self._hub.twins.peek(identity)).synced:
            return
        tether = self.open(identity)
        try:
            async with asyncio.timeout(self._patience):
                await tether.synced.wait()
        except TimeoutError as error:
            raise TwinNotReadyError(f"the twin of {identity} has not come from the cloud yet") from error

    def _knocking(self) -> Above:
        """How the edge hub itself dials: it finds out for all others when the hub above is there again."""
        backoff = self._options.backoff
        often = replace(backoff, longest=min(backoff.longest, LONGEST_KNOCK))
        return replace(self._above, options=replace(self._options, backoff=often))

    async def _behind(self) -> Endpoint:
        """Where the others dial: only while the edge hub itself is connected, and not all in one moment."""
        own = self.open(self.identity).connection
        if not own.connected:
            await own.wait_connected()
            await asyncio.sleep(len(self._tethers) * _SPREAD * self._options.jitter())
        return self._endpoint if isinstance(self._endpoint, Endpoint) else await self._endpoint()

    def _wake(self, queue: Queue) -> None:
        self.open(Identity.parse(queue.endpoint.partition("/")[2])).wake()

    def _reported(self, change: TwinChange) -> None:
        self.open(change.identity).report()

    def _presence_changed(self, identity: Identity, connected: bool) -> None:
        if connected:
            self.open(identity)
        else:
            self._consider_closing(identity)

    def _consider_closing(self, identity: Identity) -> None:
        timer = self._timers.pop(identity, None)
        if timer is not None:
            timer.cancel()
        loop = asyncio.get_running_loop()
        self._timers[identity] = loop.call_later(self._linger, self._let_go, identity)

    def _let_go(self, identity: Identity) -> None:
        del self._timers[identity]
        tether = self._tethers.get(identity)
        if tether is None or self._hub.sessions.connected(identity) or identity in (self.identity, *self._methods):
            return
        if not tether.idle:
            self._consider_closing(identity)
            return
        del self._tethers[identity]
        closing = asyncio.create_task(tether.close())
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)
