"""Direct methods: a question to a connected device or module (contract 2.4, 1.8)."""

from __future__ import annotations

from starlette.responses import Response

from hotori.hub.method_request import MethodRequest, result_document
from hotori.hub.service_api.answer import json_answer
from hotori.hub.service_api.call import Call


async def invoke(call: Call) -> Response:
    registration = await call.deps.registry.get(call.identity)
    request = MethodRequest.parse(await call.object())
    return json_answer(result_document(await request.send(call.deps.hub.methods, registration.identity)))
