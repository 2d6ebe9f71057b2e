"""Sees to it that an image fits on the device's disk before it is fetched (FAILURES.md D19)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

from hotori.edge.watched_runtime import bounded
from hotori.model.image_reference import ImageReference
from hotori.model.manifest import RegistryCredential
from hotori.problems import Problem, Words
from hotori.problems.images import IMAGE_EXCEEDS_DISK
from hotori.runtimes.held_image import HeldImage, ImageHolder
from hotori.runtimes.image_shelf import Disk, ImageLayer, ImageShelf, bytes_needed

_log = logging.getLogger(__name__)
_ASKING, _FREEING = 5.0, 300.0
_SHOWN = 3
_AGAIN, _MOVED = 60.0, 0.01


class ImageSizes(Protocol):
    """Tells what of an image is still to be fetched."""

    async def missing(
        self, image: ImageReference, credential: RegistryCredential | None, shelf: ImageShelf
    ) -> tuple[ImageLayer, ...]: ...


@dataclass(frozen=True, slots=True)
class RoomParts:
    """Who is asked. `free` removes the images that the device's rules let go; None where nothing may be removed."""

    shelf: ImageShelf
    sizes: ImageSizes
    holder: ImageHolder | None = None
    free: Callable[[], Awaitable[None]] | None = None


class ImageRoom:
    """Lets fetches go ahead while all of them fit. One that may not fit beside others waits for them; only one that
    does not fit by itself is refused. Where nobody knows a size or the disk, the fetch itself will tell."""

    def __init__(self, parts: RoomParts) -> None:
        self._parts = parts
        self._changed = asyncio.Condition()
        self._under_way: dict[object, int] = {}
        self._looked_at = float("-inf")
        self._told: Disk | None = None

    async def disk(self, now: float) -> Disk | None:
        """The disk, for the report: looked at once a minute, and another one only where a hundredth of it has changed
        hands, so that nothing is reported while nothing happens."""
        if 0 <= now - self._looked_at < _AGAIN:
            return self._told
        self._looked_at, seen, told = now, await self._parts.shelf.disk(), self._told
        if seen is None or told is None or abs(seen.free - told.free) > told.total * _MOVED:
            self._told = seen
        return self._told

    @asynccontextmanager
    async def held(self, image: ImageReference, credential: RegistryCredential | None) -> AsyncIterator[None]:
        """Room for an image, for as long as it is being fetched. Raises `image-exceeds-disk`."""
        mark = object()
        if layers := await self._missing(image, credential):
            async with self._changed:
                self._under_way[mark] = await self._make(image, credential, layers)
        try:
            yield
        finally:
            async with self._changed:
                self._under_way.pop(mark, None)
                self._changed.notify_all()

    async def _missing(self, image: ImageReference, credential: RegistryCredential | None) -> tuple[ImageLayer, ...]:
        """Empty where all is here or nobody can tell; what is wrong with the registry, fetching will find."""
        shelf = self._parts.shelf
        try:
            async with asyncio.timeout(_ASKING):
                return () if await shelf.holds(image) else await self._parts.sizes.missing(image, credential, shelf)
        except (Problem, TimeoutError, ValueError) as error:
            _log.info("the size of %s is not known before it is fetched: %s", image, error)
            return ()

    async def _make(
        self, image: ImageReference, credential: RegistryCredential | None, layers: Sequence[ImageLayer]
    ) -> int:
        """The bytes that the image needs, once they are free."""
        freed = False
        while disk := await self._parts.shelf.disk():
            needed = bytes_needed(layers, downloads=disk.downloads)
            if needed <= disk.free - sum(self._under_way.values()):
                return needed
            if self._under_way:
                await self._changed.wait()
                # What came meanwhile may have brought these layers, too.
                layers = await self._missing(image, credential)
            elif self._parts.free and not freed:
                freed = True
                async with bounded("remove images", _FREEING):
                    await self._parts.free()
            else:
                raise await self._refusal(image, needed, disk)
        return 0

    async def _refusal(self, image: ImageReference, needed: int, disk: Disk) -> Problem:
        unused = [held for held in await self._parts.holder.images() if not held.used] if self._parts.holder else []
        seen = f"{needed} bytes are needed, {disk.free} of {disk.total} are free"
        values = {"needed": size_text(needed), "free": size_text(disk.free), "path": disk.path}
        return Problem(IMAGE_EXCEEDS_DISK, seen, image=image, could=_could(unused), **values)


def _could(unused: Sequence[HeldImage]) -> Words:
    """What would make room."""
    if not unused:
        return Words(
            "no image there is unused, so look at volumes, logs and files",
            "未使用のイメージはないため、ボリューム、ログ、ファイルを確認",
        )
    largest = sorted(unused, key=lambda held: -held.size)
    names = ", ".join(held.names[0] if held.names else held.identifier for held in largest[:_SHOWN])
    size = size_text(sum(held.size for held in unused))
    return Words(
        f"{len(unused)} images that no container uses have {size} ({names})",
        f"どのコンテナーも使わないイメージ {len(unused)} 個、計 {size}（{names}）を削除",
    )


def size_text(count: int) -> str:
    """Bytes for people."""
    return f"{count / 10**9:.1f} GB" if count >= 10**9 else f"{count / 10**6:.1f} MB"
