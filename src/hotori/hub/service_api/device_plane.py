"""The device's own side over HTTPS: sending messages, and receiving those of the cloud by polling (contract 1.11)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from starlette.responses import Response

from hotori.hub.device_bound import ACK
from hotori.hub.locks import Locked
from hotori.hub.moment import written_time
from hotori.hub.queues import device_endpoint
from hotori.hub.service_api.answer import no_content
from hotori.hub.service_api.call import Call
from hotori.hub.service_api.device_messages import PROPERTIES_HEADER, read_message
from hotori.model.message import MAX_SIZE
from hotori.mqtt.bag import encode_bag

_SYSTEM: Mapping[str, str] = {
    "mid": "iothub-messageid",
    "cid": "iothub-correlationid",
    "uid": "iothub-userid",
    "ct": "iothub-contenttype",
    "ce": "iothub-contentencoding",
    "to": "iothub-to",
}


async def send_event(call: Call) -> Response:
    """A message of the device; durable when it is answered. Raises `client-too-fast`."""
    hub = call.deps.hub
    if seconds := hub.rates.rest(call.identity, asyncio.get_running_loop().time()):
        raise hub.fast.problem(call.identity, seconds)
    await call.deps.hub.submit(call.identity, await read_message(call, MAX_SIZE))
    return no_content()


async def receive(call: Call) -> Response:
    """The next message for the device, locked for 60 seconds; 204 where none waits."""
    locked = await call.deps.hub.device_bound.locks.receive(_endpoint(call))
    if locked is None:
        return no_content()
    return Response(locked.received[0].message.body, 200, _headers(locked), "application/octet-stream")


async def settle(call: Call) -> Response:
    """The device has it; with `?reject` it never will. Raises LockLostError."""
    locks, token = call.deps.hub.device_bound.locks, _lock(call)
    if "reject" in call.request.query_params:
        locks.reject(_endpoint(call), token)
    else:
        locks.complete(_endpoint(call), token)
    return no_content()


async def abandon(call: Call) -> Response:
    """The device gives it back. Raises LockLostError."""
    call.deps.hub.device_bound.locks.abandon(_endpoint(call), _lock(call))
    return no_content()


def _endpoint(call: Call) -> str:
    return device_endpoint(call.identity.device)


def _headers(locked: Locked) -> dict[str, str]:
    """Properties whose names or values fit no header are only in the bag of all of them."""
    item, message = locked.received[0].item, locked.received[0].message
    named = {header: message.system[key] for key, header in _SYSTEM.items() if key in message.system}
    named |= {f"iothub-app-{name}": value for name, value in message.properties.items() if name != ACK}
    plain = {name: value for name, value in named.items() if _is_token(name) and _fits(value)}
    return plain | {
        "ETag": f'"{locked.token}"',
        ACK: message.properties.get(ACK, "none"),
        "iothub-sequencenumber": str(item.offset + 1),
        "iothub-deliverycount": str(item.attempts - 1),
        "iothub-expiry": written_time(item.expires),
        "iothub-enqueuedtime": written_time(message.enqueued_at),
        PROPERTIES_HEADER: encode_bag(message.properties),
    }


def _fits(text: str) -> bool:
    return text.isascii() and text.isprintable()


def _is_token(name: str) -> bool:
    return all(character.isascii() and (character.isalnum() or character in "-_.~") for character in name)


def _lock(call: Call) -> str:
    """The token in the address, as it stood in ETag or without its quotation marks."""
    return str(call.request.path_params["lock"]).strip('"')
