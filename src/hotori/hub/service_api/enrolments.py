"""Enrolments and what came of them, over HTTPS (contract 12.4)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from starlette.responses import Response

from hotori.hub.provisioning.assignment import Assignment
from hotori.hub.provisioning.enrolment import Enrolment
from hotori.hub.provisioning.enrolment_document import attestation_document, enrolment_document
from hotori.hub.service_api.answer import json_answer, no_content
from hotori.hub.service_api.call import Call
from hotori.hub.service_api.query import page_size
from hotori.model.json import Json


def _name(call: Call) -> str:
    names: Mapping[str, str] = call.request.path_params
    return names["name"]


def get_enrolment(*, group: bool) -> Callable[[Call], Awaitable[Response]]:
    async def handler(call: Call) -> Response:
        return _shown(await call.deps.provisioning.enrolments.get(_name(call), group=group))

    return handler


def put_enrolment(*, group: bool) -> Callable[[Call], Awaitable[Response]]:
    """Create without If-Match, replace with it; keys that are left out are made, or stay."""

    async def handler(call: Call) -> Response:
        enrolments, document = call.deps.provisioning.enrolments, await call.object()
        change = call.conditional
        return _shown(await enrolments.put(_name(call), document, group=group, etag=call.etag, change=change))

    return handler


def delete_enrolment(*, group: bool) -> Callable[[Call], Awaitable[Response]]:
    async def handler(call: Call) -> Response:
        await call.deps.provisioning.enrolments.delete(_name(call), group=group, etag=call.etag)
        return no_content()

    return handler


def get_attestation(*, group: bool) -> Callable[[Call], Awaitable[Response]]:
    async def handler(call: Call) -> Response:
        return json_answer(attestation_document(await call.deps.provisioning.enrolments.get(_name(call), group=group)))

    return handler


def query_enrolments(*, group: bool) -> Callable[[Call], Awaitable[Response]]:
    """All of them, in pages: the query's text is not looked at, since there is but one that tools send."""

    async def handler(call: Call) -> Response:
        size, after = page_size(call), call.request.headers.get("x-ms-continuation", "")
        found = await call.deps.provisioning.enrolments.page(group=group, after=after, limit=size + 1)
        rows: list[Json] = [enrolment_document(each) for each in found[:size]]
        kind = "EnrollmentGroup" if group else "Enrollment"
        return _page(rows, kind, found[size - 1].name if len(found) > size else None)

    return handler


async def get_registration(call: Call) -> Response:
    found = await call.deps.provisioning.assignments.get(_name(call))
    return json_answer(found.document(), headers={"ETag": f'"{found.etag}"'})


async def delete_registration(call: Call) -> Response:
    """Forget what came of it; the device stays in the registry."""
    await call.deps.provisioning.assignments.delete(_name(call), call.etag)
    return no_content()


async def query_registrations(call: Call) -> Response:
    """Those of one group, in pages."""
    size, after = page_size(call), call.request.headers.get("x-ms-continuation", "")
    found = [each for each in await call.deps.provisioning.assignments.of_group(_name(call)) if _after(each, after)]
    more = found[size - 1].registration if len(found) > size else None
    return _page([each.document() for each in found[:size]], "DeviceRegistration", more)


def _after(assignment: Assignment, name: str) -> bool:
    return assignment.registration.encode() > name.encode()


def _page(rows: list[Json], kind: str, more: str | None) -> Response:
    headers = {"x-ms-item-type": kind} | ({"x-ms-continuation": more} if more is not None else {})
    return json_answer(rows, headers=headers)


def _shown(enrolment: Enrolment) -> Response:
    return json_answer(enrolment_document(enrolment), headers={"ETag": f'"{enrolment.etag}"'})


async def get_scope(call: Call) -> Response:
    """What devices call this cloud by; an address of our own."""
    return json_answer({"idScope": call.deps.provisioning.scope})
