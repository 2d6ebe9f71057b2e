"""Taking an identity out: from the registry first, then whatever the hub keeps for it."""

from __future__ import annotations

from hotori.hub.hub import Hub
from hotori.hub.registration import Registration
from hotori.hub.registry import Registry
from hotori.model.identity import Identity


async def remove_identity(hub: Hub, registry: Registry, identity: Identity, etag: str | None = None) -> None:
    """Remove a device with its modules, or one module: keys, connection, twin and waiting messages.

    Raises `device-unknown`, `module-unknown`, `changed-meanwhile`.
    """
    for removed in await registry.delete(identity, etag):
        await hub.forget(removed)
    hub.disconnect_behind(identity.device)


async def apply_change(hub: Hub, registry: Registry, before: Registration, after: Registration) -> None:
    """Let a changed registration take effect now: whoever may not be connected any more is disconnected."""
    if (before.parent_scopes, before.scope) != (after.parent_scopes, after.scope):
        hub.disconnect_behind(after.identity.device)
    locked_out = not after.enabled or not set(before.keys) & set(after.keys)
    if not locked_out:
        return
    hub.sessions.disconnect(after.identity)
    hub.disconnect_behind(after.identity.device)
    if after.identity.module is None and not after.enabled:
        for module in await registry.modules(after.identity.device):
            hub.sessions.disconnect(module.identity)
