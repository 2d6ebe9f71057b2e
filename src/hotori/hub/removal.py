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


async def apply_change(hub: Hub, registry: Registry, after: Registration) -> None:
    """Let a changed registration take effect now: whoever may not be connected any more is disconnected.

    A client that is connected with the other of the two keys stays, so that keys are changed without a pause.
    """
    await hub.judge_again(after.identity)
    for identity in hub.admissions.spoken_for(after.identity.device):
        await hub.judge_again(identity)
    if after.identity.module is None:
        # A module may be connected with its device's key, and is out when its device is.
        for module in await registry.modules(after.identity.device):
            await hub.judge_again(module.identity)
