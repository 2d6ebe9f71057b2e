"""The topics of clients that know nothing of the contract: sensors, controllers, whatever speaks plain MQTT.

Every topic of their own is a message of theirs, and the topic is one of its properties. What begins with `hotori/`
is between the client and the hub: see the guide to plain clients. Nothing goes from client to client.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import msgspec

from hotori.hub.dialect import Said, granted
from hotori.model.identity import Identity
from hotori.model.message import Message
from hotori.mqtt.topics import MethodReply, ReportedPatch, TwinGet

TOPIC = "mqtt-topic"
"""The application property that holds the topic of a message."""
RESERVED = "hotori/"
MESSAGES = "hotori/messages"
INPUTS = "hotori/inputs/"
DESIRED = "hotori/twin/desired"
REPORTED = "hotori/twin/reported"
TWIN = "hotori/twin/get"
METHODS = "hotori/methods/"

_REPLY = re.compile(r"hotori/methods/[^/]+/(?P<request>[^/]+)/reply(?:/(?P<status>-?[0-9]{1,9}))?")
_LONGEST_FILTER = 1024
_JSON = {"ct": "application/json", "ce": "utf-8"}
_NOTHING: dict[str, str] = {}


class PlainDialect:
    """One identity's. No topic has a property bag in it, so none has the prefix."""

    prefix = ""
    exactly_once = True
    whole_desired = True

    def __init__(self, identity: Identity) -> None:
        self._identity = identity

    def read(self, topic: str, payload: bytes) -> Said | None:
        if topic.startswith(RESERVED):
            return _request(topic)
        if topic.startswith("$"):
            return None
        output = None if self._identity.module is None else topic.partition("/")[0] or None
        return Message(payload, {TOPIC: topic}, _JSON if _is_json(payload) else _NOTHING, None, output)

    def may_subscribe(self, topic_filter: str) -> bool:
        return topic_filter == "#" or (topic_filter.startswith(RESERVED) and len(topic_filter) < _LONGEST_FILTER)

    def takes_methods(self, subscriptions: Mapping[str, int]) -> bool:
        return granted(subscriptions, self.method_call("any", "1")) is not None

    def takes_desired(self, subscriptions: Mapping[str, int]) -> bool:
        return granted(subscriptions, DESIRED) is not None

    def place(self, endpoint: str) -> str:
        return MESSAGES if self._identity.module is None else INPUTS + endpoint.partition("/")[2]

    def placed(self, endpoint: str, messages: Sequence[Message]) -> Sequence[bytes]:
        return [self.place(endpoint).encode()] * len(messages)

    def twin_reply(self, status: int, request: str, version: int | None) -> str:
        return f"{request}/{status}"

    def desired_change(self, version: int) -> str:
        return DESIRED

    def method_call(self, name: str, request: str) -> str:
        return f"{METHODS}{name}/{request}"

    def method_answer(self, name: str, request: str) -> str | None:
        return f"{METHODS}{name}/{request}/reply"

    def tells(self, subscriptions: Mapping[str, int], topic: str) -> bool:
        return granted(subscriptions, topic) is not None


def _request(topic: str) -> Said | None:
    if topic == TWIN:
        return TwinGet(TWIN)
    if topic == REPORTED:
        return ReportedPatch(REPORTED)
    if match := _REPLY.fullmatch(topic):
        return MethodReply(int(match["status"] or 200), match["request"])
    return None


def _is_json(payload: bytes) -> bool:
    """Whether it is a JSON object or array: routes may then look into it."""
    if payload[:1] not in (b"{", b"["):
        return False
    try:
        msgspec.json.decode(payload)
    except (ValueError, RecursionError):  # ValueError: a text in it may be no UTF-8
        return False
    return True
