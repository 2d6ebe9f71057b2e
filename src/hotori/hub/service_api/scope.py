"""What an edge device asks the cloud of those behind it, with its `$edgeHub`'s token (contract 11.2)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from starlette.responses import Response

from hotori.hub.auth_chain import AuthChain
from hotori.hub.identity_document import read_draft
from hotori.hub.registration import Registration
from hotori.hub.removal import apply_change, remove_identity
from hotori.hub.scope_book import MOST, module_entry, read_chain, scope_entry, scope_page, wanted_entry
from hotori.hub.service_api.answer import json_answer, no_content
from hotori.hub.service_api.authorization import Access, authorize
from hotori.hub.service_api.call import Call
from hotori.hub.service_api.errors import HANDLED, scope_error, translated
from hotori.model.identity import Identity
from hotori.model.json import JsonObject
from hotori.problems import Problem
from hotori.problems.service import REQUEST_MALFORMED


def answering(handler: Callable[[Call], Awaitable[Response]], access: Access) -> Callable[[Call], Awaitable[Response]]:
    """The handler for who has access, with errors as these addresses answer them (contract 11.2)."""

    async def answer(call: Call) -> Response:
        try:
            await authorize(call.request, call.deps, access)
            return await handler(call)
        except HANDLED as error:
            return scope_error(translated(error))

    return answer


async def list_target_scope(call: Call) -> Response:
    """One page of what stands directly behind the device that `authChain` begins with."""
    body = await call.object()
    chain = await _chain(call, body)
    size = body.get("pageSize")
    after = str(body.get("continuationLink") or "")
    page = await scope_page(call.deps.registry, chain.devices[0], size if isinstance(size, int) else None, after)
    return json_answer(page)


async def list_scope(call: Call) -> Response:
    """The older form of the same: the caller's own scope."""
    size = call.whole_number("deviceCount", MOST, MOST)
    after = call.request.query_params.get("continuationToken", "")
    return json_answer(await scope_page(call.deps.registry, call.identity.device, size, after))


async def get_on_behalf(call: Call) -> Response:
    """One device, and one of its modules if asked for, if it stands behind the caller."""
    body = await call.object()
    await _chain(call, body)
    return json_answer(await scope_entry(call.deps.registry, call.identity.device, *wanted_entry(body)))


async def get_in_scope(call: Call) -> Response:
    """The older form of the same."""
    wanted = wanted_entry(call.request.query_params)
    return json_answer(await scope_entry(call.deps.registry, call.identity.device, *wanted))


async def list_modules(call: Call) -> Response:
    """The modules of the device that the chain begins with, for itself."""
    chain = await _chain(call, await call.object())
    return json_answer([module_entry(module) for module in await call.deps.registry.modules(chain.devices[0])])


async def get_module(call: Call) -> Response:
    return _shown(await call.deps.registry.get(await _module(call, await call.object())))


async def put_module(call: Call) -> Response:
    """Create the module, or change it where there is one."""
    body = await call.object()
    document: Any = body.get("module")
    if not isinstance(document, dict):
        raise Problem(REQUEST_MALFORMED, reason="module is missing")
    identity, registry = await _module(call, {**body, "moduleId": document.get("moduleId")}), call.deps.registry
    draft = read_draft(identity, document)
    before = await registry.find(identity)
    if before is None:
        return _shown(await registry.create_module(identity.device, identity.module or "", draft))
    after = await registry.update(identity, draft, call.etag)
    await apply_change(call.deps.hub, registry, after)
    return _shown(after)


async def delete_module(call: Call) -> Response:
    await remove_identity(call.deps.hub, call.deps.registry, await _module(call, await call.object()), call.etag)
    return no_content()


async def _chain(call: Call, body: JsonObject) -> AuthChain:
    caller = call.identity.device
    return await read_chain(call.deps.registry, str(body.get("authChain") or caller), caller)


async def _module(call: Call, body: JsonObject) -> Identity:
    """The module that is meant, on the device that the chain begins with."""
    chain = await _chain(call, body)
    name = body.get("targetModuleId") or body.get("moduleId")
    if not isinstance(name, str):
        raise Problem(REQUEST_MALFORMED, reason="the module's name is missing")
    return Identity(chain.devices[0], name)


def _shown(registration: Registration) -> Response:
    return json_answer(module_entry(registration), headers={"ETag": f'"{registration.etag}"'})
