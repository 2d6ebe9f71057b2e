"""A manifest for one device: checked as a whole, then written into the twins of its modules (contract 2.7).

The modules' identities follow the manifest: missing ones are made, and those that a deployment made are removed
when it names them no longer. Identities that somebody made by hand stay.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from weakref import WeakValueDictionary

from hotori.hub.hub import Hub
from hotori.hub.registration import Registration
from hotori.hub.registry import IOT_EDGE, Draft, Registry
from hotori.hub.removal import remove_identity
from hotori.model.identity import EDGE_AGENT, EDGE_HUB, Identity, check_name
from hotori.model.json import Json, JsonObject
from hotori.model.manifest import Manifest
from hotori.model.twin import check_section, merge_patch
from hotori.problems import Problem
from hotori.problems.manifest import MANIFEST_MALFORMED
from hotori.problems.service import NOT_AN_EDGE_DEVICE
from hotori.routing.router import Router

_DESIRED = "properties.desired"
_SYSTEM = (EDGE_HUB, EDGE_AGENT)

Desired = Mapping[str, JsonObject]
"""Desired properties by module."""


class Deployments:
    """Applies manifests, one at a time to each device."""

    def __init__(self, hub: Hub, registry: Registry) -> None:
        self._hub = hub
        self._registry = registry
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def apply(self, device: str, document: Json, *, changes_only: bool = False) -> None:
        """Apply a manifest to an edge device. Nothing is changed where it has a fault.

        With `changes_only`, twins that are as desired already are left alone; else their versions advance.

        Raises as `check_content` does, and `device-unknown` and `not-an-edge-device`.
        """
        async with self._turns.setdefault(device, asyncio.Lock()):
            if not (await self._registry.get(Identity(device))).edge:
                raise Problem(NOT_AN_EDGE_DEVICE, device=device)
            existing = {str(each.identity.module): each for each in await self._registry.modules(device)}
            current = {name: (await self._hub.twins.get(each.identity)).desired for name, each in existing.items()}
            manifest = check_content(document, {name: section.values for name, section in current.items()})
            named = manifest.agent.modules.keys() | manifest.desired.keys()
            await self._add(device, named - existing.keys())
            for name in _agent_last(manifest.desired):
                if changes_only and name in current and current[name].values == manifest.desired[name]:
                    continue
                await self._hub.twins.replace_desired(Identity(device, name), manifest.desired[name])
            await self._remove(existing[name] for name in existing.keys() - named)

    async def _add(self, device: str, names: Iterable[str]) -> None:
        for name in sorted(names):
            await self._registry.create_module(device, name, Draft(managed_by=IOT_EDGE))

    async def _remove(self, modules: Iterable[Registration]) -> None:
        for module in modules:
            if (module.managed_by or "").lower() == IOT_EDGE.lower():
                await remove_identity(self._hub, self._registry, module.identity)


def check_content(document: Json, current: Desired | None = None) -> Manifest:
    """Read a whole manifest, or raise the problem with its fault: `manifest-malformed`, `placeholder-left`,
    `schema-unsupported`, `route-invalid`.

    `current` is what `properties.desired.a.b` members are set in where there is no whole `properties.desired`.
    """
    content, at = _modules_content(document)
    whole: JsonObject = {
        module: {_DESIRED: _whole(content[module], (current or {}).get(module, {}), f"{at}/{module}")}
        for module in content
    }
    nested: JsonObject = {at.rpartition("/")[2]: whole}
    manifest = Manifest.parse({"content": nested} if at.startswith("/content/") else nested)
    Router.compile(manifest.hub, f"{at}/{EDGE_HUB}/{_DESIRED}")
    for module, desired in manifest.desired.items():
        _check(module, desired, at)
    return manifest


def _agent_last(desired: Desired) -> list[str]:
    """The agent acts on its twin, so everything else is in place before that."""
    return sorted(desired, key=lambda name: _SYSTEM.index(name) if name in _SYSTEM else -1)


def _modules_content(document: Json) -> tuple[JsonObject, str]:
    """The object of modules, and the pointer to it."""
    at = ""
    if isinstance(document, dict) and isinstance(inner := document.get("content"), dict):
        document, at = inner, "/content"
    if not isinstance(document, dict):
        raise _malformed("/", "an object with modulesContent is needed")
    if document.get("deviceContent"):
        raise _malformed(f"{at}/deviceContent", "the device's own twin is changed through its twin, not by a manifest")
    for name in ("modulesContent", "moduleContent"):
        if isinstance(content := document.get(name), dict):
            return content, f"{at}/{name}"
    raise _malformed(at or "/", "modulesContent is missing")


def _whole(entry: Json, current: JsonObject, at: str) -> JsonObject:
    """Desired properties of one module: the whole, with the parts that are given by path set in it."""
    if not isinstance(entry, dict):
        raise _malformed(at, "an object with properties.desired is needed")
    parts = {name.removeprefix(f"{_DESIRED}."): value for name, value in entry.items() if name != _DESIRED}
    for name in entry:
        if name != _DESIRED and not name.startswith(f"{_DESIRED}."):
            raise _malformed(f"{at}/{name}", "only properties.desired, or a path below it, can be deployed")
    base = entry.get(_DESIRED, current if parts else {})
    if not isinstance(base, dict):
        raise _malformed(f"{at}/{_DESIRED}", "an object is needed")
    merged: Json = base
    for path, value in parts.items():
        merged = merge_patch(merged, _at_path(path.split("."), value))
    assert isinstance(merged, dict)
    return merged


def _at_path(path: list[str], value: Json) -> JsonObject:
    """The patch that replaces what stands at a path."""
    return {path[0]: value if len(path) == 1 else _at_path(path[1:], value)}


def _check(module: str, desired: JsonObject, at: str) -> None:
    try:
        check_name(module)
        check_section(desired)
    except Problem as problem:
        pointer = problem.values.get("pointer", "")
        reason = problem.values.get("reason", problem.title())
        raise _malformed(f"{at}/{module}/{_DESIRED}{pointer}".rstrip("/"), reason) from problem


def _malformed(pointer: str, reason: str) -> Problem:
    return Problem(MANIFEST_MALFORMED, pointer=pointer, reason=reason)
