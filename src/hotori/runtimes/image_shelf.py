"""Where a device keeps images, for whoever must know beforehand whether another fits: a port beside the runtime's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from hotori.model.image_reference import ImageReference
from hotori.model.platform import Platform


@dataclass(frozen=True, slots=True)
class ImageLayer:
    """A layer as a registry has it: `digest` and `size` are of what is sent, `diff_id` and `unpacked` of what becomes
    of it; sizes in bytes. `base` marks what only a container engine needs."""

    digest: str
    diff_id: str
    size: int
    unpacked: int = 0
    base: bool = False


@dataclass(frozen=True, slots=True)
class Disk:
    """The disk that images are kept on, in bytes. `downloads` where layers come to it before they are unpacked, `base`
    where those are kept, too, that only a container engine needs."""

    path: Path
    free: int
    total: int
    downloads: bool = True
    base: bool = True


class ImageShelf(Protocol):
    async def platform(self) -> Platform:
        """What images must be for."""
        ...

    async def holds(self, image: ImageReference) -> bool:
        """Whether this very image is here; one that is named by a tag only may be another one."""
        ...

    async def missing(self, layers: Sequence[ImageLayer]) -> tuple[ImageLayer, ...]:
        """The layers of one image, lowest first, that are not here yet."""
        ...

    async def disk(self) -> Disk | None:
        """None where this machine cannot see it."""
        ...


def bytes_needed(layers: Sequence[ImageLayer], *, downloads: bool = True) -> int:
    """What the missing layers take while they are unpacked, one after another: all of them, and the largest as it
    was sent beside them. Engines may take more, since files begin at whole blocks; never less."""
    sent = max((layer.size for layer in layers), default=0) if downloads else 0
    return sum(max(layer.size, layer.unpacked) for layer in layers) + sent
