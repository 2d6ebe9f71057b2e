"""What an MQTT client calls things: a dialect maps topics to what they mean, and back. Versions of MQTT share it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, TypeAlias

from hotori.model.identity import Identity
from hotori.model.message import Message
from hotori.mqtt.bag import bag_text, message_from_bag, sender_text
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
    matches,
    module_filter,
    parse_client_topic,
    telemetry_prefix,
)

Said: TypeAlias = Message | TwinGet | ReportedPatch | MethodReply
"""What a PUBLISH of a client means."""

_LONGEST_FILTER = 1024
_NOBODY = object()
"""No message's sender, nor the lack of one."""
_MOST_PLACES = 1024


class Dialect(Protocol):
    """The topics of one identity. `prefix` begins those that are surely messages, a property bag follows it."""

    prefix: str
    exactly_once: bool
    """Whether QoS 2 is taken."""
    whole_desired: bool
    """Whether changes of the desired properties are told as the whole of them instead of the patch."""

    def read(self, topic: str, payload: bytes) -> Said | None:
        """What a publication says; None where it says nothing that is this identity's. Raises MalformedBagError."""
        ...

    def may_subscribe(self, topic_filter: str) -> bool:
        """Whether there is anything for this identity under the filter."""
        ...

    def takes_methods(self, subscriptions: Mapping[str, int]) -> bool: ...

    def takes_desired(self, subscriptions: Mapping[str, int]) -> bool: ...

    def place(self, endpoint: str) -> str:
        """The topic of what waits at an endpoint, without properties."""
        ...

    def placed(self, endpoint: str, messages: Sequence[Message]) -> Sequence[bytes]:
        """The topics of messages from an endpoint, with the properties that this dialect writes into topics."""
        ...

    def twin_reply(self, status: int, request: str, version: int | None) -> str: ...

    def desired_change(self, version: int) -> str: ...

    def method_call(self, name: str, request: str) -> str: ...

    def method_answer(self, name: str, request: str) -> str | None:
        """Where the answer goes, for clients that are told; None where they know."""
        ...

    def tells(self, subscriptions: Mapping[str, int], topic: str) -> bool:
        """Whether an answer may be sent to a topic: some clients get it without having asked for the topic."""
        ...


class IotHubDialect:
    """The topics of contract 1.5, with properties in them."""

    exactly_once = False
    whole_desired = False

    def __init__(self, identity: Identity) -> None:
        self.prefix = telemetry_prefix(identity)
        self._identity = identity
        self._places: dict[tuple[str, Identity | None], bytes] = {}

    def read(self, topic: str, payload: bytes) -> Said | None:
        match parse_client_topic(topic):
            case Telemetry(identity, bag):
                return message_from_bag(bag, payload) if identity == self._identity else None
            case said:
                return said

    def may_subscribe(self, topic_filter: str) -> bool:
        if topic_filter in (TWIN_RESPONSES, DESIRED_CHANGES, METHOD_CALLS):
            return True
        if self._identity.module is None:
            return topic_filter == device_bound_filter(self._identity.device)
        inputs = inputs_filter(self._identity)
        return topic_filter in (inputs, module_filter(self._identity)) or (
            topic_filter.startswith(inputs[:-1]) and len(topic_filter) < _LONGEST_FILTER
        )

    def takes_methods(self, subscriptions: Mapping[str, int]) -> bool:
        return METHOD_CALLS in subscriptions

    def takes_desired(self, subscriptions: Mapping[str, int]) -> bool:
        return DESIRED_CHANGES in subscriptions

    def place(self, endpoint: str) -> str:
        return self._place(endpoint, "")

    def placed(self, endpoint: str, messages: Sequence[Message]) -> Sequence[bytes]:
        topics: list[bytes] = []
        places, sender, place = self._places, _NOBODY, b""
        for message in messages:
            if message.sender is not sender:
                sender = message.sender
                place = places.get((endpoint, sender)) or self._remember_place(endpoint, sender)
            own = bag_text(message)
            topics.append(place + own.encode() if own or sender is None else place[:-1])
        return topics

    def _remember_place(self, endpoint: str, sender: Identity | None) -> bytes:
        """What stands before the own properties of a sender's messages."""
        place = self._place(endpoint, "").rstrip("/") + "/"
        if sender is not None:
            place += f"{sender_text(sender)}&"
        if len(self._places) >= _MOST_PLACES:
            self._places.clear()
        self._places[endpoint, sender] = found = place.encode()
        return found

    def twin_reply(self, status: int, request: str, version: int | None) -> str:
        return TwinReply(status, request, version).format()

    def desired_change(self, version: int) -> str:
        return DesiredChange(version).format()

    def method_call(self, name: str, request: str) -> str:
        return MethodCall(name, request).format()

    def method_answer(self, name: str, request: str) -> str | None:
        return None

    def tells(self, subscriptions: Mapping[str, int], topic: str) -> bool:
        return True  # clients do not subscribe again when they come back (contract 1.4)

    def _place(self, endpoint: str, bag: str) -> str:
        if self._identity.module is None:
            return DeviceBound(self._identity.device, bag).format()
        return ModuleInput(self._identity, endpoint.partition("/")[2], bag).format()


def matching(subscriptions: Mapping[str, int], topic: str) -> list[str]:
    """The filters that a topic matches."""
    return [known for known in subscriptions if matches(known, topic)]


def granted(subscriptions: Mapping[str, int], topic: str) -> int | None:
    """The QoS at which a topic is to be delivered; None where it was not asked for."""
    return max((subscriptions[known] for known in matching(subscriptions, topic)), default=None)
