"""A deployment, from a solution on disk to the desired twins of a device: built, pushed, pinned, checked, applied.

Every fault is found before anything leaves: nothing is applied unless the whole manifest stands. Images are
named by digest in what is applied, so that a tag that moves later changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from hotori.images.build_cache import BuildCache
from hotori.images.builder import build_image
from hotori.images.client import RegistryClient
from hotori.model.identity import Identity
from hotori.model.image_reference import ImageReference
from hotori.model.json import JsonObject
from hotori.model.manifest import Manifest, RegistryCredential
from hotori.model.platform import Platform
from hotori.routing.router import Router
from hotori.solution.build_file import read_recipe
from hotori.solution.reported_disk import check_room
from hotori.solution.solution import Solution, SolutionModule
from hotori.solution.template import fill, image_variables

Say = Callable[[str], None]
Progress = Callable[[str, int, int], None]
"""What is sent, bytes done, bytes in all."""


class Applier(Protocol):
    """Hands a manifest to a device, and says what the device reported; `hotori.sdk.service.ServiceClient` does."""

    async def twin(self, identity: Identity) -> JsonObject: ...

    async def apply_manifest(self, device: str, document: JsonObject) -> None: ...


@dataclass(frozen=True, slots=True)
class Deployed:
    """What was done: images by module, as pinned, and the manifest that the device now has."""

    device: str
    images: Mapping[str, ImageReference]
    manifest: JsonObject

    def document(self) -> JsonObject:
        return {"device": self.device, "images": {name: str(image) for name, image in self.images.items()}}


@dataclass(frozen=True, slots=True)
class Workshop:
    """Where images are built and kept. `platform_key` is the solution's name of the platform, such as amd64."""

    registry: RegistryCredential
    ca: Path
    cache: BuildCache
    platform_key: str
    say: Say
    progress: Progress

    async def publish(self, module: SolutionModule, variables: Mapping[str, str]) -> ImageReference:
        """Build a module's image and push it; the image by digest."""
        recipe = read_recipe(module.build_file(self.platform_key), Platform.parse(self.platform_key), variables)
        self.say(f"{module.name}: building")
        image = await build_image(recipe, self.cache, lambda line: self.say(f"{module.name}: {line}"))
        reference = ImageReference.parse(module.reference(self.platform_key, variables))
        async with RegistryClient(reference.registry, self._credential(reference), self.ca) as client:
            digest = await client.push(image, reference, lambda done, total: self.progress(module.name, done, total))
        return reference.pinned(digest)

    def _credential(self, reference: ImageReference) -> RegistryCredential | None:
        return self.registry if reference.registry == self.registry.address else None


def filled_manifest(
    solution: Solution, images: Mapping[str, ImageReference], variables: Mapping[str, str]
) -> JsonObject:
    """The manifest with everything filled in, and checked as the cloud and the device will check it.

    Raises `manifest-malformed`, `placeholder-left`, `schema-unsupported`, `route-invalid`.
    """
    named = image_variables({name: str(image) for name, image in images.items()})
    document = fill(solution.template, {**variables, **named})
    manifest = Manifest.parse(document)
    Router.compile(manifest.hub)
    return document


async def deploy(
    solution: Solution, device: str, workshop: Workshop, applier: Applier, variables: Mapping[str, str]
) -> Deployed:
    """Build and push every module of the solution, then apply the manifest to the device.

    Raises `image-exceeds-disk` where the device reported too little room for what it would have to fetch.
    """
    images = {module.name: await workshop.publish(module, variables) for module in solution.modules}
    document = filled_manifest(solution, images, variables)
    await check_room(device, document, workshop.registry, workshop.ca, applier)
    workshop.say(f"applying to {device}")
    await applier.apply_manifest(device, document)
    return Deployed(device, images, document)
