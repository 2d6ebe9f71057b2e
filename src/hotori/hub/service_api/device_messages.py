"""Messages from the cloud to a device (contract 1.9, 2.8), sent over HTTPS."""

from __future__ import annotations

from datetime import UTC, datetime

from msgspec.structs import replace
from starlette.datastructures import Headers
from starlette.responses import Response

from hotori.hub.device_bound import ACK, ACKS
from hotori.hub.service_api.answer import no_content
from hotori.hub.service_api.call import Call
from hotori.model.message import Message
from hotori.mqtt.bag import MalformedBagError, decode_bag
from hotori.problems import Problem
from hotori.problems.connections import MESSAGE_TOO_LARGE
from hotori.problems.service import REQUEST_MALFORMED

MAX_MESSAGE = 64 * 1024
LONGEST_TIME_TO_LIVE = 2 * 24 * 3600.0
PROPERTIES_HEADER = "hotori-properties"
"""Application properties as one property bag, for names that would not survive as header names."""

_SYSTEM = {
    "iothub-messageid": "mid",
    "iothub-correlationid": "cid",
    "iothub-userid": "uid",
    "iothub-contenttype": "ct",
    "iothub-contentencoding": "ce",
}
_APPLICATION = "iothub-app-"


async def send_to_device(call: Call) -> Response:
    """Queue the body for the device, with properties from `iothub-…` headers."""
    registration = await call.deps.registry.get(call.identity)
    headers = call.request.headers
    message = await read_message(call, MAX_MESSAGE)
    if (ack := headers.get(ACK)) is not None:
        if ack.lower() not in ACKS:
            raise Problem(REQUEST_MALFORMED, reason=f"{ACK} is one of {', '.join(ACKS)}")
        message = replace(message, properties={**message.properties, ACK: ack.lower()})
    time_to_live = _time_to_live(headers.get("iothub-expiry"), call.deps.clock())
    await call.deps.hub.send_to_device(registration.identity.device, message, time_to_live)
    return no_content()


async def read_message(call: Call, limit: int) -> Message:
    """The message of a request: its body, with properties from headers. Raises `message-too-large`."""
    headers = call.request.headers
    message = Message(await call.body(limit), _properties(headers), _system(headers))
    if message.size() > limit:
        raise Problem(MESSAGE_TOO_LARGE, size=message.size(), limit=limit)
    return message


def _system(headers: Headers) -> dict[str, str]:
    return {key: headers[name] for name, key in _SYSTEM.items() if name in headers}


def _properties(headers: Headers) -> dict[str, str]:
    named = {name.removeprefix(_APPLICATION): value for name, value in headers.items() if name.startswith(_APPLICATION)}
    try:
        return named | decode_bag(headers.get(PROPERTIES_HEADER, ""))
    except MalformedBagError as error:
        raise Problem(REQUEST_MALFORMED, str(error), reason=f"{PROPERTIES_HEADER}: {error}") from error


def _time_to_live(expiry: str | None, now: float) -> float | None:
    """Seconds until an absolute time in ISO 8601; UTC where it names no zone."""
    if expiry is None:
        return None
    try:
        ends = datetime.fromisoformat(expiry)
    except ValueError as error:
        raise Problem(REQUEST_MALFORMED, str(error), reason="iothub-expiry is a time in ISO 8601") from error
    left = (ends if ends.tzinfo else ends.replace(tzinfo=UTC)).timestamp() - now
    return max(0.0, min(left, LONGEST_TIME_TO_LIVE))
