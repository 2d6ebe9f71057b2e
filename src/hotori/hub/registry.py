"""The registry of identities: which devices and modules there are, with their keys (contract 2.2)."""

from __future__ import annotations

import asyncio
import base64
import os
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from typing import Protocol

from hotori.hub.registration import Authentication, Registration, device_of_scope, own_scope
from hotori.hub.registration_record import decode_registration, encode_registration
from hotori.hub.thumbprint import checked_thumbprint
from hotori.model.identity import EDGE_AGENT, EDGE_HUB, Identity
from hotori.model.sas import decode_key
from hotori.model.secret import Secret
from hotori.problems import Problem
from hotori.problems.certificates import THUMBPRINT_MALFORMED
from hotori.problems.identity import DEVICE_EXISTS, DEVICE_UNKNOWN, KEY_MALFORMED
from hotori.problems.modules import MODULE_UNKNOWN
from hotori.problems.service import (
    AUTHENTICATION_UNSUPPORTED,
    CHANGED_MEANWHILE,
    MODULE_EXISTS,
    PARENT_UNKNOWN,
    TOO_MANY_MODULES,
)
from hotori.store.records import Records, VersionConflictError

DEVICES = "devices"
MODULES = "modules"
PAGE = 1000
MOST_MODULES = 50
"""On one device (contract 2.2)."""
IOT_EDGE = "IotEdge"
"""Who manages the modules that a deployment created."""

_KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class Draft:
    """What somebody asks of a registration. None leaves what is there, or the default of a new one.

    `parent_scope` is the scope of the edge device to stand behind; an empty text detaches. Keys that a new
    identity needs and that are not given are made.
    """

    primary: Secret | None = None
    secondary: Secret | None = None
    enabled: bool | None = None
    edge: bool | None = None
    parent_scope: str | None = None
    managed_by: str | None = None
    status_reason: str | None = None
    authentication: Authentication | None = None
    primary_thumbprint: str | None = None
    secondary_thumbprint: str | None = None


class RegistryWatcher(Protocol):
    """Is called on the loop with every registration that was made or removed, and must not block."""

    def __call__(self, registration: Registration, *, created: bool) -> None: ...


class Registry:
    """Identities over records; a `Directory` that is always ready. `watchers` hear of what comes and goes.

    Every change is durable when the call returns. `etag` is that of the version that is meant; None means
    whatever stands there, else the problem `changed-meanwhile`. Changes take turns within the process; across
    processes the records' versions guard them.
    """

    def __init__(
        self, records: Records, clock: Callable[[], float] = time.time, chance: Callable[[int], bytes] = os.urandom
    ) -> None:
        self.watchers: list[RegistryWatcher] = []
        self._records = records
        self._clock = clock
        self._chance = chance
        self._turn = asyncio.Lock()

    async def find(self, identity: Identity) -> Registration | None:
        """The registration, or None where there is none."""
        record = await self._records.get(_collection(identity), str(identity))
        return decode_registration(record) if record else None

    async def get(self, identity: Identity) -> Registration:
        """The registration. Raises `device-unknown` or `module-unknown`."""
        found = await self.find(identity)
        if found is None:
            raise await self._unknown(identity)
        return found

    async def devices(self, after: str = "", limit: int = PAGE) -> list[Registration]:
        """Up to `limit` devices whose names come after `after`, in the order of their names."""
        return [decode_registration(record) for record in await self._records.list(DEVICES, after=after, limit=limit)]

    async def all_devices(self) -> AsyncIterator[Registration]:
        """Every device, in the order of their names."""
        after = ""
        while page := await self.devices(after):
            for registration in page:
                yield registration
            after = page[-1].identity.device

    async def modules(self, device: str) -> list[Registration]:
        """The modules of a device, in the order of their names. Raises `device-unknown`."""
        await self.get(Identity(device))
        return await self._modules(device)

    async def all_modules(self, after: str = "", limit: int = PAGE) -> list[Registration]:
        """Up to `limit` modules of any device that come after `after` (`device/module`), in that order."""
        return [decode_registration(record) for record in await self._records.list(MODULES, after=after, limit=limit)]

    async def create_device(self, name: str, draft: Draft | None = None) -> Registration:
        """Add a device; an edge device gets its two system modules with it.

        Raises `device-exists`, `name-invalid`, `key-malformed`, `parent-unknown`.
        """
        draft = draft or Draft()
        async with self._turn:
            identity = Identity(name)
            if await self.find(identity) is not None:
                raise Problem(DEVICE_EXISTS, device=name)
            registration = await self._placed(self._new(identity, draft), draft)
            if registration.edge:
                # First the modules: a crash in between leaves no edge device without them.
                await self._add_system_modules(name)
            return await self._store(registration, expected=0)

    async def create_module(self, device: str, module: str, draft: Draft | None = None) -> Registration:
        """Add a module to a device. Raises `device-unknown`, `module-exists`, `name-invalid`, `key-malformed`."""
        async with self._turn:
            identity = Identity(device, module)
            await self.get(identity.parent())
            if await self.find(identity) is not None:
                raise Problem(MODULE_EXISTS, device=device, module=module)
            if len(await self._modules(device)) >= MOST_MODULES:
                raise Problem(TOO_MANY_MODULES, device=device, limit=MOST_MODULES)
            return await self._store(self._new(identity, draft or Draft()), expected=0)

    async def update(self, identity: Identity, draft: Draft, etag: str | None = None) -> Registration:
        """Change a registration. Raises `device-unknown`, `module-unknown`, `key-malformed`, `parent-unknown`."""
        async with self._turn:
            before = await self._expected(identity, etag)
            changed = await self._placed(self._settled(_changed(before, draft), before.enabled), draft)
            if changed.edge and not before.edge:
                await self._add_system_modules(identity.device)
            return await self._store(changed, expected=before.version)

    async def rotate(self, identity: Identity, *, primary: bool, secondary: bool) -> Registration:
        """Make a key anew, or both. Raises `device-unknown`, `module-unknown`, `authentication-unsupported`."""
        known_by = (await self.get(identity)).authentication
        if known_by is not Authentication.SAS:
            raise Problem(AUTHENTICATION_UNSUPPORTED, identity=identity, type=known_by.value)
        fresh = Draft(self._key() if primary else None, self._key() if secondary else None)
        return await self.update(identity, fresh)

    async def delete(self, identity: Identity, etag: str | None = None) -> tuple[Identity, ...]:
        """Remove a device with its modules, or one module; everyone that was removed."""
        async with self._turn:
            registration = await self._expected(identity, etag)
            doomed = await self._modules(identity.device) if identity.module is None else []
            for each in [*doomed, registration]:
                await self._records.delete(_collection(each.identity), str(each.identity))
                self._tell(each, created=False)
            return tuple(each.identity for each in [*doomed, registration])

    async def parent_scope(self, parent: str) -> str:
        """The scope of an edge device, for those who are to stand behind it. Raises `parent-unknown`."""
        found = await self.find(Identity(parent))
        if found is None or not found.edge or found.scope is None:
            raise Problem(PARENT_UNKNOWN, parent=parent)
        return found.scope

    async def with_scope(self, scope: str) -> Registration | None:
        """The edge device that has this scope of its own."""
        device = device_of_scope(scope)
        if device is None:
            return None
        found = await self.find(Identity(device))
        return found if found is not None and found.edge and found.scope == scope else None

    async def children(self, scope: str) -> list[Registration]:
        """The devices that stand directly behind the edge device of this scope."""
        return [device async for device in self.all_devices() if scope in device.parent_scopes]

    async def _modules(self, device: str) -> list[Registration]:
        found: list[Registration] = []
        after = ""
        while page := await self._records.list(MODULES, prefix=f"{device}/", after=after):
            found += map(decode_registration, page)
            after = page[-1].key
        return found

    async def _expected(self, identity: Identity, etag: str | None) -> Registration:
        registration = await self.get(identity)
        if etag is not None and etag != registration.etag:
            raise Problem(CHANGED_MEANWHILE, what=identity)
        return registration

    async def _unknown(self, identity: Identity) -> Problem:
        device = Identity(identity.device)
        if identity.module is None or await self.find(device) is None:
            return Problem(DEVICE_UNKNOWN, device=identity.device)
        names = [module.identity.module or "" for module in await self._modules(identity.device)]
        return Problem(MODULE_UNKNOWN, module=identity.module, modules=", ".join(names) or "-")

    def _new(self, identity: Identity, draft: Draft) -> Registration:
        bare = Registration(identity, self._generation(), Secret(""), Secret(""))
        changed = _changed(bare, draft)
        return self._settled(changed, changed.enabled)

    def _settled(self, registration: Registration, was_enabled: bool) -> Registration:
        """With what its kind of authentication needs, without what it does not, and the time of a new status."""
        kind = registration.authentication
        if kind is Authentication.THUMBPRINT and not registration.thumbprints:
            raise Problem(THUMBPRINT_MALFORMED, given="-")
        by_key, by_print = kind is Authentication.SAS, kind is Authentication.THUMBPRINT
        return replace(
            registration,
            primary=(registration.primary or self._key()) if by_key else Secret(""),
            secondary=(registration.secondary or self._key()) if by_key else Secret(""),
            primary_thumbprint=registration.primary_thumbprint if by_print else None,
            secondary_thumbprint=registration.secondary_thumbprint if by_print else None,
            status_updated=registration.status_updated if registration.enabled == was_enabled else self._clock(),
        )

    async def _placed(self, registration: Registration, draft: Draft) -> Registration:
        """With its scopes: an edge device's own never changes, a leaf's is its parent's (contract 2.2)."""
        if registration.identity.module is not None:
            return registration
        parents = registration.parent_scopes
        if draft.parent_scope is not None:
            parents = (await self._known_scope(draft.parent_scope),) if draft.parent_scope else ()
        if registration.edge:
            own = own_scope(registration.identity.device, registration.generation)
            return replace(registration, scope=own, parent_scopes=tuple(scope for scope in parents if scope != own))
        return replace(registration, scope=parents[0] if parents else None, parent_scopes=parents)

    async def _known_scope(self, scope: str) -> str:
        if await self.with_scope(scope) is None:
            raise Problem(PARENT_UNKNOWN, parent=scope)
        return scope

    async def _add_system_modules(self, device: str) -> None:
        for module in (EDGE_AGENT, EDGE_HUB):
            if await self.find(Identity(device, module)) is None:
                await self._store(self._new(Identity(device, module), Draft()), expected=0)

    async def _store(self, registration: Registration, expected: int) -> Registration:
        identity = registration.identity
        try:
            version = await self._records.put(
                _collection(identity), str(identity), encode_registration(registration), expected=expected
            )
        except VersionConflictError as error:
            raise Problem(CHANGED_MEANWHILE, str(error), what=identity) from error
        stored = replace(registration, version=version)
        if expected == 0:
            self._tell(stored, created=True)
        return stored

    def _tell(self, registration: Registration, *, created: bool) -> None:
        for watcher in list(self.watchers):
            watcher(registration, created=created)

    def _generation(self) -> str:
        """Digits that grow with time and never come twice."""
        return str(int(self._clock() * 1000) * 1_000_000 + int.from_bytes(self._chance(4)) % 1_000_000)

    def _key(self) -> Secret:
        return Secret(base64.b64encode(self._chance(_KEY_BYTES)).decode())


def _changed(registration: Registration, draft: Draft) -> Registration:
    return replace(
        registration,
        primary=checked_key(draft.primary) or registration.primary,
        secondary=checked_key(draft.secondary) or registration.secondary,
        enabled=registration.enabled if draft.enabled is None else draft.enabled,
        edge=registration.edge if draft.edge is None else draft.edge,
        managed_by=registration.managed_by if draft.managed_by is None else draft.managed_by or None,
        status_reason=registration.status_reason if draft.status_reason is None else draft.status_reason or None,
        authentication=draft.authentication or registration.authentication,
        primary_thumbprint=checked_thumbprint(draft.primary_thumbprint) or registration.primary_thumbprint,
        secondary_thumbprint=checked_thumbprint(draft.secondary_thumbprint) or registration.secondary_thumbprint,
    )


def checked_key(key: Secret | None) -> Secret | None:
    """A key of 16 to 64 bytes in base64, or None where none was given."""
    if not key:
        return None
    if not 16 <= len(decode_key(key)) <= 64:
        raise Problem(KEY_MALFORMED, "a key has 16 to 64 bytes")
    return key


def _collection(identity: Identity) -> str:
    return DEVICES if identity.module is None else MODULES
