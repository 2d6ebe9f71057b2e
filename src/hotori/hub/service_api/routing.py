"""The cloud's routes and endpoints: seen, changed, explained (docs: Routes and endpoints)."""

from __future__ import annotations

from starlette.responses import Response

from hotori.hub.cloud_intake import cloud_source
from hotori.hub.route_accounts import route_documents
from hotori.hub.service_api.answer import json_answer, no_content
from hotori.hub.service_api.call import Call
from hotori.model.json import Json, JsonObject
from hotori.model.manifest import LOWEST_PRIORITY
from hotori.model.message_document import MessageDocumentError, message_document, read_message
from hotori.problems import Problem
from hotori.problems.events import MESSAGE_UNREADABLE
from hotori.problems.service import REQUEST_MALFORMED
from hotori.routing.endpoint import EventLog
from hotori.routing.explanation import explain

_FALLBACK: JsonObject = {"endpoint": str(EventLog()), "route": None, "routes": []}


async def get_routing(call: Call) -> Response:
    """Everything: routes with their accounts, endpoints, the fallback, and how much nobody took."""
    endpoints = call.deps.endpoints
    documents: list[Json] = [endpoints.document(spec) for spec in endpoints.routes.endpoints.values()]
    document: JsonObject = {
        "fallback": endpoints.routes.fallback,
        "routes": route_documents(endpoints.routes.router, endpoints.queues.accounts()),
        "endpoints": documents,
        "unrouted": sum(endpoints.queues.unrouted.counts.values()),
    }
    return json_answer(document)


async def patch_routing(call: Call) -> Response:
    fallback = (await call.object()).get("fallback")
    if not isinstance(fallback, bool):
        raise Problem(REQUEST_MALFORMED, reason="fallback is true or false")
    await call.deps.endpoints.routes.set_fallback(fallback)
    return await get_routing(call)


async def explain_message(call: Call) -> Response:
    """Where a message would go, and why. Raises `message-unreadable`."""
    routes = call.deps.endpoints.routes
    try:
        message = read_message(await call.json())
    except MessageDocumentError as error:
        raise Problem(MESSAGE_UNREADABLE, where="the request's body", reason=str(error)) from error
    document = explain(routes.router, message, cloud_source(message)).document()
    if not document["endpoints"] and routes.fallback:
        document["endpoints"] = [_FALLBACK]
    return json_answer(document)


async def put_route(call: Call) -> Response:
    """Raises `route-invalid`, `endpoint-unknown`, `request-malformed`."""
    wanted = await call.object()
    text, priority = wanted.get("route"), wanted.get("priority", LOWEST_PRIORITY)
    if not isinstance(text, str):
        raise Problem(REQUEST_MALFORMED, reason="route is the text of a route")
    if isinstance(priority, bool) or not isinstance(priority, int) or not 0 <= priority <= LOWEST_PRIORITY:
        raise Problem(REQUEST_MALFORMED, reason="priority is a whole number from 0 on")
    await call.deps.endpoints.routes.put_route(_name(call), text, priority)
    return json_answer({"name": _name(call), "route": text, "priority": priority})


async def delete_route(call: Call) -> Response:
    await call.deps.endpoints.routes.delete_route(_name(call))
    return no_content()


async def put_endpoint(call: Call) -> Response:
    """Raises `endpoint-invalid`."""
    endpoints = call.deps.endpoints
    spec = await endpoints.routes.put_endpoint(_name(call), await call.object())
    return json_answer(endpoints.document(spec))


async def delete_endpoint(call: Call) -> Response:
    await call.deps.endpoints.routes.delete_endpoint(_name(call))
    return no_content()


async def list_dead_letters(call: Call) -> Response:
    """The oldest messages that the endpoint never took, at most `top`."""
    endpoints = call.deps.endpoints
    found = await endpoints.dead_letters(endpoints.routes.endpoint(_name(call)), call.whole_number("top", 100, 1000))
    return json_answer([message_document(message) for message in found])


async def retry_dead_letters(call: Call) -> Response:
    endpoints = call.deps.endpoints
    count = await endpoints.retry_dead_letters(endpoints.routes.endpoint(_name(call)))
    return json_answer({"retried": count})


def _name(call: Call) -> str:
    name: str = call.request.path_params["name"]
    return name
