"""Twins: read, merged and replaced (contract 2.3)."""

from __future__ import annotations

from starlette.responses import Response

from hotori.hub.registration import Registration
from hotori.hub.service_api.answer import json_answer
from hotori.hub.service_api.call import Call
from hotori.hub.twin_document import twin_document, twin_etag
from hotori.hub.twin_write import TwinWrite
from hotori.problems import Problem
from hotori.problems.service import CHANGED_MEANWHILE


async def get_twin(call: Call) -> Response:
    return await _shown(call, await call.deps.registry.get(call.identity))


async def patch_twin(call: Call) -> Response:
    """Merge what is given into tags and desired; null removes. Reported properties are the device's own."""
    registration, expected = await _expected(call)
    write = TwinWrite.parse(await call.object())
    if not write.empty:
        await call.deps.hub.twins.write(registration.identity, write, expected)
    return await _shown(call, registration)


async def put_twin(call: Call) -> Response:
    """Replace tags and desired with what is given; a section that is left out is emptied."""
    registration, expected = await _expected(call)
    write = TwinWrite.parse(await call.object())
    whole = TwinWrite(write.tags or {}, write.desired or {}, whole=True)
    await call.deps.hub.twins.write(registration.identity, whole, expected)
    return await _shown(call, registration)


async def _expected(call: Call) -> tuple[Registration, int | None]:
    """The identity, and the twin's revision if the request is for one only."""
    registration = await call.deps.registry.get(call.identity)
    if call.etag is None:
        return registration, None
    record = await call.deps.hub.twins.record(registration.identity)
    if twin_etag(record) != call.etag:
        raise Problem(CHANGED_MEANWHILE, what=registration.identity)
    return registration, record.revision


async def _shown(call: Call, registration: Registration) -> Response:
    document = await twin_document(call.deps.hub, registration)
    return json_answer(document, headers={"ETag": f'"{document["etag"]}"'})
