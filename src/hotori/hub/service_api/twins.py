"""Twins: read, merged and replaced (contract 2.3)."""

from __future__ import annotations

from starlette.responses import Response

from hotori.hub.registration import Registration
from hotori.hub.service_api.answer import json_answer
from hotori.hub.service_api.call import Call
from hotori.hub.twin_document import twin_document, twin_etag
from hotori.model.json import Json, JsonObject
from hotori.model.twin import MAX_TAGS, check_section, without_control
from hotori.problems import Problem
from hotori.problems.service import CHANGED_MEANWHILE, REQUEST_MALFORMED


async def get_twin(call: Call) -> Response:
    return await _shown(call, await call.deps.registry.get(call.identity))


async def patch_twin(call: Call) -> Response:
    """Merge what is given into tags and desired; null removes. Reported properties are the device's own."""
    registration, expected = await _expected(call)
    tags, desired = read_sections(await call.object())
    twins, identity = call.deps.hub.twins, registration.identity
    if desired is not None:
        await twins.patch_desired(identity, desired, expected)
        expected = None
    if tags is not None:
        await twins.patch_tags(identity, tags, expected)
    return await _shown(call, registration)


async def put_twin(call: Call) -> Response:
    """Replace tags and desired with what is given; a section that is left out is emptied."""
    registration, expected = await _expected(call)
    tags, desired = read_sections(await call.object())
    twins, identity = call.deps.hub.twins, registration.identity
    await twins.replace_desired(identity, desired or {}, expected)
    await twins.replace_tags(identity, tags or {})
    return await _shown(call, registration)


async def _expected(call: Call) -> tuple[Registration, int | None]:
    """The identity, and the twin's version if the request is for one version only."""
    registration = await call.deps.registry.get(call.identity)
    if call.etag is None:
        return registration, None
    twin = await call.deps.hub.twins.get(registration.identity)
    if twin_etag(twin) != call.etag:
        raise Problem(CHANGED_MEANWHILE, what=registration.identity)
    return registration, twin.version


def read_sections(document: JsonObject) -> tuple[JsonObject | None, JsonObject | None]:
    """Tags and desired as given, both checked before either is written."""
    tags = _object(document.get("tags"), "tags")
    properties = _object(document.get("properties"), "properties") or {}
    desired = _object(properties.get("desired"), "properties.desired")
    if tags is not None:
        tags = without_control(tags)
        check_section(tags, MAX_TAGS)
    if desired is not None:
        desired = without_control(desired)
        check_section(desired)
    return tags, desired


def _object(value: Json, name: str) -> JsonObject | None:
    if value is None or isinstance(value, dict):
        return value
    raise Problem(REQUEST_MALFORMED, reason=f"{name} is an object")


async def _shown(call: Call, registration: Registration) -> Response:
    document = await twin_document(call.deps.hub, registration)
    return json_answer(document, headers={"ETag": f'"{document["etag"]}"'})
