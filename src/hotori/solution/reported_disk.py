"""Whether images fit on a device, by what it reported of its disk: looked at before anything is deployed to it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from hotori.images.client import RegistryClient
from hotori.images.image_sizes import RegistrySizes
from hotori.model.identity import EDGE_AGENT, Identity
from hotori.model.image_reference import ImageReference
from hotori.model.json import JsonObject
from hotori.model.manifest import Manifest, RegistryCredential
from hotori.model.platform import Platform
from hotori.problems import Problem, Words
from hotori.problems.images import IMAGE_EXCEEDS_DISK
from hotori.runtimes.image_shelf import Disk, ImageLayer, bytes_needed


class Twins(Protocol):
    async def twin(self, identity: Identity) -> JsonObject: ...


@dataclass(slots=True)
class ReportedShelf:
    """A device's images by its report (the port `ImageShelf`). `layers` are those that its images have."""

    reported: Any
    layers: set[str] = field(default_factory=set)

    async def platform(self) -> Platform:
        return Platform.parse(str(self.reported["runtime"]["platform"]["architecture"]))

    async def holds(self, image: ImageReference) -> bool:
        return any(image.digest == each.digest for each in self.images())

    async def missing(self, layers: Sequence[ImageLayer]) -> tuple[ImageLayer, ...]:
        base = self.reported["imageDisk"]["baseLayers"]
        return tuple(layer for layer in layers if layer.digest not in self.layers and (base or not layer.base))

    async def disk(self) -> Disk:
        """With what may go there counted as free."""
        seen, may_go = self.reported["imageDisk"], (self.reported.get("images") or {}).get("unusedBytes", 0)
        return Disk(Path(seen["path"]), seen["freeBytes"] + may_go, seen["totalBytes"], seen["downloads"])

    def images(self) -> Iterator[ImageReference]:
        """What its modules were made from, by digest."""
        for module in self.reported.get("modules", {}).values():
            settings = module["settings"]
            if settings.get("imageHash", "").startswith("sha256:"):
                yield ImageReference.parse(settings["image"]).pinned(settings["imageHash"])


async def check_room(device: str, manifest: JsonObject, registry: RegistryCredential, ca: Path, twins: Twins) -> None:
    """Raise `image-exceeds-disk` where the manifest's images of this registry do not fit beside what is there.

    A device that reported no disk, and a registry that does not tell, are no reason to refuse.
    """
    try:
        twin: Any = await twins.twin(Identity(device, EDGE_AGENT))
    except Problem:
        return  # who is no edge device is told so when the manifest is applied
    shelf = ReportedShelf(twin["properties"]["reported"])
    if "imageDisk" not in shelf.reported:
        return
    specs = Manifest.parse(manifest).agent.modules.values()
    wanted = {str(image): image for image in (ImageReference.parse(spec.image) for spec in specs)}
    try:
        await _learn_layers(shelf, registry, ca)
        missing: dict[str, ImageLayer] = {}
        for image in wanted.values():
            if image.registry == registry.address and not await shelf.holds(image):
                found = await RegistrySizes(ca).missing(image, registry, shelf)
                missing |= {layer.digest: layer for layer in found}
    except (Problem, KeyError, TypeError, ValueError):
        return
    disk = await shelf.disk()
    needed = bytes_needed(list(missing.values()), downloads=disk.downloads)
    if needed > disk.free:
        raise _refusal(device, ", ".join(wanted), needed, disk)


async def _learn_layers(shelf: ReportedShelf, registry: RegistryCredential, ca: Path) -> None:
    """What the images that the device has are made of; one that the registry has no more says nothing."""
    async with RegistryClient(registry.address, registry, ca) as client:
        for image in shelf.images():
            if image.registry != registry.address:
                continue
            try:
                fetched = await client.manifest(image, await shelf.platform())
            except Problem:
                continue
            shelf.layers |= {layer.digest for layer in fetched.manifest.layers}


def _refusal(device: str, images: str, needed: int, disk: Disk) -> Problem:
    seen = json.dumps({"device": device, "needed": needed, "freeReported": disk.free, "total": disk.total})
    could = Words(
        f"on the device {device}, images and volumes that nobody needs",
        f"デバイス {device} の不要なイメージやボリュームを削除",
    )
    return Problem(
        IMAGE_EXCEEDS_DISK,
        seen,
        image=images,
        needed=f"{needed / 10**6:.1f} MB",
        free=f"{disk.free / 10**6:.1f} MB",
        path=disk.path,
        could=could,
    )
