"""The digests behind the tags of our own registry, for deployments that must not move when a tag does."""

from __future__ import annotations

import asyncio

from hotori.images.image_files import ImageFiles
from hotori.model.image_reference import ImageReference
from hotori.problems import Problem
from hotori.problems.images import IMAGE_NOT_FOUND


class ImagePinner:
    """Asks the files of the registry that is served at `address`; other registries' images stay as written."""

    def __init__(self, files: ImageFiles, address: str) -> None:
        self._files = files
        self._address = address

    async def __call__(self, image: str) -> str | None:
        """Raises `image-not-found` where a tag of ours names nothing, so that it is found before any device asks."""
        if not image.strip().startswith(f"{self._address}/"):
            return None
        reference = ImageReference.parse(image)
        if reference.digest:
            return None
        return await asyncio.to_thread(self._digest, reference)

    def _digest(self, reference: ImageReference) -> str:
        repository = self._files.repository(reference.name)
        digest = repository.resolve(reference.selector)
        if digest is None:
            tags = ", ".join(repository.tags()) or "-"
            missing = f"tag {reference.selector}"
            raise Problem(IMAGE_NOT_FOUND, image=reference, missing=missing, name=reference.name, tags=tags)
        return digest
