"""The head for MQTT 3.1.1: packets to what a client says, and what it is told to packets.

What breaks the contract ends the connection: MQTT 3.1.1 has no other answer.
"""

from __future__ import annotations

import logging
from asyncio import CancelledError
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace as replace_fields
from functools import partial
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from hotori.hub.answers import Answers
from hotori.hub.carrier import Carrier
from hotori.hub.conversation import Conversation
from hotori.hub.dialect import Dialect, granted
from hotori.hub.head import Ending, Handover
from hotori.hub.promise import Answer, Promise
from hotori.hub.session import Session
from hotori.model.json import JsonObject
from hotori.model.message import MAX_SIZE, Message
from hotori.mqtt.bag import MalformedBagError, read_bag
from hotori.mqtt.encoder import PINGRESP, encode, encode_puback, encode_pubacks, encode_publish, encode_publishes
from hotori.mqtt.packets import (
    MAX_TEXT,
    SUBSCRIPTION_FAILED,
    Connect,
    Disconnect,
    Pingreq,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
    Suback,
    Subscribe,
    Unsuback,
    Unsubscribe,
    Will,
)
from hotori.mqtt.packets5 import Packet5
from hotori.mqtt.run_decoder import Heard, Pubacks, Run
from hotori.mqtt.topics import MethodReply, ReportedPatch, TwinGet

if TYPE_CHECKING:
    from hotori.hub.hub import Hub

MOST_UNANSWERED = 1000
"""Beyond this many messages and requests without an answer a client is not read from."""

logger = logging.getLogger(__name__)


class MqttHead:
    """One connection's, after admission."""

    __slots__ = (
        "_answers",
        "_carrier",
        "_connect",
        "_dialect",
        "_gone",
        "_hub",
        "_identity",
        "_room",
        "_session",
        "_wants",
        "conversation",
    )

    def __init__(self, hub: Hub, session: Session, carrier: Carrier, dialect: Dialect, connect: Connect) -> None:
        self._hub = hub
        self._identity = session.identity
        self._carrier = carrier
        self._dialect = dialect
        self._session = session
        self._connect = replace_fields(connect, username=None, password=None)  # of no use any more
        self._wants: dict[str, int | None] = {}
        self._room = hub.queues.room
        self._gone = False
        self._answers = Answers(self._answer)
        self.conversation = self._converse()

    @property
    def busy(self) -> bool:
        """Whether so much waits for an answer that nothing more should be read."""
        waiting = self._answers.waiting
        for line in self.conversation.lines:
            waiting += len(line.waiting)
        return waiting > MOST_UNANSWERED or (self._room.pressed and waiting > 0)

    def gone(self) -> None:
        """The connection has ended."""
        self._gone = True
        self._answers.close()

    # What the client says

    def take(self, heard: Sequence[Heard | Packet5]) -> None:
        """What came together, in this order, up to what ends the connection."""
        for each in heard:
            if type(each) is Run:
                self._take_run(each)
            elif type(each) is Pubacks:
                self.conversation.acknowledged(each.packet_ids)
            else:
                self.other(each)
            if self._gone:
                return

    def _take_run(self, run: Run) -> None:
        """Messages that followed one another are entered together, up to one that cannot be read."""
        identity, now = self._identity, self.conversation.last_activity
        messages: list[Message] = []
        turns: list[int] = []
        try:
            for packet_id, text, payload in run.messages:
                bag, output = read_bag(text)
                messages.append(Message(payload, bag, bag.system, identity, output, now))
                turns.append(packet_id)
        except MalformedBagError as error:
            if messages:
                self._hub.turn.add(messages, self._answers, turns)
            self._unreadable(error)
        else:
            self._hub.turn.add(messages, self._answers, turns)

    def other(self, packet: Heard | Packet5) -> None:
        """Anything that is not in a run."""
        match packet:
            case Publish():
                self._take_publish(packet)
            case Puback(packet_id):
                self.conversation.acknowledged((packet_id,))
            case Pingreq():
                self._carrier.send(PINGRESP)
            case Subscribe():
                self.conversation.subscribing.add(partial(self._subscribe, packet))
            case Unsubscribe():
                self.conversation.subscribing.add(partial(self._unsubscribe, packet))
            case Disconnect():
                self._carrier.abort("it said goodbye", Ending.GOODBYE)
            case Pubrel(packet_id):
                self._session.received.discard(packet_id)
                self._carrier.send(encode(Pubcomp(packet_id)))
            case _:
                self._carrier.abort(f"{type(packet).__name__} has no place here", Ending.RULE_BROKEN)

    # What the client is told

    @property
    def writable(self) -> bool:
        return self._carrier.writable

    def wants(self, endpoint: str) -> int | None:
        try:
            return self._wants[endpoint]
        except KeyError:
            qos = self._wants[endpoint] = granted(self._session.subscriptions, self._dialect.place(endpoint))
            return qos

    def deliver(self, endpoint: str, handover: Handover) -> Sequence[int]:
        messages, packet_ids, again = handover.messages, handover.packet_ids, handover.again
        topics = self._dialect.placed(endpoint, messages)
        if max(map(len, topics)) > MAX_TEXT:
            return self._deliver_sendable(topics, handover)
        self._carrier.send(encode_publishes(topics, [message.body for message in messages], packet_ids, again))
        return ()

    def _deliver_sendable(self, topics: Sequence[bytes], handover: Handover) -> Sequence[int]:
        """A bag that is longer than a topic may be can never be delivered here; the others can."""
        unsendable = []
        every = zip(topics, handover.messages, handover.packet_ids, handover.again, strict=True)
        for place, (topic, message, packet_id, dup) in enumerate(every):
            if len(topic) <= MAX_TEXT:
                self._carrier.send(encode_publishes([topic], [message.body], [packet_id], [dup]))
            else:
                logger.warning("A message to %s cannot be written: its topic has %d bytes", self._identity, len(topic))
                unsendable.append(place)
        return unsendable

    def tell_twin(self, status: int, request: str, body: JsonObject | None, version: int | None) -> None:
        payload = b"" if body is None else msgspec.json.encode(body)
        self._tell(self._dialect.twin_reply(status, request, version), payload)

    def tell_desired(self, patch: JsonObject, version: int) -> None:
        """The version stands in topic and body (contract 1.7)."""
        if not self._dialect.takes_desired(self._session.subscriptions):
            return
        if self._dialect.whole_desired:
            self.conversation.ask_desired()
        else:
            body = msgspec.json.encode({**patch, "$version": version})
            self._tell(self._dialect.desired_change(version), body)

    def tell_whole(self, desired: JsonObject, version: int) -> None:
        self._tell(self._dialect.desired_change(version), msgspec.json.encode(desired))

    @property
    def takes_methods(self) -> bool:
        return self._dialect.takes_methods(self._session.subscriptions)

    def call(self, name: str, request: str, payload: bytes) -> None:
        self._tell(self._dialect.method_call(name, request), payload)

    def _tell(self, topic: str, payload: bytes) -> None:
        if self._dialect.tells(self._session.subscriptions, topic):
            self._carrier.send(encode_publish(topic, payload))

    @property
    def repeats(self) -> bool:
        return True

    def end(self, reason: str, ending: Ending) -> None:
        self._carrier.abort(reason, ending)

    def farewell(self, ending: Ending, reason: str) -> bytes:
        """What is sent last: MQTT 3.1.1 has no words for it."""
        return b""

    # Messages

    def _take_publish(self, packet: Publish) -> None:
        """A PUBLISH that is not a plain message: a request that is spelled as a topic, or one with flags."""
        if packet.qos == 2 and not self._dialect.exactly_once:
            self._carrier.abort("it published at QoS 2 (contract 1.4)", Ending.RULE_BROKEN)
        elif packet.qos == 2 and packet.packet_id in self._session.received:
            self._answer_in_turn(-packet.packet_id, None)  # a repetition of what was taken already
        else:
            self._take_request(packet)

    def _answer_in_turn(self, turn: int, promise: Promise | None) -> None:
        """Answer behind all that was said before."""
        self._hub.turn.end()
        self._answers.add(turn, promise)

    def _unreadable(self, error: MalformedBagError) -> None:
        self._carrier.abort(f"a property bag cannot be read: {error}", Ending.RULE_BROKEN)

    def _stamped(self, message: Message) -> Message:
        return replace(message, sender=self._identity, enqueued_at=self.conversation.last_activity)

    def _take_message(self, packet: Publish, message: Message) -> None:
        if packet.retain or packet.dup:
            properties = marked(message.properties, packet.qos, retain=packet.retain, dup=packet.dup)
            message = replace(message, properties=properties)
        if message.size() > MAX_SIZE:
            why = f"a message of {message.size()} bytes is larger than {MAX_SIZE}"
            self._carrier.abort(why, Ending.TOO_LARGE)
            return
        self._answer_in_turn(_turn(packet), self._hub.enter(self._identity, message))

    def _answer(self, turns: Sequence[int], answer: Answer) -> None:
        """Never before it is durable; where it cannot be, the client is to send it again, later."""
        if isinstance(answer, BaseException):
            self._not_stored(answer)
            return
        if len(turns) == 1 and turns[0] > 0:
            self._carrier.send(encode_puback(turns[0]))
        elif min(turns) > 0:
            self._carrier.send(encode_pubacks(turns))
        else:
            self._answer_mixed(turns)
        self._carrier.answered()

    def _answer_mixed(self, turns: Sequence[int]) -> None:
        """QoS 1 has a PUBACK, QoS 2 a PUBREC, and QoS 0 no answer."""
        for turn in turns:
            if turn > 0:
                self._carrier.send(encode_puback(turn))
            elif turn:
                self._session.received.add(-turn)
                self._carrier.send(encode(Pubrec(-turn)))

    def _not_stored(self, error: BaseException) -> None:
        if isinstance(error, CancelledError):
            self._carrier.abort("the hub is closing", Ending.CLOSING)
        else:
            self._hub.meters.not_stored(self._identity)
            logger.error("A message of %s could not be stored: %s", self._identity, error)
            self._carrier.abort("its message could not be stored")

    # Requests

    def _take_request(self, packet: Publish) -> None:
        try:
            said = self._dialect.read(packet.topic, packet.payload)
        except MalformedBagError as error:
            self._unreadable(error)
            return
        match said:
            case Message():
                self._take_message(packet, self._stamped(said))
                return
            case TwinGet(rid):
                self.conversation.ask_twin(rid)
            case ReportedPatch(rid):
                self.conversation.patch_reported(rid, packet.payload)
            case MethodReply(status, rid):
                self._take_reply(rid, status, packet.payload)
            case None:
                why = f"it published to {packet.topic[:200]!r}, which is not its own (contract 1.4)"
                self._carrier.abort(why, Ending.NOT_ALLOWED)
                return
        if packet.qos:
            self._answer_in_turn(_turn(packet), None)

    def _take_reply(self, rid: str, status: int, payload: bytes) -> None:
        try:
            self.conversation.answer(rid, status, payload)
        except (ValueError, RecursionError):  # ValueError: a text in it may be no UTF-8
            self._carrier.abort("the answer to a method is not JSON (contract 1.5)", Ending.RULE_BROKEN)

    # Subscriptions

    async def _subscribe(self, packet: Subscribe) -> None:
        subscriptions, outcomes = self._session.subscribed(packet.filters, self._dialect.may_subscribe)
        await self._keep(subscriptions)
        codes = tuple(outcome if outcome < SUBSCRIPTION_FAILED else SUBSCRIPTION_FAILED for outcome in outcomes)
        self._carrier.send(encode(Suback(packet.packet_id, codes)))
        self._subscribed(packet.filters)

    async def _unsubscribe(self, packet: Unsubscribe) -> None:
        await self._keep(self._session.unsubscribed(packet.filters))
        self._carrier.send(encode(Unsuback(packet.packet_id)))

    def _subscribed(self, wanted: Collection[tuple[str, int]]) -> None:
        """Begin to send what is asked for now."""
        self.conversation.wake()
        asked = {topic_filter: 1 for topic_filter, _ in wanted if self._dialect.may_subscribe(topic_filter)}
        if self._dialect.whole_desired and self._dialect.takes_desired(asked):
            self.conversation.ask_desired()

    async def _keep(self, subscriptions: dict[str, int]) -> None:
        await self._hub.sessions.subscribe(self._session, subscriptions)
        self._wants.clear()

    def _converse(self) -> Conversation:
        return Conversation(self._hub, self._session, self, self._last_words(self._connect.will))

    def _last_words(self, will: Will | None) -> Message | None:
        """The message that the will is: its topic was judged on admission."""
        said = self._dialect.read(will.topic, will.payload) if will is not None else None
        if will is None or not isinstance(said, Message):
            return None
        return replace(said, properties={**said.properties, **_RETAINED}) if will.retain else said


_RETAINED = {"mqtt-retain": "true"}


def _turn(packet: Publish) -> int:
    """The packet id; negative at QoS 2, which has another answer, and 0 at QoS 0, which has none."""
    return -packet.packet_id if packet.qos == 2 else packet.packet_id


def marked(properties: Mapping[str, str], qos: int, *, retain: bool = False, dup: bool = False) -> dict[str, str]:
    """The properties, with flags of a packet that a message keeps; nothing is ever retained (contract 1.4)."""
    marks = {**properties, "mqtt-qos": str(qos)}
    if retain:
        marks |= _RETAINED
    if dup:
        marks["mqtt-dup"] = "true"
    return marks
