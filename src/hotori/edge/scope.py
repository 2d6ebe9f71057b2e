"""Who an edge device serves: its own modules and the devices behind it, kept so that they are known offline."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from hotori.hub.directory import DirectoryNotReadyError
from hotori.hub.registration import Registration
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


class ScopeSource(Protocol):
    """Where the registrations come from; the cloud."""

    async def modules(self, device: Identity, key: Secret) -> list[JsonObject]: ...

    async def children(self, device: Identity, hub_key: Secret) -> list[JsonObject]: ...


@dataclass(frozen=True, slots=True)
class ScopeRules:
    """In seconds: between full refreshes, between refreshes for somebody unknown, and before asking again in vain."""

    refresh: float = 3600.0
    miss: float = 1.0
    retry: float = 10.0


class ScopeDirectory:
    """A `Directory` from the cloud's registry, persisted.

    Before the first fetch it raises DirectoryNotReadyError. For an identity that it does not know it asks the
    cloud again; only a cloud that answered can make it say None, since a client that is refused for good does
    not come back by itself (contract 1.3).
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

    def identities(self) -> list[Identity]:
        return list(self._known)

    async def find(self, identity: Identity) -> Registration | None:
        """The registration; asks the cloud about one that is not known. Raises DirectoryNotReadyError.

        The device itself is always known: it has its own key.
        """
        if identity == self.device:
            return Registration(self.device, generation="", primary=self._key, secondary=Secret(""), edge=True)
        if found := self._known.get(identity):
            return found
        begun = self._clock()
        if not self._ready and begun - self._asked_at < self._rules.miss:
            raise DirectoryNotReadyError
        # Whoever is unknown waits for an answer that is newer than the question: a device that was added a moment
        # ago gets in, and a crowd of strangers still causes one refresh each `miss` seconds at most.
        await asyncio.sleep(max(0.0, self._asked_at + self._rules.miss - begun))
        if not await self.refresh(since=begun):
            raise DirectoryNotReadyError
        return self._known.get(identity)

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

    async def _fetch(self) -> dict[Identity, JsonObject]:
        documents = await self._source.modules(self.device, self._key)
        hub_key = next((read_registration(d).primary for d in documents if d.get("moduleId") == EDGE_HUB), None)
        if hub_key is not None:
            documents = [*documents, *await self._source.children(self.device, hub_key)]
        return {_identity(document): document for document in documents}

    async def _take(self, documents: dict[Identity, JsonObject]) -> None:
        """Keep the documents, first on disk. The device itself and what is gone are left out."""
        documents.pop(self.device, None)
        fresh = {identity: read_registration(document) for identity, document in documents.items()}
        different = [identity for identity, entry in fresh.items() if self._known.get(identity) != entry]
        gone = [identity for identity in self._known if identity not in fresh]
        for identity in different:
            await self._records.put(_COLLECTION, str(identity), msgspec.json.encode(documents[identity]))
        for identity in gone:
            await self._records.delete(_COLLECTION, str(identity))
        if not self._ready:
            await self._records.put(_STATE, "fetched", b"{}")
        self._known = fresh
        if different or gone:
            _log.info("the scope has %d identities, %d new or changed, %d gone", len(fresh), len(different), len(gone))
            for tell in self.changed:
                tell([*different, *gone])

    def _failed(self, problem: Problem) -> None:
        if self.problem is None or self.problem.code != problem.code:
            level = logging.ERROR if problem.kind in (TOKEN_REFUSED, DEVICE_UNKNOWN) else logging.WARNING
            _log.log(level, "the scope was not refreshed: %s: %s", problem.title(), problem.cause())
        self.problem = problem


def read_registration(document: JsonObject) -> Registration:
    """A registration from the registry's document of a device or module (contract 2.2, 11.2)."""
    authentication: Any = document.get("authentication") or {}
    keys: Any = authentication.get("symmetricKey") or {}
    capabilities: Any = document.get("capabilities") or {}
    scopes: Any = document.get("parentScopes") or ()
    return Registration(
        identity=_identity(document),
        generation=str(document.get("generationId") or ""),
        primary=Secret(keys.get("primaryKey") or ""),
        secondary=Secret(keys.get("secondaryKey") or ""),
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
