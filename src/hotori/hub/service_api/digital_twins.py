"""Digital twins and their commands (contract 2.10)."""

from __future__ import annotations

import secrets

from starlette.responses import Response

from hotori.hub.digital_twin import desired_after, digital_twin
from hotori.hub.method_request import MethodRequest
from hotori.hub.service_api.answer import json_answer
from hotori.hub.service_api.call import Call, natural_number, parse_json
from hotori.hub.twin_document import twin_etag
from hotori.hub.twin_write import TwinWrite
from hotori.model.json import JsonObject
from hotori.model.twin import difference
from hotori.problems import Problem
from hotori.problems.service import CHANGED_MEANWHILE


async def get_twin(call: Call) -> Response:
    registration = await call.deps.registry.get(call.identity)
    record = await call.deps.hub.twins.record(registration.identity)
    document = digital_twin(call.identity.device, record)
    return json_answer(document, headers={"ETag": f'"{twin_etag(record)}"'})


async def patch_twin(call: Call) -> Response:
    """Write desired properties by a JSON patch; 202, since the device is yet to follow."""
    registration = await call.deps.registry.get(call.identity)
    twins = call.deps.hub.twins
    record = await twins.record(registration.identity)
    if call.etag is not None and call.etag != twin_etag(record):
        raise Problem(CHANGED_MEANWHILE, what=registration.identity)
    before = record.twin.desired.values
    patch = difference(before, desired_after(before, await call.json()))
    await twins.write(registration.identity, TwinWrite(desired=patch), record.revision)
    after = await twins.record(registration.identity)
    return Response(status_code=202, headers={"ETag": f'"{twin_etag(after)}"'})


async def invoke(call: Call) -> Response:
    """A command is the method of its name; one of a component is called `component*command`."""
    registration = await call.deps.registry.get(call.identity)
    names, body = call.request.path_params, await call.body()
    component = names.get("component")
    document: JsonObject = {
        "methodName": f"{component}*{names['command']}" if component else names["command"],
        "payload": parse_json(body) if body.strip() else None,
    }
    for name in ("connectTimeoutInSeconds", "responseTimeoutInSeconds"):
        if (text := call.request.query_params.get(name)) is not None:
            number = natural_number(text)
            document[name] = text if number is None else number
    result = await MethodRequest.parse(document).send(call.deps.hub.methods, registration.identity)
    headers = {"x-ms-command-statuscode": str(result.status), "x-ms-request-id": secrets.token_hex(16)}
    return json_answer(result.payload, headers=headers)
