"""The configurations of a hub: kept in records, changed only where the contract lets them change (2.7)."""

from __future__ import annotations

import base64
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

from hotori.hub.rollouts.configuration_document import decode_configuration, encode_configuration
from hotori.hub.rollouts.targeting import Target
from hotori.model.configuration import Configuration
from hotori.model.json import Json
from hotori.problems import Problem
from hotori.problems.rollouts import CONFIGURATION_EXISTS, CONFIGURATION_FIXED, CONFIGURATION_UNKNOWN, TOO_MANY
from hotori.problems.service import CHANGED_MEANWHILE
from hotori.rollout.layers import images
from hotori.store.records import Record, Records, VersionConflictError

COLLECTION = "configurations"
MOST = 100
"""How many there may be (contract 3.4)."""

Pinner: TypeAlias = Callable[[str], Awaitable[str | None]]
"""From an image as written to the digest that its tag names now; None where it is not ours to say."""


async def no_pins(_: str) -> str | None:
    """Leaves every image as it is written."""
    return None


@dataclass(frozen=True, slots=True)
class Kept:
    """A configuration, its version in the store, and whom it targets."""

    configuration: Configuration
    version: int
    target: Target

    @property
    def etag(self) -> str:
        return base64.b64encode(self.version.to_bytes(8, "big")).decode()


class Configurations:
    """All of them, in memory and on disk. `changed` is called after every change. `open` before use."""

    def __init__(self, records: Records, pinner: Pinner = no_pins, clock: Callable[[], float] = time.time) -> None:
        self.changed: list[Callable[[], None]] = []
        self._records = records
        self._pinner = pinner
        self._clock = clock
        self._kept: dict[str, Kept] = {}

    async def open(self) -> None:
        """Read what is kept."""
        for record in await self._records.list(COLLECTION):
            self._kept[record.key] = _read(record)

    def all(self) -> tuple[Kept, ...]:
        """In the order of their ids."""
        return tuple(self._kept[name] for name in sorted(self._kept))

    def get(self, name: str) -> Kept:
        """Raises `configuration-unknown`."""
        if name not in self._kept:
            raise Problem(CONFIGURATION_UNKNOWN, configuration=name)
        return self._kept[name]

    def find(self, name: str) -> Kept | None:
        return self._kept.get(name)

    async def pin(self, image: str) -> str | None:
        """The digest that an image's tag names now; None where nobody here can say. Raises what the pinner finds."""
        return await self._pinner(image)

    async def create(self, name: str, document: Json) -> Kept:
        """Raises `configuration-exists`, `manifest-malformed`, `query-invalid` and what the pinner finds."""
        if name in self._kept:
            raise Problem(CONFIGURATION_EXISTS, configuration=name)
        if len(self._kept) >= MOST:
            raise Problem(TOO_MANY, limit=MOST)
        configuration = Configuration.parse(document, name, self._clock())
        target = Target.of(configuration)
        found = {image: await self.pin(image) for image in images(configuration)}
        pins = {image: digest for image, digest in found.items() if digest}
        return await self._store(replace(configuration, pins=pins), target, 0)

    async def update(self, name: str, document: Json, etag: str | None = None) -> Kept:
        """Change labels, priority, condition or metrics. Raises `configuration-fixed` where content or strategy
        would change, and `changed-meanwhile`."""
        before = self._expected(name, etag)
        given = Configuration.parse(document, name, before.configuration.created_at)
        old = before.configuration
        if (given.kind, given.content) != (old.kind, old.content) or given.strategy not in (None, old.strategy):
            raise Problem(CONFIGURATION_FIXED, configuration=name)
        after = replace(given, strategy=old.strategy, pins=old.pins, updated_at=self._clock())
        return await self._store(after, Target.of(after), before.version)

    async def delete(self, name: str, etag: str | None = None) -> None:
        """Devices keep what they have until something else applies. Raises as `update` does."""
        await self._records.delete(COLLECTION, self._expected(name, etag).configuration.id)
        del self._kept[name]
        self._tell()

    def _expected(self, name: str, etag: str | None) -> Kept:
        kept = self.get(name)
        if etag is not None and etag != kept.etag:
            raise Problem(CHANGED_MEANWHILE, what=name)
        return kept

    async def _store(self, configuration: Configuration, target: Target, expected: int) -> Kept:
        data = encode_configuration(configuration)
        try:
            version = await self._records.put(COLLECTION, configuration.id, data, expected)
        except VersionConflictError as error:
            raise Problem(CHANGED_MEANWHILE, str(error), what=configuration.id) from error
        kept = self._kept[configuration.id] = Kept(configuration, version, target)
        self._tell()
        return kept

    def _tell(self) -> None:
        for changed in self.changed:
            changed()


def _read(record: Record) -> Kept:
    configuration = decode_configuration(record.value)
    return Kept(configuration, record.version, Target.of(configuration))
