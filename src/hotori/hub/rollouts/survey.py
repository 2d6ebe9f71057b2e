"""What is known of each device without asking again: whose targets it matches, and how it does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from hotori.hub.hub import Hub
from hotori.hub.registry import Registry
from hotori.hub.rollouts.configurations import Kept
from hotori.hub.twin_document import full_twin
from hotori.model.configuration import Configuration, ContentKind
from hotori.model.identity import EDGE_AGENT, Identity
from hotori.model.json import JsonObject
from hotori.rollout.health import Reading, read_health


@dataclass(frozen=True, slots=True)
class View:
    """One device. The configurations that match it, by kind; `twins` are those of its modules that some match."""

    edge: tuple[Configuration, ...] = ()
    device: tuple[Configuration, ...] = ()
    modules: Mapping[str, tuple[Configuration, ...]] = field(default_factory=dict)
    reading: Reading | None = None
    connected: bool = False


class Survey:
    """Reads devices from the registry and their twins."""

    def __init__(self, hub: Hub, registry: Registry) -> None:
        self._hub = hub
        self._registry = registry

    async def devices(self) -> list[str]:
        return [each.identity.device async for each in self._registry.all_devices()]

    async def view(self, device: str, configurations: Iterable[Kept]) -> View | None:
        """None where there is no such device any more."""
        kept = tuple(configurations)
        row = await self._row(Identity(device))
        if row is None:
            return None
        matching = [each.configuration for each in kept if each.target.kind in _OF_DEVICES and each.target.matches(row)]
        agent = (await self._hub.twins.peek(Identity(device, EDGE_AGENT))).twin
        return View(
            edge=tuple(each for each in matching if each.kind is ContentKind.MODULES),
            device=tuple(each for each in matching if each.kind is ContentKind.DEVICE),
            modules=await self._modules(device, [each for each in kept if each.target.kind is ContentKind.MODULE]),
            reading=read_health(agent.desired.values, agent.desired.version, agent.reported.values),
            connected=self._hub.sessions.connected(Identity(device, EDGE_AGENT)),
        )

    async def _modules(self, device: str, kept: list[Kept]) -> Mapping[str, tuple[Configuration, ...]]:
        if not kept:
            return {}
        found = {}
        for registration in await self._registry.modules(device):
            row = await self._row(registration.identity)
            if row is not None and registration.identity.module:
                matching = tuple(each.configuration for each in kept if each.target.matches(row))
                found[registration.identity.module] = matching
        return {module: matching for module, matching in found.items() if matching}

    async def _row(self, identity: Identity) -> JsonObject | None:
        registration = await self._registry.find(identity)
        if registration is None:
            return None
        return full_twin(self._hub, registration, await self._hub.twins.peek(identity))


_OF_DEVICES = (ContentKind.MODULES, ContentKind.DEVICE)
