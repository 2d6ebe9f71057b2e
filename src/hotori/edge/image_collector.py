"""Removes the images that the device's modules had and no longer need."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, replace

from hotori.edge.agent_memory import ImageMemory
from hotori.edge.times import iso_time
from hotori.model.json import JsonObject
from hotori.problems import Problem
from hotori.reconcile.image_policy import ImageRules, UnusedImage, images_to_remove
from hotori.runtimes.held_image import HeldImage, ImageHolder

_log = logging.getLogger(__name__)
_HUB = "docker.io/"


@dataclass(slots=True)
class ImageCounts:
    """As reported: images that are ours and their bytes, those of them that may go, and what was removed since the
    agent's start."""

    count: int = 0
    size: int = 0
    unused: int = 0
    removed: int = 0
    freed: int = 0
    looked_at: float = 0.0

    def document(self) -> JsonObject:
        return {
            "count": self.count,
            "bytes": self.size,
            "unusedBytes": self.unused,
            "removed": self.removed,
            "freedBytes": self.freed,
            "lastRemovalLookTimeUtc": iso_time(self.looked_at),
        }


class ImageCollector:
    """`urgent` is set where the disk is full: then whatever no module needs goes at the next look."""

    def __init__(self, holder: ImageHolder, rules: ImageRules, memory: ImageMemory) -> None:
        self._holder, self._rules = holder, rules
        self.memory = memory
        self.counts = ImageCounts()
        self.urgent = False
        self._needed: frozenset[str] = frozenset()
        self._task: asyncio.Task[None] | None = None

    def begin(self, needed: frozenset[str], now: float) -> None:
        """Look through the images beside everything else, if it is time to. Removing takes long."""
        if self._is_due(needed, now) and (self._task is None or self._task.done()):
            self._task = asyncio.create_task(self._guarded(needed, now), name="look through the images")

    async def free(self, needed: frozenset[str], now: float) -> None:
        """Remove all that no module needs, now, since room is wanted. Raises what the runtime says."""
        if self._task:
            await asyncio.wait([self._task])
        self.urgent = True
        await self.collect(needed, now)

    async def close(self) -> None:
        if self._task:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _guarded(self, needed: frozenset[str], now: float) -> None:
        try:
            await self.collect(needed, now)
        except Problem as problem:
            _log.warning("the images were not looked through: %s", problem.cause())

    def _is_due(self, needed: frozenset[str], now: float) -> bool:
        """Whether something changed, or the time has come. A clock that was set back makes it due."""
        passed = now - self.counts.looked_at
        return self.urgent or needed != self._needed or not 0 <= passed < self._rules.every

    async def collect(self, needed: frozenset[str], now: float) -> None:
        """Look through the images once. `needed` are references; what a module was made from stays in any case."""
        self._needed, self.counts.looked_at = needed, now
        held_now = await self._holder.images()
        wanted = {_canonical(name) for name in needed | self.memory.good}
        here = wanted.union(*map(_names, held_now))
        self.memory.known = {name for name in self.memory.known if _canonical(name) in here}
        known = {_canonical(name) for name in self.memory.known}
        ours = [held for held in held_now if _names(held) & known]
        unused = [held for held in ours if not held.used and not _names(held) & wanted]
        since = {held.identifier: min(self.memory.unused.get(held.identifier, now), now) for held in unused}
        self.memory.unused = since
        rules = replace(self._rules, keep_for=0.0) if self.urgent else self._rules
        self.urgent = False
        total = sum(held.size for held in ours)
        chosen = [UnusedImage(held.identifier, held.size, since[held.identifier]) for held in unused]
        gone = [
            each.image
            for each in images_to_remove(chosen, total, now, rules)
            if await self._remove(each.image, each.why)
        ]
        self._count(len(ours), total, gone)
        self.counts.unused = sum(image.size for image in chosen) - sum(image.size for image in gone)

    async def _remove(self, image: UnusedImage, why: str) -> bool:
        """One that does not go stands in the way of no other."""
        try:
            await self._holder.remove_image(image.identifier)
        except Problem as problem:
            _log.warning("image %s was not removed: %s", image.identifier, problem.cause())
            return False
        _log.info("image %s (%d bytes) was removed: %s", image.identifier, image.size, why)
        self.memory.unused.pop(image.identifier, None)
        return True

    def _count(self, count: int, total: int, gone: list[UnusedImage]) -> None:
        freed = sum(image.size for image in gone)
        self.counts.count, self.counts.size = count - len(gone), total - freed
        self.counts.removed += len(gone)
        self.counts.freed += freed


def _names(held: HeldImage) -> set[str]:
    """References by tag and digest, and the digests alone, since a tag that moved leaves nothing else behind."""
    digests = {name.partition("@")[2] for name in held.names if "@" in name}
    return {_canonical(name) for name in held.names} | digests | {held.identifier}


def _canonical(name: str) -> str:
    """With the registry, which engines leave out for Docker Hub."""
    first, slash, _ = name.partition("/")
    if name.startswith("sha256:") or (slash and ("." in first or ":" in first or first == "localhost")):
        return name.replace(f"{_HUB}library/", _HUB)
    return _HUB + name
