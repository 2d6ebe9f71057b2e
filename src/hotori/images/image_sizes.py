"""How large an image is, asked of its registry before it is fetched."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from hotori.images.client import FetchedManifest, RegistryClient
from hotori.images.descriptor import LAYER_KIND, Descriptor
from hotori.model.image_reference import ImageReference
from hotori.model.manifest import RegistryCredential
from hotori.runtimes.image_shelf import ImageLayer, ImageShelf


class RegistrySizes:
    """Asks registries; `ca` is an authority that those off loopback are trusted by, beside those of the system."""

    def __init__(self, ca: Path | None = None) -> None:
        self._ca = ca

    async def missing(
        self, image: ImageReference, credential: RegistryCredential | None, shelf: ImageShelf
    ) -> tuple[ImageLayer, ...]:
        """The layers that are still to be fetched for a shelf, with their sizes. Raises the registry's problems."""
        async with RegistryClient(image.registry, credential, self._ca) as client:
            fetched = await client.manifest(image, await shelf.platform())
            config = json.loads(await client.read_blob(image, fetched.manifest.config))
            missing = await shelf.missing(_layers(fetched, config))
            parts = {part.digest: part for part in fetched.manifest.layers}
            sizes = await asyncio.gather(*(client.unpacked_size(image, parts[layer.digest]) for layer in missing))
        return tuple(replace(layer, unpacked=size) for layer, size in zip(missing, sizes, strict=True))


def _layers(fetched: FetchedManifest, config: Any) -> list[ImageLayer]:
    """The manifest's layers beside the configuration's list of what becomes of them; empty where there is none."""
    root = config.get("rootfs") if isinstance(config, dict) else None
    found = root.get("diff_ids") if isinstance(root, dict) else None
    layers = fetched.manifest.layers
    diff_ids = (
        [str(each) for each in found] if isinstance(found, list) and len(found) == len(layers) else [""] * len(layers)
    )
    return [_layer(part, diff_id) for part, diff_id in zip(layers, diff_ids, strict=True)]


def _layer(part: Descriptor, diff_id: str) -> ImageLayer:
    return ImageLayer(part.digest, diff_id, part.size, base=part.annotations.get(LAYER_KIND) == "base")
