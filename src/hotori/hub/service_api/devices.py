"""Devices: the registry over HTTPS (contract 2.2)."""

from __future__ import annotations

from starlette.responses import Response

from hotori.hub.identity_document import identity_document, read_draft
from hotori.hub.registration import Registration
from hotori.hub.removal import apply_change, remove_identity
from hotori.hub.service_api.answer import json_answer, no_content
from hotori.hub.service_api.call import Call
from hotori.model.json import JsonObject

_MOST = 1000


async def list_devices(call: Call) -> Response:
    """Up to `top` devices, at most 1000, whose names come after `after`."""
    after = call.request.query_params.get("after", "")
    devices = await call.deps.registry.devices(after, call.whole_number("top", _MOST, _MOST))
    return json_answer([identity_document(call.deps.hub, device) for device in devices])


async def get_device(call: Call) -> Response:
    return _shown(call, await call.deps.registry.get(call.identity))


async def put_device(call: Call) -> Response:
    """Create without If-Match, change with it."""
    draft = read_draft(call.identity, await call.object())
    registry = call.deps.registry
    if not call.conditional:
        return _shown(call, await registry.create_device(call.identity.device, draft))
    after = await registry.update(call.identity, draft, call.etag)
    await apply_change(call.deps.hub, registry, after)
    return _shown(call, after)


async def delete_device(call: Call) -> Response:
    """Remove it with its modules, twins and waiting messages."""
    await remove_identity(call.deps.hub, call.deps.registry, call.identity, call.etag)
    return no_content()


async def purge_commands(call: Call) -> Response:
    """Drop the messages that wait for the device, but for those that are just being handed over."""
    await call.deps.registry.get(call.identity)
    purged = call.deps.hub.device_bound.purge(call.identity.device)
    return json_answer({"totalMessagesPurged": purged, "deviceId": call.identity.device, "moduleId": None})


async def count_devices(call: Call) -> Response:
    """How many devices there are, enabled and not."""
    total = enabled = 0
    async for device in call.deps.registry.all_devices():
        total += 1
        enabled += device.enabled
    counts: JsonObject = {
        "totalDeviceCount": total,
        "enabledDeviceCount": enabled,
        "disabledDeviceCount": total - enabled,
    }
    return json_answer(counts)


async def count_connected(call: Call) -> Response:
    """How many devices are connected now."""
    connected = call.deps.hub.sessions.all_connected()
    return json_answer({"connectedDeviceCount": sum(identity.module is None for identity in connected)})


def _shown(call: Call, registration: Registration) -> Response:
    document = identity_document(call.deps.hub, registration)
    return json_answer(document, headers={"ETag": f'"{registration.etag}"'})
