"""The topics of the device protocol as values, both ways (contract 1.5).

`parse_client_topic` reads what a device or module publishes, `parse_server_topic` what a hub does; every value
formats itself back. Ids stand in topics as they are; names of inputs and methods are percent-encoded. A topic
that is not of the contract is None: what to do then is for the hub to decide.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias
from urllib.parse import quote, unquote

from hotori.model.identity import Identity
from hotori.problems import Problem

TWIN_RESPONSES = "$iothub/twin/res/#"
DESIRED_CHANGES = "$iothub/twin/PATCH/properties/desired/#"
METHOD_CALLS = "$iothub/methods/POST/#"

_TELEMETRY = "/messages/events"
_LONGEST_HEAD = 280
"""Of `devices/{d}/modules/{m}`, with names of up to 128 characters."""
_QUERY = r"/?\?(?P<query>.*)"
_TWIN_GET = re.compile(r"\$iothub/twin/GET" + _QUERY, re.DOTALL)
_REPORTED = re.compile(r"\$iothub/twin/PATCH/properties/reported" + _QUERY, re.DOTALL)
_METHOD_REPLY = re.compile(r"\$iothub/methods/res/(?P<status>-?[0-9]{1,9})" + _QUERY, re.DOTALL)
_TWIN_REPLY = re.compile(r"\$iothub/twin/res/(?P<status>[0-9]{1,9})" + _QUERY, re.DOTALL)
_DESIRED = re.compile(r"\$iothub/twin/PATCH/properties/desired" + _QUERY, re.DOTALL)
_METHOD_CALL = re.compile(r"\$iothub/methods/POST/(?P<name>[^/]+)" + _QUERY, re.DOTALL)
_DEVICE_BOUND = re.compile(r"devices/(?P<device>[^/]+)/messages/devicebound(?:/(?P<bag>.*))?", re.DOTALL)
_INPUT = re.compile(r"(?P<head>devices/[^/]+/modules/[^/]+)/inputs/(?P<input>[^/]+)(?:/(?P<bag>.*))?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Telemetry:
    """A message from a device or module; `bag` holds its properties and, for a module, the output."""

    identity: Identity
    bag: str = ""

    def format(self) -> str:
        return telemetry_prefix(self.identity) + self.bag


@dataclass(frozen=True, slots=True)
class TwinGet:
    """A client asks for its twin. The answer carries the same `rid`, an opaque text."""

    rid: str

    def format(self) -> str:
        return f"$iothub/twin/GET/?$rid={self.rid}"


@dataclass(frozen=True, slots=True)
class ReportedPatch:
    """A client changes its reported properties; the payload is a JSON merge patch."""

    rid: str

    def format(self) -> str:
        return f"$iothub/twin/PATCH/properties/reported/?$rid={self.rid}"


@dataclass(frozen=True, slots=True)
class MethodReply:
    """A client answers a method call; `status` is the method's own."""

    status: int
    rid: str

    def format(self) -> str:
        return f"$iothub/methods/res/{self.status}/?$rid={self.rid}"


@dataclass(frozen=True, slots=True)
class DeviceBound:
    """A message from the cloud to a device."""

    device: str
    bag: str = ""

    def format(self) -> str:
        return f"devices/{self.device}/messages/devicebound/{self.bag}"


@dataclass(frozen=True, slots=True)
class ModuleInput:
    """A message routed to an input of a module."""

    identity: Identity
    input: str
    bag: str = ""

    def format(self) -> str:
        bag = f"/{self.bag}" if self.bag else ""
        return f"{self.identity.path()}/inputs/{quote(self.input, safe='')}{bag}"


@dataclass(frozen=True, slots=True)
class TwinReply:
    """The answer to TwinGet or ReportedPatch; `version` is the new reported version, where one was made."""

    status: int
    rid: str
    version: int | None = None

    def format(self) -> str:
        version = "" if self.version is None else f"&$version={self.version}"
        return f"$iothub/twin/res/{self.status}/?$rid={self.rid}{version}"


@dataclass(frozen=True, slots=True)
class DesiredChange:
    """The service changed the desired properties; the payload is the patch, with `$version` in it as well."""

    version: int

    def format(self) -> str:
        return f"$iothub/twin/PATCH/properties/desired/?$version={self.version}"


@dataclass(frozen=True, slots=True)
class MethodCall:
    """The service calls a method. The reply carries the same `rid`."""

    name: str
    rid: str

    def format(self) -> str:
        return f"$iothub/methods/POST/{quote(self.name, safe='')}/?$rid={self.rid}"


ClientTopic: TypeAlias = Telemetry | TwinGet | ReportedPatch | MethodReply
ServerTopic: TypeAlias = DeviceBound | ModuleInput | TwinReply | DesiredChange | MethodCall


def telemetry_prefix(identity: Identity) -> str:
    """What the topics of an identity's own messages begin with; the bag follows."""
    return f"{identity.path()}{_TELEMETRY}/"


def device_bound_filter(device: str) -> str:
    """Messages from the cloud to a device."""
    return f"devices/{device}/messages/devicebound/#"


def inputs_filter(identity: Identity) -> str:
    """Messages to the inputs of a module."""
    return f"{identity.path()}/inputs/#"


def module_filter(identity: Identity) -> str:
    """Everything to a module: some clients ask for their inputs this way."""
    return f"{identity.path()}/#"


def parse_client_topic(topic: str) -> ClientTopic | None:
    """What a client says by publishing to a topic. A leading or trailing slash of the bag is not part of it."""
    if topic.startswith("devices/"):
        return _parse_telemetry(topic)
    if match := _TWIN_GET.fullmatch(topic):
        rid = _rid(match["query"])
        return None if rid is None else TwinGet(rid)
    if match := _REPORTED.fullmatch(topic):
        rid = _rid(match["query"])
        return None if rid is None else ReportedPatch(rid)
    if match := _METHOD_REPLY.fullmatch(topic):
        rid = _rid(match["query"])
        return None if rid is None else MethodReply(int(match["status"]), rid)
    return None


def parse_server_topic(topic: str) -> ServerTopic | None:
    """What a hub says by publishing to a topic."""
    if topic.startswith("devices/"):
        return _parse_message(topic)
    if match := _TWIN_REPLY.fullmatch(topic):
        query = _query(match["query"])
        rid = query.get("$rid")
        return None if rid is None else TwinReply(int(match["status"]), rid, _number(query.get("$version")))
    if match := _DESIRED.fullmatch(topic):
        version = _number(_query(match["query"]).get("$version"))
        return None if version is None else DesiredChange(version)
    if match := _METHOD_CALL.fullmatch(topic):
        rid = _rid(match["query"])
        return None if rid is None else MethodCall(unquote(match["name"]), rid)
    return None


def matches(topic_filter: str, topic: str) -> bool:
    """Whether a subscription's filter takes in a topic [MQTT 4.7]: `+` is one level, `#` all that follow."""
    if topic.startswith("$") and topic_filter[:1] in ("#", "+"):
        return False
    wanted, levels = topic_filter.split("/"), topic.split("/")
    for number, level in enumerate(wanted):
        if level == "#":
            return number == len(wanted) - 1
        if number >= len(levels) or level not in ("+", levels[number]):
            return False
    return len(wanted) == len(levels)


def _parse_telemetry(topic: str) -> Telemetry | None:
    head, found, bag = topic.partition(_TELEMETRY)
    if not found or len(head) > _LONGEST_HEAD or not (bag == "" or bag[0] == "/"):
        return None
    identity = _identity(head)
    if identity is None:
        return None
    return Telemetry(identity, bag[1:-1] if len(bag) > 1 and bag[-1] == "/" else bag[1:])


def _parse_message(topic: str) -> DeviceBound | ModuleInput | None:
    if match := _DEVICE_BOUND.fullmatch(topic):
        return DeviceBound(match["device"], match["bag"] or "")
    if match := _INPUT.fullmatch(topic):
        identity = _identity(match["head"]) if len(match["head"]) <= _LONGEST_HEAD else None
        return None if identity is None else ModuleInput(identity, unquote(match["input"]), match["bag"] or "")
    return None


@lru_cache(maxsize=4096)
def _identity(path: str) -> Identity | None:
    """`devices/d` or `devices/d/modules/m`."""
    try:
        match path.split("/"):
            case ["devices", device]:
                return Identity(device)
            case ["devices", device, "modules", module]:
                return Identity(device, module)
    except Problem:  # a name that no identity has
        return None
    return None


def _query(text: str) -> dict[str, str]:
    return {name: value for name, _, value in (part.partition("=") for part in text.split("&"))}


def _rid(text: str) -> str | None:
    return _query(text).get("$rid")


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 19 else None
