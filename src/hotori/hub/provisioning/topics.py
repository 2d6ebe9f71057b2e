"""The topics and the user name of the provisioning protocol (contract 12.1)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import unquote

from hotori.mqtt.packets import Connect

RESPONSES = "$dps/registrations/res/#"

_USER_NAME = re.compile(r"(?P<scope>[^/]+)/registrations/(?P<registration>[^/]+)/(?P<query>.*)", re.DOTALL)
_REGISTER = re.compile(r"\$dps/registrations/PUT/iotdps-register/\?(?P<query>.*)", re.DOTALL)
_STATUS = re.compile(r"\$dps/registrations/GET/iotdps-get-operationstatus/\?(?P<query>.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Register:
    """A device asks for its assignment."""

    rid: str


@dataclass(frozen=True, slots=True)
class Poll:
    """A device asks what came of it."""

    rid: str
    operation: str


Request: TypeAlias = Register | Poll


def parse_request(topic: str) -> Request | None:
    """What is asked by publishing to a topic; None where it is none of the protocol's."""
    if match := _REGISTER.fullmatch(topic):
        rid = _query(match["query"]).get("$rid")
        return None if rid is None else Register(rid)
    if match := _STATUS.fullmatch(topic):
        query = _query(match["query"])
        rid, operation = query.get("$rid"), query.get("operationId")
        return None if rid is None or operation is None else Poll(rid, unquote(operation))
    return None


def response_topic(status: int, rid: str, retry_after: int | None = None) -> str:
    """`$rid` comes first, and no other `$` follows: a client splits there (contract 12.1, trap)."""
    waiting = "" if retry_after is None else f"&retry-after={retry_after}"
    return f"$dps/registrations/res/{status}/?$rid={rid}{waiting}"


def is_for_provisioning(connect: Connect) -> bool:
    """Whether a CONNECT is for this protocol and not for the hub's own."""
    return _USER_NAME.fullmatch(connect.username or "") is not None


def read_user_name(connect: Connect) -> tuple[str, str] | None:
    """Scope and registration id; None where an api-version is missing or the client id is another."""
    match = _USER_NAME.fullmatch(connect.username or "")
    if match is None or not _query(match["query"].lstrip("?")).get("api-version"):
        return None
    return (match["scope"], match["registration"]) if connect.client_id == match["registration"] else None


def _query(text: str) -> dict[str, str]:
    return {name: value for name, _, value in (part.partition("=") for part in text.split("&"))}
