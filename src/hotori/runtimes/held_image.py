"""Images that a runtime holds, for whoever clears away what nobody needs: a power beside the port's verbs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class HeldImage:
    """`names` are references by tag and by digest; `size` is in bytes, `created_at` in Unix seconds. `used` where a
    module, of anybody, is made from it."""

    identifier: str
    names: tuple[str, ...]
    size: int
    created_at: float
    used: bool


class ImageHolder(Protocol):
    async def images(self) -> list[HeldImage]:
        """Every image that is here, ours or not: an engine does not say who fetched one."""
        ...

    async def remove_image(self, identifier: str) -> None:
        """Remove an image with all its names; nothing where it is not here. One that is used stays, which is an
        `engine-refused`."""
        ...
