"""What services fetch by polling: feedback on their messages, and notifications of files (contract 2.8)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
from starlette.responses import Response

from hotori.hub.service_api.answer import no_content
from hotori.hub.service_api.call import Call
from hotori.hub.service_bound import MOST_RECORDS, ServiceQueue
from hotori.problems import Problem
from hotori.problems.service import REQUEST_MALFORMED


@dataclass(frozen=True, slots=True)
class _Kind:
    """`most` None means that one record is the whole body; else it is an array of up to so many."""

    queue: ServiceQueue
    media_type: str
    most: int | None = None


_FEEDBACK = _Kind(ServiceQueue.FEEDBACK, "application/vnd.microsoft.iothub.feedback.json", MOST_RECORDS)
_FILES = _Kind(ServiceQueue.FILES, "application/json; charset=utf-8")
_KINDS: Mapping[str, _Kind] = {
    "feedback": _FEEDBACK,
    "filenotifications": _FILES,
    "fileuploadnotifications": _FILES,
}


async def receive(call: Call) -> Response:
    """The next records, locked for 60 seconds; 204 where there are none."""
    kind = _kind(call)
    call.deps.hub.device_bound.settle()
    locked = await call.deps.hub.service_bound.locks.receive(kind.queue.value, kind.most or 1)
    if locked is None:
        return no_content()
    bodies = [msgspec.Raw(received.message.body) for received in locked.received]
    body = msgspec.json.encode(bodies) if kind.most else bytes(bodies[0])
    return Response(body, 200, {"ETag": f'"{locked.token}"'}, kind.media_type)


async def complete(call: Call) -> Response:
    """The service has them. Raises LockLostError."""
    call.deps.hub.service_bound.locks.complete(_kind(call).queue.value, _lock(call))
    return no_content()


async def abandon(call: Call) -> Response:
    """The service gives them back. Raises LockLostError."""
    call.deps.hub.service_bound.locks.abandon(_kind(call).queue.value, _lock(call))
    return no_content()


def _kind(call: Call) -> _Kind:
    name = str(call.request.path_params["kind"]).lower()
    if name not in _KINDS:
        raise Problem(REQUEST_MALFORMED, reason=f"there is no queue {name}; there are {', '.join(_KINDS)}")
    return _KINDS[name]


def _lock(call: Call) -> str:
    """The token in the address, as it stood in ETag or without its quotation marks."""
    return str(call.request.path_params["lock"]).strip('"')
