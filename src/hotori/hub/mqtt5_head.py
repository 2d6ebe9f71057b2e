"""The head for MQTT 5: the same conversation, with properties instead of bags, and reasons instead of silence."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace

from hotori.hub.carrier import Carrier
from hotori.hub.conversation import Conversation
from hotori.hub.dialect import Dialect, matching
from hotori.hub.head import Ending, Handover
from hotori.hub.limited_wait import LimitedWait
from hotori.hub.mqtt_head import MqttHead, marked
from hotori.hub.promise import Answer, Promise
from hotori.hub.published import delivered, published
from hotori.hub.room import Held
from hotori.hub.session import NOT_ALLOWED, Session
from hotori.hub.topic_aliases import ReceivedAliases, SentAliases
from hotori.hub.unrouted import NOWHERE
from hotori.model.message import MAX_SIZE, Message
from hotori.mqtt.bag import MalformedBagError
from hotori.mqtt.encoder import PINGRESP
from hotori.mqtt.encoder5 import encode5
from hotori.mqtt.packets import MAX_PACKET_ID, Connect, Pingreq
from hotori.mqtt.packets5 import (
    Disconnect5,
    Packet5,
    Puback5,
    Pubcomp5,
    Publish5,
    Pubrec5,
    Pubrel5,
    Reason,
    Suback5,
    Subscribe5,
    Unsuback5,
    Unsubscribe5,
)
from hotori.mqtt.properties import NO_PROPERTIES, Properties
from hotori.mqtt.run_decoder import Heard
from hotori.mqtt.topics import MethodReply, ReportedPatch, TwinGet

if TYPE_CHECKING:
    from hotori.hub.hub import Hub

RECEIVE_MAXIMUM = 1000
"""How many messages a client may send without an answer [3.2.2.3.3]."""
_SHARED = "$share/"
ENDING_REASONS = {
    Ending.TAKEN_OVER: Reason.SESSION_TAKEN_OVER,
    Ending.ADMINISTRATIVE: Reason.ADMINISTRATIVE,
    Ending.CLOSING: Reason.SERVER_SHUTTING_DOWN,
    Ending.MALFORMED: Reason.MALFORMED,
    Ending.TOO_LARGE: Reason.PACKET_TOO_LARGE,
    Ending.RULE_BROKEN: Reason.PROTOCOL_ERROR,
    Ending.NOT_ALLOWED: Reason.NOT_AUTHORIZED,
    Ending.SILENT: Reason.KEEP_ALIVE_TIMEOUT,
    Ending.EXPIRED: Reason.MAXIMUM_CONNECT_TIME,
    Ending.NOT_READING: Reason.QUOTA_EXCEEDED,
    Ending.FAULT: Reason.UNSPECIFIED,
}
"""The reason of the DISCONNECT, for every ending but a goodbye."""


logger = logging.getLogger(__name__)


class Mqtt5Head(MqttHead):
    """One connection's, after admission. What the client may know of its own faults it is told."""

    _parting: Reason | None = None
    _unanswered = 0

    def __init__(self, hub: Hub, session: Session, carrier: Carrier, dialect: Dialect, connect: Connect) -> None:
        self._received_aliases = ReceivedAliases()
        self._sent_aliases = SentAliases(connect.properties.topic_alias_maximum or 0)
        self._waits: set[asyncio.Future[int]] = set()
        super().__init__(hub, session, carrier, dialect, connect)

    def gone(self) -> None:
        super().gone()
        for wait in [*self._waits]:
            wait.cancel()

    def other(self, packet: Heard | Packet5) -> None:
        match packet:
            case Publish5():
                self._publish(packet)
            case Puback5():
                self._acknowledged(packet)
            case Pubrel5(packet_id):
                known = packet_id in self._session.received
                self._session.received.discard(packet_id)
                reason = Reason.SUCCESS if known else Reason.PACKET_ID_NOT_FOUND
                self._carrier.send(encode5(Pubcomp5(packet_id, reason)))
            case Subscribe5():
                self.conversation.subscribing.add(partial(self._subscribe5, packet))
            case Unsubscribe5():
                self.conversation.subscribing.add(partial(self._unsubscribe5, packet))
            case Pingreq():
                self._carrier.send(PINGRESP)
            case Disconnect5():
                self._disconnect(packet)
            case _:
                self._carrier.abort(f"{type(packet).__name__} has no place here", Ending.RULE_BROKEN)

    def deliver(self, endpoint: str, handover: Handover) -> Sequence[int]:
        every = zip(handover.messages, handover.packet_ids, handover.again, strict=True)
        return [place for place, each in enumerate(every) if not self._deliver(endpoint, *each)]

    def _deliver(self, endpoint: str, message: Message, packet_id: int, again: bool) -> bool:
        topic = self._dialect.place(endpoint)
        properties = delivered(message, self._hub.clock(), self._identifiers(topic))
        qos = 1 if packet_id else 0
        packet = self._sent_aliases.shortened(
            Publish5(topic, message.body, qos, packet_id, dup=again, properties=properties)
        )
        if said := self._say(packet):
            self._sent_aliases.sent(packet)
        return said

    def farewell(self, ending: Ending, reason: str) -> bytes:
        if ending is Ending.GOODBYE:
            return b""
        parting = self._parting or ENDING_REASONS[ending]
        said = encode5(Disconnect5(parting, self._words(reason)))
        return said if len(said) <= self._most_bytes else encode5(Disconnect5(parting))

    def call(self, name: str, request: str, payload: bytes) -> None:
        answer = self._dialect.method_answer(name, request)
        correlation = None if answer is None else request.encode()
        self._tell(self._dialect.method_call(name, request), payload, answer, correlation)

    def _tell(
        self, topic: str, payload: bytes, response_topic: str | None = None, correlation: bytes | None = None
    ) -> None:
        if not self._dialect.tells(self._session.subscriptions, topic):
            return
        properties = Properties(
            payload_format=1 if payload else None,
            content_type="application/json" if payload else None,
            response_topic=response_topic,
            correlation_data=correlation,
            subscription_ids=self._identifiers(topic),
        )
        self._say(Publish5(topic, payload, properties=properties))

    def _say(self, packet: Publish5) -> bool:
        """Send it, unless it is larger than the client takes [MQTT-3.1.2-24]."""
        try:
            data = encode5(packet)
        except ValueError as error:  # a property that is longer than it may be
            logger.warning("A message to %s cannot be written: %s", self._identity, error)
            return False
        if len(data) > self._most_bytes:
            return False
        self._carrier.send(data)
        return True

    def _identifiers(self, topic: str) -> tuple[int, ...]:
        """The numbers of the subscriptions that a topic matches [3.3.2.3.8]."""
        known = self._session.identifiers
        return tuple(known[wanted] for wanted in matching(known, topic)) if known else ()

    def _converse(self) -> Conversation:
        will, most_out = self._connect.will, self._connect.properties.receive_maximum
        delay = will.properties.will_delay if will is not None else None
        words = self._last_words(will)
        if words is not None and will is not None:
            words = published(words, will.properties, self._hub.clock())
        return Conversation(
            self._hub, self._session, self, words, delay=delay or 0.0, most_out=most_out or MAX_PACKET_ID
        )

    # What the client publishes

    def _publish(self, packet: Publish5) -> None:
        named = self._fault(packet) or self._received_aliases.named(packet)
        if isinstance(named, Reason):
            self._leave(named, f"it published what it may not: {named.name}")
            return
        packet = named
        if packet.qos == 2 and packet.packet_id in self._session.received:
            self._answer5(packet, None)
        else:
            self._take(packet)

    def _fault(self, packet: Publish5) -> Reason | None:
        """What ends the connection [3.3.2, 3.3.4]."""
        if packet.properties.subscription_ids or set("+#") & set(packet.properties.response_topic or ""):
            return Reason.PROTOCOL_ERROR
        if packet.retain:
            return Reason.RETAIN_NOT_SUPPORTED
        if packet.qos == 2 and not self._dialect.exactly_once:
            return Reason.QOS_NOT_SUPPORTED
        if packet.qos and self._unanswered >= RECEIVE_MAXIMUM:
            return Reason.RECEIVE_MAXIMUM_EXCEEDED
        return None

    def _take(self, packet: Publish5) -> None:
        try:
            said = self._dialect.read(packet.topic, packet.payload)
        except MalformedBagError as error:
            self._decline(packet, Reason.TOPIC_NAME_INVALID, str(error))
            return
        match said:
            case Message():
                self._take_said(packet, said)
                return
            case TwinGet(rid):
                self.conversation.ask_twin(rid)
            case ReportedPatch(rid):
                self.conversation.patch_reported(rid, packet.payload)
            case MethodReply(status, rid):
                try:
                    self.conversation.answer(rid, status, packet.payload)
                except (ValueError, RecursionError):  # ValueError: a text in it may be no UTF-8
                    self._decline(packet, Reason.PAYLOAD_FORMAT_INVALID, "the answer to a method is not JSON")
                    return
            case None:
                self._decline(packet, Reason.TOPIC_NAME_INVALID, "it published to a topic that is not its own")
                return
        self._answer5(packet, None)

    def _take_said(self, packet: Publish5, message: Message) -> None:
        try:
            message = published(message, packet.properties, self._hub.clock())
        except MalformedBagError as error:
            self._decline(packet, Reason.PAYLOAD_FORMAT_INVALID, str(error))
            return
        if packet.dup:
            message = replace(message, properties=marked(message.properties, packet.qos, dup=True))
        if message.size() > MAX_SIZE:
            self._leave(Reason.PACKET_TOO_LARGE, f"a message of {message.size()} bytes is larger than {MAX_SIZE}")
            return
        promise = self._hub.enter(self._identity, self._stamped(message))
        self._answer5(packet, self._limited(promise) if isinstance(promise, Held) and packet.qos else promise)

    def _limited(self, held: Held) -> Promise:
        """What finds no room is refused after a while [3.4.2.1]; in 3.1.1 it can only wait."""
        wait = LimitedWait(held, self._room, self._hub.room_seconds, _quota)
        self._waits.add(wait)
        wait.add_done_callback(self._waits.discard)
        return wait

    def _answer5(self, packet: Publish5, promise: Promise | None) -> None:
        self._unanswered += bool(packet.qos)
        self._answers.add(packet.packet_id if packet.qos < 2 else -packet.packet_id, promise)

    def _decline(self, packet: Publish5, reason: Reason, why: str) -> None:
        """Say no to one message and go on; at QoS 0 there is no answer but the end of the connection."""
        if not packet.qos:
            self._leave(reason, why)
            return
        declined: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        declined.set_exception(_DeclinedError(_Verdict(reason, why)))
        self._answer5(packet, declined)

    def _answer(self, turns: Sequence[int], answer: Answer) -> None:
        verdict = _verdict(answer)
        if verdict is None:
            assert isinstance(answer, BaseException), "what is stored has a verdict"
            self._not_stored(answer)
            return
        for turn in turns:
            if turn:
                self._unanswered -= 1
                self._tell_verdict(turn, verdict)
        self._carrier.answered()

    def _tell_verdict(self, turn: int, verdict: _Verdict) -> None:
        kind = Puback5 if turn > 0 else Pubrec5
        data = encode5(kind(abs(turn), verdict.reason, self._words(verdict.why)))
        if len(data) > self._most_bytes:  # words for people are no reason to say more than it takes [3.4.2.2.2]
            data = encode5(kind(abs(turn), verdict.reason))
        if turn < 0 and verdict.reason < Reason.UNSPECIFIED:
            self._session.received.add(-turn)
        self._carrier.send(data)

    def _words(self, why: str) -> Properties:
        """A reason for people, if the client wants to hear of problems [3.1.2.11.7]."""
        return Properties(reason=why) if why and self._connect.properties.request_problem != 0 else NO_PROPERTIES

    @property
    def repeats(self) -> bool:
        return False  # [MQTT-4.4.0-1]

    @property
    def _most_bytes(self) -> float:
        """The largest packet that the client takes."""
        return self._connect.properties.maximum_packet_size or math.inf

    # What it says otherwise

    def _acknowledged(self, packet: Puback5) -> None:
        if packet.reason >= Reason.UNSPECIFIED:
            self.conversation.refused(packet.packet_id)
        else:
            self.conversation.acknowledged((packet.packet_id,))

    def _disconnect(self, packet: Disconnect5) -> None:
        asked = packet.properties.session_expiry
        if asked is not None and asked and not self._session.expiry:
            self._leave(Reason.PROTOCOL_ERROR, "it wants to keep a session that was to end with the connection")
            return
        if asked is not None:
            self._session.expiry = math.inf if asked == 0xFFFFFFFF else float(asked)
        if packet.reason == Reason.SUCCESS:
            self._carrier.abort("it said goodbye", Ending.GOODBYE)
        else:
            # Its will is to be published [3.14.4]; there is nobody to say anything to.
            self._parting = Reason.SUCCESS
            self._carrier.abort(f"it said goodbye with reason {packet.reason:#04x}", Ending.FAULT)

    def _leave(self, reason: Reason, why: str) -> None:
        self._parting = reason
        self._carrier.abort(why, Ending.TOO_LARGE if reason is Reason.PACKET_TOO_LARGE else Ending.RULE_BROKEN)

    async def _subscribe5(self, packet: Subscribe5) -> None:
        wanted = [(wish.topic_filter, wish.qos) for wish in packet.wishes]
        subscriptions, outcomes = self._session.subscribed(wanted, self._dialect.may_subscribe)
        identifiers = {known: number for known, number in self._session.identifiers.items() if known in subscriptions}
        for (topic_filter, _), outcome in zip(wanted, outcomes, strict=True):
            if outcome < NOT_ALLOWED:
                identifiers.pop(topic_filter, None)
                if packet.properties.subscription_ids:
                    identifiers[topic_filter] = packet.properties.subscription_ids[0]
        await self._hub.sessions.subscribe(self._session, subscriptions, identifiers)
        self._wants.clear()
        reasons = tuple(_suback(topic, outcome) for (topic, _), outcome in zip(wanted, outcomes, strict=True))
        self._carrier.send(encode5(Suback5(packet.packet_id, reasons)))
        self._subscribed(wanted)

    async def _unsubscribe5(self, packet: Unsubscribe5) -> None:
        known = self._session.subscriptions
        reasons = [Reason.SUCCESS if it in known else Reason.NO_SUBSCRIPTION_EXISTED for it in packet.filters]
        await self._keep(self._session.unsubscribed(packet.filters))
        self._carrier.send(encode5(Unsuback5(packet.packet_id, tuple(reasons))))


class _Verdict(NamedTuple):
    """What is answered to a message, with words for people where it was not taken."""

    reason: Reason
    why: str = ""


class _DeclinedError(Exception):
    """A message was not taken, and its sender is told why."""

    def __init__(self, verdict: _Verdict) -> None:
        super().__init__(verdict.why)
        self.verdict = verdict


def _quota() -> _DeclinedError:
    return _DeclinedError(_Verdict(Reason.QUOTA_EXCEEDED, "the queues are full: send it again later"))


def _verdict(answer: Answer) -> _Verdict | None:
    """What is said to a message; None where it could not be stored."""
    if isinstance(answer, BaseException):
        return answer.verdict if isinstance(answer, _DeclinedError) else None
    return _Verdict(Reason.NO_MATCHING_SUBSCRIBERS if answer == NOWHERE else Reason.SUCCESS)


def _suback(topic_filter: str, outcome: int) -> int:
    """The reason code: the QoS granted, or why not [3.9.3]."""
    if outcome == NOT_ALLOWED:
        return Reason.SHARED_NOT_SUPPORTED if topic_filter.startswith(_SHARED) else Reason.TOPIC_FILTER_INVALID
    return outcome
