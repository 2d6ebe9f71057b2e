"""A connection that comes back by itself: dials, subscribes, sends in order, renews its token, backs off.

It knows no topics of its own; what arrives goes to `on_publish`.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from hotori.model.identity import Identity
from hotori.problems import Problem
from hotori.problems.connections import HUB_SILENT, SUBSCRIPTION_REFUSED
from hotori.sdk.backoff import Backoff
from hotori.sdk.connect_problem import connect_problem, refused_identity
from hotori.sdk.dial import dial, introduction
from hotori.sdk.endpoint import ChainSource, Endpoint, EndpointSource, TokenSource
from hotori.sdk.mqtt_client import ConnectionLostError, MqttClient, PublishHandler
from hotori.sdk.outages import Outages
from hotori.sdk.outbox import Outbox, Outgoing, PacketIds
from hotori.sdk.subscriptions import Subscriptions

_log = logging.getLogger(__name__)

_RENEW_AT = 0.9
"""The share of a token's life after which a connection with a fresh one is made."""
_STEADY = 10.0
"""A connection that lasted this long (seconds) counts as good: the back-off starts anew after it."""


@dataclass(frozen=True, slots=True)
class ConnectionOptions:
    """How a connection behaves; times in seconds.

    `window` is how many messages may be on their way unacknowledged, `concurrency` how many received ones may be
    handled at a time (1 keeps their order). `clock` tells Unix time, `jitter` draws numbers from 0 to 1.
    """

    window: int = 32
    concurrency: int = 1
    keep_alive: int = 60
    connect_timeout: float = 10.0
    token_lifetime: int = 3600
    backoff: Backoff = field(default_factory=Backoff)
    clock: Callable[[], float] = time.time
    jitter: Callable[[], float] = random.random


DEFAULT_OPTIONS = ConnectionOptions()


class ConnectionState(StrEnum):
    """Where a connection stands. `WAITING` is the pause between two attempts."""

    CLOSED = "closed"
    CONNECTING = "connecting"
    CONNECTED = "connected"
    WAITING = "waiting"


class Link:
    """The keeper of one identity's connection. `run` it in a task; callbacks run on the loop and must not block."""

    def __init__(
        self,
        endpoint: Endpoint | EndpointSource,
        hub: str,
        identity: Identity,
        token: TokenSource,
        options: ConnectionOptions,
        *,
        on_publish: PublishHandler,
        on_connected: Callable[[], None],
        on_left: Callable[[], None],
        chain: ChainSource | None = None,
    ) -> None:
        self.hub, self.identity, self.options = hub, identity, options
        self.state = ConnectionState.CLOSED
        self.problem: Problem | None = None
        self.refused: Problem | None = None
        self.client: MqttClient | None = None
        self.online = asyncio.Event()
        self.subscriptions = Subscriptions()
        self._endpoint, self._token, self._chain = endpoint, token, chain
        self._dialled = endpoint if isinstance(endpoint, Endpoint) else Endpoint(hub)
        self._on_publish, self._on_connected, self._on_left = on_publish, on_connected, on_left
        self._ids = PacketIds()
        self._outbox = Outbox(options.window, self._ids)
        self._connected_at: float | None = None
        self.outages = Outages()

    @property
    def pending(self) -> int:
        """Messages in line, or on their way."""
        return len(self._outbox)

    def post(self, topic: str, payload: bytes) -> asyncio.Future[None]:
        """Put a message in line; the future is done at its PUBACK."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._outbox.add(Outgoing(topic, payload, done))
        self._pump()
        return done

    def fail(self, error: Exception) -> None:
        """Give up what is in line."""
        self._outbox.fail(error)

    def silence(self, request: str, seconds: float | None) -> Problem:
        """The problem of a hub that is there and does not answer."""
        address = self._dialled
        return Problem(HUB_SILENT, address=address, host=address.host, request=request, seconds=seconds)

    async def subscribe(self, client: MqttClient) -> None:
        """Ask for what the hub does not have yet; a refusal is noted in `refused`, and the rest goes on."""
        try:
            async with asyncio.timeout(self.options.connect_timeout):
                refused = await self.subscriptions.ask(client)
        except TimeoutError as error:
            raise self.silence("SUBSCRIBE", self.options.connect_timeout) from error
        for topic_filter in refused:
            self.refused = Problem(SUBSCRIPTION_REFUSED, address=self._dialled, filter=topic_filter)
            _log.warning("%s: %s", self.identity, self.refused)

    async def run(self) -> None:
        """Connect again and again, until cancelled."""
        attempt = 0
        while True:
            self.state, self._connected_at = ConnectionState.CONNECTING, None
            try:
                await self._session()
            except Problem as problem:
                attempt = 0 if self._was_steady() else attempt
                await self._pause(problem, attempt)
                attempt += 1
            else:
                attempt = 0

    def _was_steady(self) -> bool:
        return self._connected_at is not None and asyncio.get_running_loop().time() - self._connected_at > _STEADY

    async def _pause(self, problem: Problem, attempt: int) -> None:
        level = logging.WARNING if self.problem is None else logging.DEBUG
        _log.log(level, "%s: %s. %s", self.identity, problem.title(), problem.cause())
        self.state, self.problem = ConnectionState.WAITING, problem
        self.outages.failed(asyncio.get_running_loop().time())
        chance, refused = self.options.jitter(), refused_identity(problem)
        await asyncio.sleep(self.options.backoff.delay(attempt, chance, refused=refused))

    async def _session(self) -> None:
        """One connection. Returns when its token is to be renewed; raises the problem that ended it otherwise."""
        client = await self._dial()
        try:
            await self._begin(client)
            await self._last(client)
        except ConnectionLostError as error:
            raise connect_problem(error, self._dialled, self.identity) from error
        finally:
            self.client = None
            self.online.clear()
            self._on_left()
            await client.close()

    async def _dial(self) -> MqttClient:
        expiry = int(self.options.clock()) + self.options.token_lifetime
        self._dialled = self._endpoint if isinstance(self._endpoint, Endpoint) else await self._endpoint()
        token = await self._token(expiry)
        chain = await self._chain() if self._chain else None
        return await dial(
            self._dialled,
            self.identity,
            introduction(self.hub, self.identity, token, self.options.keep_alive, chain),
            on_publish=self._on_publish,
            on_puback=self._on_puback,
            ids=self._ids,
            timeout=self.options.connect_timeout,
        )

    async def _begin(self, client: MqttClient) -> None:
        """Subscribe, send again what was on its way, and open the door."""
        if not client.session_present:
            self.subscriptions.forget()
        self.refused = None
        await self.subscribe(client)
        for publish in self._outbox.again():
            client.send(publish)
        self.client, self.problem = client, None
        self._connected_at = asyncio.get_running_loop().time()
        self.outages.over(self._connected_at)
        self.state = ConnectionState.CONNECTED
        self.online.set()
        _log.info("%s is connected to %s", self.identity, self._dialled)
        self._pump()
        self._on_connected()

    async def _last(self, client: MqttClient) -> None:
        """Return when the token should be renewed; raise ConnectionLostError if the connection ends before."""
        try:
            async with asyncio.timeout(self.options.token_lifetime * _RENEW_AT):
                reason = await client.wait_closed()
        except TimeoutError:
            return
        raise ConnectionLostError(reason)

    def _pump(self) -> None:
        if self.client is not None:
            for publish in self._outbox.next():
                self.client.send(publish)

    def _on_puback(self, packet_id: int) -> None:
        self._outbox.acknowledge(packet_id)
        self._pump()
