"""Who an edge device serves: its own modules and the devices behind it, kept so that they are known offline."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import msgspec

from hotori.hub.auth_chain import MOST_DEVICES, AuthChain, stands_behind
from hotori.hub.authentication_document import read_authentication
from hotori.hub.directory import DirectoryNotReadyError
from hotori.hub.registration import Authentication, Registration
from hotori.hub.thumbprint import checked_thumbprint
from hotori.model.identity import EDGE_HUB, Identity
from hotori.model.json import JsonObject
from hotori.model.secret import Secret
from hotori.problems import Problem
from hotori.problems.identity import DEVICE_UNKNOWN, TOKEN_REFUSED
from hotori.store.records import Records

_log = logging.getLogger(__name__)
_COLLECTION = "scope"
_STATE = "scope-state"
_BREATH = 1.0
_MOST_WAITING = 32
_MOST_ASKED = 10_000


class ScopeSource(Protocol):
    """Where the registrations come from: the cloud, or the parent edge device. Raises the problems of its network."""

    async def modules(self, device: Identity, key: Secret) -> list[JsonObject]:
        """The device's own modules; an empty key asks with the device's certificate."""
        ...

    async def scope(self, chain: AuthChain, hub_key: Secret) -> list[JsonObject]:
        """The device that the chain begins with, its modules, and the devices directly behind it with theirs."""
        ...

    async def one(self, chain: AuthChain, target: Identity, hub_key: Secret) -> list[JsonObject]:
        """The target's device, and the target if it is a module; nothing where it is not known."""
        ...


@dataclass(frozen=True, slots=True)
class ScopeRules:
    """In seconds: between full refreshes, between questions for the same unknown, and after one in vain."""

    refresh: float = 3600.0
    miss: float = 120.0
    retry: float = 10.0


class ScopeDirectory:
    """A `ScopeBook` of everyone below this device, persisted (contract 11.1).

    Before the first fetch it raises DirectoryNotReadyError. For an identity that it does not know it asks above,
    for the same one not more often than every `miss` seconds; only an answer from there can make it say None, since
    a client that is refused for good does not come back by itself (contract 1.3).
    """

    def __init__(
        self,
        device: Identity,
        key: Secret,
        source: ScopeSource,
        records: Records,
        clock: Callable[[], float],
        rules: ScopeRules | None = None,
    ) -> None:
        self.device, self._key = device, key
        self._source, self._records, self._clock = source, records, clock
        self._rules = rules or ScopeRules()
        self._known: dict[Identity, Registration] = {}
        self._ready = False
        self._asked_at = 0.0
        self._asked: dict[Identity, float] = {}
        self._asked_again: dict[Identity, float] = {}
        self._waiting = 0
        self._lock = asyncio.Lock()
        self._wanted = asyncio.Event()
        self.problem: Problem | None = None
        """Why the last refresh failed; None once one succeeded."""
        self.changed: list[Callable[[Iterable[Identity]], None]] = []
        """Called with the identities whose registration was added, changed or removed."""

    async def load(self) -> None:
        """Read what was fetched in former lives."""
        self._ready = await self._records.get(_STATE, "fetched") is not None
        after = ""
        while page := await self._records.list(_COLLECTION, after=after):
            for record in page:
                registration = read_registration(msgspec.json.decode(record.value))
                self._known[registration.identity] = registration
            after = page[-1].key

    def known(self, identity: Identity) -> Registration | None:
        """What is known now, without asking anybody."""
        return self._known.get(identity)

    async def children(self, scope: str) -> list[Registration]:
        """The devices directly behind the edge device of this scope, in the order of their names."""
        devices = [found for found in self._known.values() if found.identity.module is None]
        return sorted((found for found in devices if scope in found.parent_scopes), key=lambda found: found.identity)

    async def modules(self, device: str) -> list[Registration]:
        """What is known of a device's modules, in the order of their names."""
        modules = [found for found in self._known.values() if found.identity.module is not None]
        return sorted((found for found in modules if found.identity.device == device), key=lambda each: each.identity)

    async def find(self, identity: Identity) -> Registration | None:
        """The registration; asks above about one that is not known. Raises DirectoryNotReadyError.

        The device itself is always known: it has its own key, or its certificate.
        """
        if identity == self.device:
            return self._own()
        found = self._known.get(identity)
        if found is None and not self._ready:
            await self._first_fetch()
            found = self._known.get(identity)
        return found or await self._ask_above(identity, self._asked)

    async def ask_again(self, identity: Identity) -> None:
        """Ask above about one that is known, since what it shows does not fit.

        For the same one not more often than every `miss` seconds. Raises DirectoryNotReadyError where nobody answers.
        """
        if identity != self.device:
            await self._ask_above(identity, self._asked_again)

    async def fresh(self, age: float | None = None) -> None:
        """Refresh what is older than `age` seconds (`miss` unless given), for a child that asks; as far as possible."""
        if self._clock() - self._asked_at >= (self._rules.miss if age is None else age):
            await self.refresh()

    async def refresh(self, since: float | None = None) -> bool:
        """Fetch everything anew; whether that worked. One that succeeded after `since` is not repeated."""
        async with self._lock:
            if since is not None and self._asked_at >= since and self.problem is None and self._ready:
                return True
            self._asked_at = self._clock()
            try:
                await self._take(await self._fetch())
            except Problem as problem:
                self._failed(problem)
                return False
            self._ready, self.problem = True, None
            return True

    def want(self) -> None:
        """Something new is looked for: refresh soon, without making anybody wait for it."""
        self._wanted.set()

    async def run(self) -> None:
        """Refresh now and then, and when somebody wants it, for ever."""
        while True:
            self._wanted.clear()
            worked = await self.refresh()
            await asyncio.sleep(_BREATH)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._rules.refresh if worked else self._rules.retry):
                    await self._wanted.wait()

    def _own(self) -> Registration:
        kind = Authentication.SAS if self._key else Authentication.THUMBPRINT
        bare = Registration(self.device, "", self._key, Secret(""), edge=True, authentication=kind)
        return replace(self._known.get(self.device, bare), primary=self._key, edge=True)

    async def _first_fetch(self) -> None:
        begun = self._clock()
        if begun - self._asked_at < _BREATH or not await self.refresh(since=begun):
            raise DirectoryNotReadyError

    async def _ask_above(self, identity: Identity, asked: dict[Identity, float]) -> Registration | None:
        """Ask for this one alone; a crowd of strangers is told to come back."""
        if self._waiting >= _MOST_WAITING:
            raise DirectoryNotReadyError("too many unknown clients came at once")
        self._waiting += 1
        try:
            async with self._lock:
                answered = asked is self._asked and identity in self._known
                if answered or self._clock() - asked.get(identity, -1e9) < self._rules.miss:
                    return self._known.get(identity)
                return await self._fetch_one(identity, asked)
        finally:
            self._waiting -= 1

    async def _fetch_one(self, identity: Identity, asked: dict[Identity, float]) -> Registration | None:
        hub = self._known.get(Identity(self.device.device, EDGE_HUB))
        if hub is None:
            raise DirectoryNotReadyError("the edge hub's own key has not come yet")
        chain = AuthChain(self.device, (self.device.device,))
        try:
            documents = await self._source.one(chain, identity, hub.primary)
        except Problem as problem:
            self._failed(problem)
            raise DirectoryNotReadyError(problem.title()) from problem
        self._note(identity, asked)
        await self._put({_identity(document): document for document in documents})
        return self._known.get(identity)

    def _note(self, identity: Identity, asked: dict[Identity, float]) -> None:
        if len(asked) >= _MOST_ASKED:
            asked.clear()
        asked[identity] = self._clock()

    async def _fetch(self) -> dict[Identity, JsonObject]:
        """The device's modules, and everyone behind it at any depth: what stands behind edge devices behind it, too."""
        documents = await self._source.modules(self.device, self._key)
        found = {_identity(document): document for document in documents}
        hub = found.get(Identity(self.device.device, EDGE_HUB))
        if hub is not None:
            key = read_registration(hub).primary
            await self._descend(AuthChain(self.device, (self.device.device,)), key, found)
        return found

    async def _descend(self, chain: AuthChain, key: Secret, found: dict[Identity, JsonObject]) -> None:
        documents = {_identity(document): document for document in await self._source.scope(chain, key)}
        fresh = documents.keys() - found.keys()
        found.update(documents)
        above = read_registration(found[chain.target])
        for identity in sorted(fresh, key=str):
            entry = read_registration(documents[identity])
            if entry.edge and stands_behind(entry, above) and len(chain.devices) < MOST_DEVICES:
                await self._descend(AuthChain(identity, (identity.device, *chain.devices)), key, found)

    async def _take(self, documents: dict[Identity, JsonObject]) -> None:
        """Keep the documents, first on disk, and let go of what is gone."""
        gone = [identity for identity in self._known if identity not in documents]
        for identity in gone:
            await self._records.delete(_COLLECTION, str(identity))
            del self._known[identity]
        self._asked.clear()
        await self._put(documents, gone)
        if not self._ready:
            await self._records.put(_STATE, "fetched", b"{}")

    async def _put(self, documents: dict[Identity, JsonObject], gone: Sequence[Identity] = ()) -> None:
        """Keep what is new or changed, and tell of it."""
        fresh = {identity: read_registration(document) for identity, document in documents.items()}
        different = [identity for identity, entry in fresh.items() if self._known.get(identity) != entry]
        for identity in different:
            await self._records.put(_COLLECTION, str(identity), msgspec.json.encode(documents[identity]))
        self._known.update(fresh)
        if different or gone:
            count = len(self._known)
            _log.info("the scope has %d identities, %d new or changed, %d gone", count, len(different), len(gone))
            for tell in self.changed:
                tell([*different, *gone])

    def _failed(self, problem: Problem) -> None:
        if self.problem is None or self.problem.code != problem.code:
            level = logging.ERROR if problem.kind in (TOKEN_REFUSED, DEVICE_UNKNOWN) else logging.WARNING
            _log.log(level, "the scope was not refreshed: %s: %s", problem.title(), problem.cause())
        self.problem = problem


def read_registration(document: JsonObject) -> Registration:
    """A registration from the registry's document of a device or module (contract 2.2, 11.2)."""
    identity = _identity(document)
    proofs = read_authentication(identity, document.get("authentication") or {})  # type: ignore[arg-type]
    capabilities: Any = document.get("capabilities") or {}
    scopes: Any = document.get("parentScopes") or ()
    return Registration(
        identity=identity,
        generation=str(document.get("generationId") or ""),
        primary=proofs.primary or Secret(""),
        secondary=proofs.secondary or Secret(""),
        authentication=proofs.authentication or Authentication.SAS,
        primary_thumbprint=checked_thumbprint(proofs.primary_thumbprint),
        secondary_thumbprint=checked_thumbprint(proofs.secondary_thumbprint),
        enabled=document.get("status", "enabled") == "enabled",
        edge=bool(capabilities.get("iotEdge")),
        scope=_text(document.get("deviceScope")),
        parent_scopes=tuple(str(scope) for scope in scopes),
        managed_by=_text(document.get("managedBy")),
    )


def _identity(document: JsonObject) -> Identity:
    module = document.get("moduleId")
    return Identity(str(document["deviceId"]), str(module) if module else None)


def _text(value: object) -> str | None:
    return str(value) if value else None
