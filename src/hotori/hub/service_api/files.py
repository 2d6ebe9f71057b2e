"""Files of devices: where to put one, and that it is there (contract 1.10)."""

from __future__ import annotations

from starlette.responses import Response

from hotori.hub.service_api.answer import json_answer, no_content
from hotori.hub.service_api.call import Call
from hotori.problems import Problem
from hotori.problems.service import REQUEST_MALFORMED


async def begin(call: Call) -> Response:
    """Leave to write one blob of the object store, for an hour."""
    name = (await call.object()).get("blobName")
    if not isinstance(name, str):
        raise Problem(REQUEST_MALFORMED, reason="blobName is missing")
    return json_answer(await call.deps.uploads.begin(call.identity.device, name))


async def end(call: Call) -> Response:
    """What became of an upload."""
    document = await call.object()
    correlation, success = document.get("correlationId"), document.get("isSuccess")
    if not isinstance(correlation, str) or not isinstance(success, bool):
        raise Problem(REQUEST_MALFORMED, reason="correlationId is a text, and isSuccess is true or false")
    await call.deps.uploads.end(call.identity.device, correlation, success=success)
    return no_content()
