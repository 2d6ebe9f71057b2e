"""From what a device should have to its twins, and to what is kept of it."""

from __future__ import annotations

from collections.abc import Callable

from hotori.hub.apply import Deployments
from hotori.hub.hub import Hub
from hotori.hub.registry import Registry
from hotori.hub.rollouts.device_state import DeviceState, snapshot
from hotori.hub.rollouts.survey import View
from hotori.model.configuration import Configuration
from hotori.model.identity import EDGE_AGENT, Identity
from hotori.model.json import JsonObject
from hotori.model.twin import difference
from hotori.rollout.layers import Effective, effective, merged, pinned, twin_entries
from hotori.store.records import Records

COLLECTION = "deployed"

Admits = Callable[[Configuration, str], bool]
"""Whether a rollout lets a device have a configuration now."""


class Applier:
    """Writes twins only where they differ. `open` before use.

    `admits` and `withdrawn` say whom a rollout lets have a configuration, and which ones were rolled back.
    """

    def __init__(
        self,
        hub: Hub,
        registry: Registry,
        deployments: Deployments,
        records: Records,
        admits: Admits,
        withdrawn: Callable[[str], bool],
    ) -> None:
        self._hub = hub
        self._registry = registry
        self._deployments = deployments
        self._records = records
        self._admits = admits
        self._withdrawn = withdrawn
        self._states: dict[str, DeviceState] = {}

    async def open(self) -> None:
        """Read what is kept of the devices."""
        after = ""
        while batch := await self._records.list(COLLECTION, after=after):
            self._states.update({record.key: DeviceState.decode(record.value) for record in batch})
            after = batch[-1].key

    def effective(self, device: str, view: View) -> Effective:
        """What the device should have now."""
        return effective([each for each in view.edge if self._admits(each, device)])

    async def apply(self, device: str, view: View) -> bool:
        """Bring the device's twins to what they should be; whether anything was written.

        Raises the problems of a manifest that comes of layers that do not fit together.
        """
        wanted = self.effective(device, view)
        self._show(device, view, wanted)
        written = await self._apply_edge(device, view, wanted)
        written |= await self._patch(Identity(device), view.device)
        for module, configurations in view.modules.items():
            written |= await self._patch(Identity(device, module), configurations)
        return written

    async def forget(self, device: str) -> None:
        """The device is no more."""
        self._hub.configuration_statuses.pop(Identity(device), None)
        self._hub.configuration_statuses.pop(Identity(device, EDGE_AGENT), None)
        if self._states.pop(device, None) is not None:
            await self._records.delete(COLLECTION, device)

    def _show(self, device: str, view: View, wanted: Effective) -> None:
        """What queries see as `configurations` (contract 3.4)."""
        waiting: JsonObject = {each.id: {"status": "Targeted"} for each in view.edge}
        self._hub.configuration_statuses[Identity(device, EDGE_AGENT)] = waiting | wanted.statuses()
        applied: JsonObject = {each.id: {"status": "Applied"} for each in view.device}
        self._hub.configuration_statuses[Identity(device)] = applied
        for module, configurations in view.modules.items():
            shown: JsonObject = {each.id: {"status": "Applied"} for each in configurations}
            self._hub.configuration_statuses[Identity(device, module)] = shown

    async def _apply_edge(self, device: str, view: View, wanted: Effective) -> bool:
        state = self._states.get(device, DeviceState())
        if not wanted.applied and not state.applied:
            return False
        desired = await self._desired(device)
        before = state.before
        if wanted.applied:
            before = before if state.applied else snapshot(desired)
            written = await self._deploy(device, desired, _content(wanted, view, desired))
        elif before is not None and any(map(self._withdrawn, state.applied)):
            written, before = await self._deploy(device, desired, before), None
        else:
            written, before = False, None  # no longer targeted: the device keeps its last modules (contract 3.4)
        await self._keep(device, DeviceState(wanted.applied, before))
        return written

    async def _deploy(self, device: str, desired: dict[str, JsonObject], content: JsonObject) -> bool:
        if all(
            isinstance(entry, dict) and entry["properties.desired"] == desired.get(name)
            for name, entry in content.items()
        ):
            return False
        await self._deployments.apply(device, {"modulesContent": content}, changes_only=True)
        return True

    async def _desired(self, device: str) -> dict[str, JsonObject]:
        """The desired properties of every module that the device has."""
        identities = [each.identity for each in await self._registry.modules(device)]
        return {str(each.module): (await self._hub.twins.peek(each)).twin.desired.values for each in identities}

    async def _patch(self, identity: Identity, configurations: tuple[Configuration, ...]) -> bool:
        if not configurations:
            return False
        current = (await self._hub.twins.peek(identity)).twin.desired.values
        patch = difference(current, merged(twin_entries(configurations), current))
        if patch:
            await self._hub.twins.patch_desired(identity, patch)
        return bool(patch)

    async def _keep(self, device: str, state: DeviceState) -> None:
        if state != self._states.get(device):
            await self._records.put(COLLECTION, device, state.encode())
            self._states[device] = state


def _content(wanted: Effective, view: View, desired: dict[str, JsonObject]) -> JsonObject:
    """modulesContent with everything whole and every image by the digest of its submission."""
    pins = {image: digest for each in view.edge if each.id in wanted.applied for image, digest in each.pins.items()}
    whole = {name: merged(entries, desired.get(name, {})) for name, entries in wanted.entries.items()}
    whole[EDGE_AGENT] = pinned(whole[EDGE_AGENT], pins)
    return {name: {"properties.desired": values} for name, values in whole.items()}
