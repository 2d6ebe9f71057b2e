"""Which images that no module needs are to go: the aged ones, and the longest unused ones while space is short."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ImageRules:
    """An image goes after `keep_for` seconds without use, or sooner while all images of the device have more than
    `budget` bytes; 0 is no limit. They are looked through every `every` seconds, and after each change."""

    keep_for: float = 7 * 86400.0
    budget: int = 0
    every: float = 3600.0


@dataclass(frozen=True, slots=True)
class UnusedImage:
    """No module is made from it, none is to be. `since` is in Unix seconds, `size` in bytes."""

    identifier: str
    size: int
    since: float


@dataclass(frozen=True, slots=True)
class ImageRemoval:
    image: UnusedImage
    why: str


def images_to_remove(
    unused: Sequence[UnusedImage], total: int, now: float, rules: ImageRules
) -> Iterator[ImageRemoval]:
    """`total` are the bytes of all images of the device, used or not, each counted as if it shared nothing."""
    for image in sorted(unused, key=lambda image: (image.since, image.identifier)):
        if now - image.since >= rules.keep_for:
            yield ImageRemoval(image, f"no module has used it for {(now - image.since) / 86400:.1f} days")
        elif rules.budget and total > rules.budget:
            yield ImageRemoval(image, f"the images have {total} bytes, and {rules.budget} is their budget")
        else:
            continue
        total -= image.size
