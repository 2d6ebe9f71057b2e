"""Modules: identities on a device (contract 2.2), also for the device itself (contract 6.4, last paragraph)."""

from __future__ import annotations

from starlette.responses import Response

from hotori.hub.identity_document import identity_document, read_draft
from hotori.hub.registration import Registration
from hotori.hub.removal import apply_change, remove_identity
from hotori.hub.service_api.answer import json_answer, no_content
from hotori.hub.service_api.call import Call


async def list_modules(call: Call) -> Response:
    modules = await call.deps.registry.modules(call.identity.device)
    return json_answer([identity_document(call.deps.hub, module) for module in modules])


async def get_module(call: Call) -> Response:
    return _shown(call, await call.deps.registry.get(call.identity))


async def put_module(call: Call) -> Response:
    """Create without If-Match, change with it."""
    identity, registry = call.identity, call.deps.registry
    draft = read_draft(identity, await call.object())
    if not call.conditional:
        return _shown(call, await registry.create_module(identity.device, identity.module or "", draft))
    after = await registry.update(identity, draft, call.etag)
    await apply_change(call.deps.hub, registry, after)
    return _shown(call, after)


async def delete_module(call: Call) -> Response:
    """Remove it with its twin."""
    await remove_identity(call.deps.hub, call.deps.registry, call.identity, call.etag)
    return no_content()


def _shown(call: Call, registration: Registration) -> Response:
    document = identity_document(call.deps.hub, registration)
    return json_answer(document, headers={"ETag": f'"{registration.etag}"'})
