"""What an edge device learns of those that stand behind it, with their keys (contract 11.2)."""

from __future__ import annotations

from starlette.responses import Response

from hotori.hub.identity_document import authentication_document, scope_members
from hotori.hub.registration import Registration
from hotori.hub.registry import Registry
from hotori.hub.service_api.answer import json_answer
from hotori.hub.service_api.call import Call
from hotori.model.identity import Identity
from hotori.model.json import JsonObject
from hotori.problems import Problem
from hotori.problems.identity import DEVICE_UNKNOWN
from hotori.problems.service import REQUEST_MALFORMED

_MOST = 1000


async def list_target_scope(call: Call) -> Response:
    """One page of the devices and modules directly behind the target (`authChain`'s first device)."""
    body = await call.object()
    target = await _target(call, str(body.get("authChain") or call.identity.device))
    size = body.get("pageSize")
    return await _page(call, target, size if isinstance(size, int) else _MOST, str(body.get("continuationLink") or ""))


async def list_scope(call: Call) -> Response:
    """The older form of the same: the caller's own scope."""
    own = await call.deps.registry.get(Identity(call.identity.device))
    size = call.whole_number("deviceCount", _MOST, _MOST)
    return await _page(call, own, size, call.request.query_params.get("continuationToken", ""))


async def get_on_behalf(call: Call) -> Response:
    """One device, and one of its modules if asked for, if it stands behind the caller."""
    body = await call.object()
    device, module = body.get("targetDeviceId"), body.get("targetModuleId")
    if not isinstance(device, str):
        raise Problem(REQUEST_MALFORMED, reason="targetDeviceId is missing")
    return await _one(call, device, module if isinstance(module, str) else None)


async def get_in_scope(call: Call) -> Response:
    """The older form of the same."""
    query = call.request.query_params
    if not query.get("targetDeviceId"):
        raise Problem(REQUEST_MALFORMED, reason="targetDeviceId is missing")
    return await _one(call, query["targetDeviceId"], query.get("targetModuleId") or None)


async def _page(call: Call, target: Registration, size: int, after: str) -> Response:
    registry = call.deps.registry
    size = size if 1 <= size <= _MOST else _MOST
    children = [child for child in await registry.children(target.scope or "") if child.identity.device > after]
    page = children[:size]
    modules = [module for child in page for module in await registry.modules(child.identity.device)]
    if not after:
        modules = [*await registry.modules(target.identity.device), *modules]
    document = _scope_document([*([] if after else [target]), *page], modules)
    if len(children) > size:
        document["continuationLink"] = page[-1].identity.device
    return json_answer(document)


async def _one(call: Call, device: str, module: str | None) -> Response:
    found = await _behind(call, device)
    modules = [await call.deps.registry.get(Identity(device, module))] if module else []
    return json_answer(_scope_document([found], modules))


async def _target(call: Call, chain: str) -> Registration:
    """The edge device whose scope is asked for: the caller's own, or one that stands behind it."""
    return await _behind(call, chain.partition(";")[0].partition("/")[0])


async def _behind(call: Call, device: str) -> Registration:
    """A registration, if it is the caller's own or stands behind it at any depth."""
    registry = call.deps.registry
    own = await registry.get(Identity(call.identity.device))
    found = await registry.find(Identity(device))
    if found is None or (found.identity != own.identity and not await _stands_behind(registry, found, own)):
        raise Problem(DEVICE_UNKNOWN, device=device)
    return found


async def _stands_behind(registry: Registry, device: Registration, edge: Registration) -> bool:
    seen: set[str] = set()
    waiting = list(device.parent_scopes)
    while waiting:
        scope = waiting.pop()
        if scope == edge.scope:
            return True
        if scope not in seen:
            seen.add(scope)
            parent = await registry.with_scope(scope)
            waiting += parent.parent_scopes if parent else ()
    return False


def _scope_document(devices: list[Registration], modules: list[Registration]) -> JsonObject:
    return {"devices": [_device(device) for device in devices], "modules": [_module(module) for module in modules]}


def _device(registration: Registration) -> JsonObject:
    return {
        "deviceId": registration.identity.device,
        "generationId": registration.generation,
        "status": "enabled" if registration.enabled else "disabled",
        "authentication": authentication_document(registration),
        "capabilities": {"iotEdge": registration.edge},
        **scope_members(registration),
    }


def _module(registration: Registration) -> JsonObject:
    return {
        "moduleId": registration.identity.module,
        "deviceId": registration.identity.device,
        "generationId": registration.generation,
        "managedBy": registration.managed_by,
        "authentication": authentication_document(registration),
    }
