"""A container engine as the place where images are kept."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Sequence
from pathlib import Path

from hotori.model.image_reference import ImageReference
from hotori.model.platform import Platform
from hotori.problems import Problem
from hotori.problems.engines import ENGINE_REFUSED
from hotori.runtimes.engine import Engine, EngineRefusedError
from hotori.runtimes.engine_pull import find_image
from hotori.runtimes.image_shelf import Disk, ImageLayer


class EngineShelf:
    """The port `ImageShelf`. Engines share a layer between images where all that is below it is the same, too."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._root: Path | None = None

    async def platform(self) -> Platform:
        return (await self._engine.identity()).platform

    async def holds(self, image: ImageReference) -> bool:
        return bool(image.digest) and await find_image(self._engine, str(image)) is not None

    async def missing(self, layers: Sequence[ImageLayer]) -> tuple[ImageLayer, ...]:
        """Raises `engine-refused` where the engine does not tell."""
        wanted = [layer.diff_id for layer in layers]
        try:
            images = await self._engine.get("images/json")
        except EngineRefusedError as error:
            values = {"module": "all", "action": "list the images of", "reason": error.text}
            raise Problem(ENGINE_REFUSED, error.text, **values) from error
        found = await asyncio.gather(*(self._layers(each["Id"]) for each in images))
        return tuple(layers[max((_common(wanted, have) for have in found), default=0) :])

    async def disk(self) -> Disk | None:
        if not self._engine.local:
            return None
        if self._root is None:
            self._root = Path((await self._engine.get("info"))["DockerRootDir"])
        try:
            usage = await asyncio.to_thread(shutil.disk_usage, self._root)
        except OSError:
            # An engine whose files this process does not see.
            return None
        # Podman unpacks what it fetched from a folder for temporary files.
        downloads = not (await self._engine.identity()).podman
        return Disk(self._root, usage.free, usage.total, downloads)

    async def _layers(self, image: str) -> list[str]:
        """Of an image that may have gone meanwhile."""
        try:
            document = await self._engine.get(f"images/{image}/json")
        except EngineRefusedError:
            return []
        return list((document.get("RootFS") or {}).get("Layers") or ())


def _common(wanted: Sequence[str], have: Sequence[str]) -> int:
    """How many are the same from the lowest on."""
    count = 0
    for one, other in zip(wanted, have, strict=False):
        if one != other:
            break
        count += 1
    return count
