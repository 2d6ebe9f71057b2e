"""A manifest for one device: `applyConfigurationContent` (contract 2.7)."""

from __future__ import annotations

from starlette.responses import Response

from hotori.hub.service_api.answer import no_content
from hotori.hub.service_api.call import Call


async def apply_to_device(call: Call) -> Response:
    """Check all of it, then apply all of it."""
    await call.deps.deployments.apply(call.identity.device, await call.json())
    return no_content()
