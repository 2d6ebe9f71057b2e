"""What an admitted client says, and what it is told: from its CONNACK to the end of its connection."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from hotori.hub.courier import DEVICE_TERMS, Carrier, Courier
from hotori.hub.line import Line
from hotori.hub.queues import device_endpoint, module_group
from hotori.hub.session import Session
from hotori.hub.twins import TwinNotReadyError
from hotori.model.json import Json, JsonObject
from hotori.model.message import MAX_SIZE
from hotori.mqtt.bag import MalformedBagError, message_from_bag
from hotori.mqtt.encoder import encode, encode_puback, encode_publish
from hotori.mqtt.packets import Publish, Suback, Subscribe, Unsuback, Unsubscribe, Will
from hotori.mqtt.topics import (
    DesiredChange,
    MethodCall,
    MethodReply,
    ReportedPatch,
    Telemetry,
    TwinGet,
    TwinReply,
    parse_client_topic,
    telemetry_prefix,
)
from hotori.problems import Problem

if TYPE_CHECKING:
    from hotori.hub.hub import Hub

MOST_UNANSWERED = 1000
"""Beyond this many messages and requests without an answer a client is not read from."""
_RETAINED = {"mqtt-retain": "true"}
_WILL = {"iothub-MessageType": "Will"}

logger = logging.getLogger(__name__)


class Conversation:
    """One connection's, after admission. What breaks the contract ends it: MQTT 3.1.1 has no other answer."""

    def __init__(self, hub: Hub, session: Session, carrier: Carrier, will: Will | None) -> None:
        self.session = session
        self.last_activity = hub.clock()
        self._hub = hub
        self._carrier = carrier
        self._will = will
        self._prefix = telemetry_prefix(session.identity)
        self._acknowledgements: deque[tuple[int, asyncio.Future[int] | None]] = deque()
        # Two lines, since a twin may have to come from another hub first and subscriptions must not wait for that.
        self._subscriptions = Line(partial(carrier.abort, "a subscription could not be kept"))
        self._twin_requests = Line(partial(carrier.abort, "a twin request failed"))
        self._courier = self._send_courier()
        self._closed = False

    @property
    def busy(self) -> bool:
        """Whether so much waits for an answer that nothing more should be read."""
        waiting = len(self._acknowledgements) + len(self._subscriptions) + len(self._twin_requests)
        return waiting > MOST_UNANSWERED

    def publish(self, packet: Publish) -> None:
        """A PUBLISH: a message, or a request that is spelled as a topic."""
        if packet.qos == 2:
            self._carrier.abort("it published at QoS 2 (contract 1.4)")
        elif packet.topic.startswith(self._prefix):
            self._take_message(packet, packet.topic[len(self._prefix) :].removesuffix("/"))
        else:
            self._take_request(packet)

    def acknowledged(self, packet_id: int) -> None:
        """A PUBACK for what we delivered."""
        if self._courier is not None:
            self._courier.acknowledge(packet_id)

    def subscribe(self, packet: Subscribe) -> None:
        self._subscriptions.add(partial(self._subscribe, packet))

    def unsubscribe(self, packet: Unsubscribe) -> None:
        self._subscriptions.add(partial(self._unsubscribe, packet))

    def writable(self) -> None:
        """The client reads again."""
        if self._courier is not None:
            self._courier.wake()

    def call(self, name: str, request: str, payload: bytes) -> None:
        """Send a method call (contract 1.8)."""
        self._carrier.send(encode_publish(MethodCall(name, request).format(), payload))

    def desired_changed(self, patch: JsonObject, version: int) -> None:
        """Send a desired patch; its version stands in topic and body (contract 1.7)."""
        if self.session.takes_desired:
            body = msgspec.json.encode({**patch, "$version": version})
            self._carrier.send(encode_publish(DesiredChange(version).format(), body))

    def close(self, reason: str) -> None:
        """End the connection from our side."""
        self._carrier.abort(reason)

    def ended(self, *, goodbye: bool) -> None:
        """The connection has ended; without a goodbye its will is published (contract 1.2)."""
        if self._closed:
            return
        self._closed = True
        self._subscriptions.close()
        self._twin_requests.close()
        if self._courier is not None:
            self._courier.close()
        self._hub.sessions.detach(self)
        if self._will is not None and not goodbye:
            self._publish_will(self._will)

    def _take_message(self, packet: Publish, bag: str) -> None:
        try:
            message = message_from_bag(bag, packet.payload)
        except MalformedBagError as error:
            self._carrier.abort(f"a property bag cannot be read: {error}")
            return
        if packet.retain:
            message = replace(message, properties={**message.properties, **_RETAINED})
        # What is short even if every character took four bytes need not be counted.
        if len(packet.payload) + 4 * len(packet.topic) > MAX_SIZE and message.size() > MAX_SIZE:
            self._carrier.abort(f"a message of {message.size()} bytes is larger than {MAX_SIZE}")
            return
        durable = self._hub.submit(self.session.identity, message)
        if packet.qos:
            self._acknowledgements.append((packet.packet_id, durable))
        durable.add_done_callback(self._durable)

    def _durable(self, stored: asyncio.Future[int]) -> None:
        """Never acknowledged before it is durable; where it cannot be, the client is to send it again, later."""
        if stored.cancelled():
            self._carrier.abort("the hub is closing")
        elif (error := stored.exception()) is not None:
            logger.error("A message of %s could not be stored: %s", self.session.identity, error)
            self._carrier.abort("its message could not be stored")
        else:
            self._acknowledge()

    def _acknowledge(self) -> None:
        """In the order in which the messages came [MQTT-4.6.0-2]."""
        waiting = self._acknowledgements
        while waiting and not self._closed:
            packet_id, durable = waiting[0]
            if durable is not None and (not durable.done() or durable.exception() is not None):
                return
            waiting.popleft()
            self._carrier.send(encode_puback(packet_id))

    def _take_request(self, packet: Publish) -> None:
        match parse_client_topic(packet.topic):
            case TwinGet(rid):
                self._twin_requests.add(partial(self._answer_twin, rid))
            case ReportedPatch(rid):
                self._twin_requests.add(partial(self._patch_reported, rid, packet.payload))
            case MethodReply(status, rid):
                self._take_reply(rid, status, packet.payload)
            case Telemetry(identity, bag) if identity == self.session.identity:
                self._take_message(packet, bag)
                return
            case _:
                self._carrier.abort(f"it published to {packet.topic[:200]!r}, which is not its own (contract 1.4)")
                return
        if packet.qos:
            self._acknowledgements.append((packet.packet_id, None))
            self._acknowledge()

    def _take_reply(self, rid: str, status: int, payload: bytes) -> None:
        try:
            self._hub.methods.answered(self.session.identity, rid, status, payload)
        except msgspec.DecodeError:
            self._carrier.abort("the answer to a method is not JSON (contract 1.5)")

    async def _answer_twin(self, rid: str) -> None:
        try:
            twin = await self._hub.twins.get(self.session.identity)
        except TwinNotReadyError:
            self._reply(503, rid)
        else:
            self._reply(200, rid, {"desired": twin.desired.document(), "reported": twin.reported.document()})

    async def _patch_reported(self, rid: str, payload: bytes) -> None:
        try:
            patch: Json = msgspec.json.decode(payload)
        except (msgspec.DecodeError, RecursionError):
            self._reply(400, rid, {"errorCode": 400, "message": "the patch is not JSON"})
            return
        if not isinstance(patch, dict):
            self._reply(400, rid, {"errorCode": 400, "message": "the patch is not a JSON object"})
            return
        try:
            twin = await self._hub.twins.patch_reported(self.session.identity, patch)
        except TwinNotReadyError:
            self._reply(503, rid)
        except Problem as problem:
            status = 400 if problem.code == "twin-invalid" else 500
            self._reply(status, rid, {"errorCode": status, "message": f"{problem}. {problem.cause()}"})
        else:
            self._reply(204, rid, version=twin.reported.version)

    def _reply(self, status: int, rid: str, body: JsonObject | None = None, version: int | None = None) -> None:
        payload = b"" if body is None else msgspec.json.encode(body)
        self._carrier.send(encode_publish(TwinReply(status, rid, version).format(), payload))

    async def _subscribe(self, packet: Subscribe) -> None:
        subscriptions, codes = self.session.subscribed(packet.filters)
        await self._hub.sessions.subscribe(self.session, subscriptions)
        self._carrier.send(encode(Suback(packet.packet_id, codes)))
        self.writable()

    async def _unsubscribe(self, packet: Unsubscribe) -> None:
        await self._hub.sessions.subscribe(self.session, self.session.unsubscribed(packet.filters))
        self._carrier.send(encode(Unsuback(packet.packet_id)))

    def _send_courier(self) -> Courier | None:
        """Who has a queue has a courier: devices for what the cloud sends, modules of this device for inputs."""
        identity = self.session.identity
        if identity.module is None:
            group, terms = device_endpoint(identity.device), DEVICE_TERMS
        elif identity.device == self._hub.device:
            group, terms = module_group(identity.module), self._hub.input_terms
        else:
            return None
        return Courier(self._hub.queues, group, self.session, self._carrier, terms, self._hub.clock)

    def _publish_will(self, will: Will) -> None:
        topic = parse_client_topic(will.topic)
        bag = topic.bag if isinstance(topic, Telemetry) else ""
        try:
            message = message_from_bag(bag, will.payload)
        except MalformedBagError as error:
            logger.warning("The will of %s has properties that cannot be read: %s", self.session.identity, error)
            return
        properties = {**message.properties, **_WILL, **(_RETAINED if will.retain else {})}
        stored = self._hub.submit(self.session.identity, replace(message, properties=properties))
        stored.add_done_callback(self._will_stored)

    def _will_stored(self, stored: asyncio.Future[int]) -> None:
        if not stored.cancelled() and (error := stored.exception()) is not None:
            logger.error("The will of %s could not be stored: %s", self.session.identity, error)
