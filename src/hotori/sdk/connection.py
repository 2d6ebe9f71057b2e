"""A device's or module's standing connection to its hub: it comes back by itself, and loses nothing.

`HubConnection` holds one MQTT session (contract 1) through lost networks, restarted hubs and expiring tokens.
What is sent waits while there is no connection, and goes again until the hub has acknowledged it.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Coroutine
from types import TracebackType
from typing import Self, TypeAlias, TypeVar

from hotori.model.identity import Identity
from hotori.model.json import JsonObject
from hotori.model.message import MAX_SIZE, Message
from hotori.model.twin import Section
from hotori.mqtt.bag import MalformedBagError, bag_from_message, message_from_bag
from hotori.mqtt.packets import MAX_TEXT, Publish
from hotori.mqtt.topics import (
    DESIRED_CHANGES,
    METHOD_CALLS,
    TWIN_RESPONSES,
    DesiredChange,
    DeviceBound,
    MethodCall,
    MethodReply,
    ModuleInput,
    ReportedPatch,
    Telemetry,
    TwinGet,
    TwinReply,
    device_bound_filter,
    inputs_filter,
    parse_server_topic,
)
from hotori.problems import Problem
from hotori.problems.connections import HANDLER_FAILED, MESSAGE_TOO_LARGE
from hotori.sdk.backoff import Backoff
from hotori.sdk.desired import DesiredFollower, DesiredHandler, DesiredPatch
from hotori.sdk.endpoint import ChainSource, Endpoint, EndpointSource, TokenSource, key_tokens
from hotori.sdk.inbox import Delivery, Inbox
from hotori.sdk.link import DEFAULT_OPTIONS, ConnectionOptions, ConnectionState, Link
from hotori.sdk.method_answer import MethodHandler, answer_method
from hotori.sdk.mqtt_client import ConnectionLostError, MqttClient
from hotori.sdk.outages import Outages
from hotori.sdk.twin_requests import TwinAnswer, TwinDocument, TwinRequests, read_twin

__all__ = [
    "Backoff",
    "ConnectionClosedError",
    "ConnectionOptions",
    "ConnectionState",
    "Endpoint",
    "HubConnection",
    "TokenSource",
    "TwinDocument",
    "key_tokens",
]

_log = logging.getLogger(__name__)

InputHandler: TypeAlias = Callable[[str, Message], Awaitable[None]]
DeviceBoundHandler: TypeAlias = Callable[[Message], Awaitable[None]]
ConnectedHandler: TypeAlias = Callable[[], Awaitable[None]]
_T = TypeVar("_T")


class ConnectionClosedError(Exception):
    """The connection was closed here while something still waited for it."""


class HubConnection:
    """An async context manager: open it, register handlers before or after, and send.

    `hub` is the hub's name (in tokens and user names), also where `endpoint` leads to a gateway. `endpoint` may be
    a function that finds it anew before each attempt. With `chain` an edge hub speaks for `identity`.
    """

    def __init__(
        self,
        endpoint: Endpoint | EndpointSource,
        hub: str,
        identity: Identity,
        token: TokenSource,
        options: ConnectionOptions = DEFAULT_OPTIONS,
        chain: ChainSource | None = None,
    ) -> None:
        self.hub, self.identity = hub, identity
        self._link = Link(
            endpoint,
            hub,
            identity,
            token,
            options,
            on_publish=self._on_publish,
            on_connected=self._on_link_up,
            on_left=self._on_link_down,
            chain=chain,
        )
        self._link.subscriptions.add(TWIN_RESPONSES)
        self._inbox = Inbox(options.concurrency, self._on_delivery)
        self._twins = TwinRequests(identity)
        self._desired = DesiredFollower(self._read_desired, self._on_handler_failure)
        self._method_handler: MethodHandler | None = None
        self._connected_handler: ConnectedHandler | None = None
        self._handler_problem: Problem | None = None
        self._asking = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    def start(self) -> None:
        """Begin to connect, in the background. Call `close` in the end."""
        if self.state is ConnectionState.CLOSED:
            self._link.state = ConnectionState.CONNECTING
            for work in (self._link.run(), self._inbox.run(), self._desired.run()):
                self._spawn(work)

    async def close(self) -> None:
        """Hang up. Whatever still waits to be sent fails with ConnectionClosedError."""
        others = self._tasks - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        self._link.state = ConnectionState.CLOSED
        self._link.fail(ConnectionClosedError(f"the connection of {self.identity} was closed"))

    @property
    def state(self) -> ConnectionState:
        return self._link.state

    @property
    def connected(self) -> bool:
        return self._link.client is not None

    @property
    def problem(self) -> Problem | None:
        """Why there is no connection, or what it lacks, or what the handlers met last; None when all is well."""
        return self._link.problem or self._link.refused or self._handler_problem

    @property
    def desired(self) -> Section | None:
        """The whole of the desired properties, as far as `on_desired` was told of them."""
        return self._desired.known

    @property
    def pending(self) -> int:
        """Messages that were given to `send` or `post` and are not acknowledged."""
        return self._link.pending

    @property
    def outages(self) -> Outages:
        """How often the connection was lost, and for how long."""
        return self._link.outages

    async def wait_connected(self, timeout: float | None = None) -> None:
        """Return once there is a connection. After `timeout` seconds raises the problem that keeps it from being."""
        await self._within(timeout, "CONNECT", self._link.online.wait())

    def on_connected(self, handler: ConnectedHandler) -> ConnectedHandler:
        """Have `handler()` called after each connection is made."""
        self._connected_handler = handler
        return handler

    def on_desired(self, handler: DesiredHandler) -> DesiredHandler:
        """Have `handler(patch, version)` called for each change of desired properties, one at a time, in order.

        At first, and whenever changes may have been missed, they are read as a whole: the first patch is all of
        them, a later one the difference to what the handler knows (null for what was removed). `desired` is the
        whole.
        """
        self._desired.handle_with(handler)
        self._want(DESIRED_CHANGES)
        if self.connected:
            self._desired.reconnected()
        return handler

    def on_method(self, handler: MethodHandler) -> MethodHandler:
        """Have `handler(name, payload)` answer direct methods with `(status, payload)`; calls may overlap."""
        self._method_handler = handler
        self._want(METHOD_CALLS)
        return handler

    def on_input(self, handler: InputHandler) -> InputHandler:
        """Have `handler(input, message)` called for what is routed to this module.

        A message is acknowledged when the handler returns. If it raises, the hub sends the message again later.
        """

        async def handle(delivery: Delivery) -> None:
            await handler(delivery.input or "", delivery.message)

        self._inbox.handle_with(handle)
        self._want(inputs_filter(self.identity))
        return handler

    def on_c2d(self, handler: DeviceBoundHandler) -> DeviceBoundHandler:
        """Have `handler(message)` called for messages from the cloud to this device; acknowledged like inputs."""

        async def handle(delivery: Delivery) -> None:
            await handler(delivery.message)

        self._inbox.handle_with(handle)
        self._want(device_bound_filter(self.identity.device))
        return handler

    async def send(self, message: Message, *, timeout: float | None = None) -> None:
        """Send, and return when the hub has it durably. Messages leave in the order of the calls.

        Waits while there is no connection. After `timeout` seconds raises the problem behind the delay; the
        message may arrive all the same if it was on its way. Raises `message-too-large`, ConnectionClosedError.
        """
        await self._within(timeout, "PUBLISH", self.post(message))

    def post(self, message: Message) -> asyncio.Future[None]:
        """Put a message in line without waiting; the future is done when the hub has it durably.

        Cancelling the future takes back a message that has not left yet.
        """
        topic = Telemetry(self.identity, bag_from_message(message, to_client=False)).format()
        if message.size() > MAX_SIZE:
            raise Problem(MESSAGE_TOO_LARGE, size=message.size(), limit=MAX_SIZE)
        if len(topic) > MAX_TEXT:
            raise Problem(MESSAGE_TOO_LARGE, "its properties alone, encoded", size=len(topic), limit=MAX_TEXT)
        return self._link.post(topic, message.body)

    async def twin(self, *, timeout: float | None = 30.0) -> TwinDocument:
        """The twin as the hub has it.

        Raises `twin-refused`, or after `timeout` seconds the problem behind the delay.
        """
        answer = await self._ask("twin GET", lambda rid: TwinGet(rid).format(), b"", timeout)
        return read_twin(answer.body)

    async def report(self, patch: JsonObject, *, timeout: float | None = 30.0) -> None:
        """Change the reported properties (a merge patch; null removes). Raises like `twin`."""
        await self._ask("reported PATCH", lambda rid: ReportedPatch(rid).format(), json.dumps(patch).encode(), timeout)

    async def _read_desired(self) -> Section:
        return (await self.twin(timeout=None)).desired

    async def _ask(
        self, request: str, topic: Callable[[str], str], payload: bytes, timeout: float | None
    ) -> TwinAnswer:
        return await self._within(timeout, request, self._ask_until_answered(request, topic, payload))

    async def _ask_until_answered(self, request: str, topic: Callable[[str], str], payload: bytes) -> TwinAnswer:
        """Ask again over every new connection; one request at a time, so that of two patches the later one wins."""
        async with self._asking:
            while True:
                await self._link.online.wait()
                if self._link.client is None:  # gone again before it was our turn
                    continue
                try:
                    return await self._twins.ask(lambda rid: self._write(topic(rid), payload), request)
                except ConnectionLostError:
                    continue

    def _write(self, topic: str, payload: bytes) -> None:
        """QoS 0: requests and replies are asked again rather than sent again."""
        if self._link.client is not None:
            self._link.client.send(Publish(topic, payload))

    async def _within(self, timeout: float | None, request: str, work: Awaitable[_T]) -> _T:
        try:
            async with asyncio.timeout(timeout):
                return await work
        except TimeoutError as error:
            raise self._link.problem or self._link.silence(request, timeout) from error

    def _want(self, topic_filter: str) -> None:
        self._link.subscriptions.add(topic_filter)
        if self._link.client is not None:
            self._spawn(self._subscribe(self._link.client))

    async def _subscribe(self, client: MqttClient) -> None:
        try:
            await self._link.subscribe(client)
        except (ConnectionLostError, Problem):
            await client.close()  # the next connection subscribes

    def _on_link_up(self) -> None:
        self._desired.reconnected()
        if self._connected_handler is not None:
            self._spawn(self._guarded("the new connection", self._connected_handler))

    def _on_link_down(self) -> None:
        self._twins.lose("the connection ended")

    def _on_publish(self, client: MqttClient, publish: Publish) -> None:
        topic = parse_server_topic(publish.topic)
        if isinstance(topic, ModuleInput | DeviceBound):
            self._receive(client, publish, topic)
            return
        client.acknowledge(publish)
        if isinstance(topic, TwinReply):
            self._twins.answer(topic, publish.payload)
        elif isinstance(topic, DesiredChange):
            self._on_desired_change(topic.version, publish.payload)
        elif isinstance(topic, MethodCall):
            self._spawn(self._answer(topic, publish.payload))

    def _receive(self, client: MqttClient, publish: Publish, topic: ModuleInput | DeviceBound) -> None:
        try:
            message = message_from_bag(topic.bag, publish.payload, trusted=True)
        except MalformedBagError as error:
            _log.warning("%s: a message with unreadable properties is let go: %s", self.identity, error)
            client.acknowledge(publish)
            return
        name = topic.input if isinstance(topic, ModuleInput) else None
        self._inbox.put(Delivery(message, name, publish, client))

    def _on_desired_change(self, version: int, payload: bytes) -> None:
        try:
            patch = json.loads(payload)
        except ValueError:
            patch = None
        if isinstance(patch, dict):
            self._desired.changed(DesiredPatch(patch, version))
        else:
            self._desired.reconnected()  # they are read as a whole instead

    async def _answer(self, call: MethodCall, payload: bytes) -> None:
        status, body = await answer_method(self._method_handler, call.name, payload, self._on_handler_failure)
        self._write(MethodReply(status, call.rid).format(), body)

    def _on_delivery(self, delivery: Delivery, error: Exception | None) -> None:
        if error is None:
            self._handler_problem = None
        else:
            self._on_handler_failure(f"a message on {delivery.input or delivery.publish.topic}", error)

    def _on_handler_failure(self, what: str, error: Exception) -> None:
        reason = f"{type(error).__name__}: {error}"
        failed = Problem(HANDLER_FAILED, identity=self.identity, what=what, reason=reason)
        self._handler_problem = error if isinstance(error, Problem) else failed
        _log.warning("%s", failed.title(), exc_info=error)

    async def _guarded(self, what: str, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except Exception as error:  # noqa: BLE001 - the handler is the program's: the connection goes on
            self._on_handler_failure(what, error)

    def _spawn(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._on_task_done)

    def _on_task_done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("the connection of %s broke down", self.identity, exc_info=error)
            self._link.fail(ConnectionClosedError(f"{self.identity}: {error}"))
