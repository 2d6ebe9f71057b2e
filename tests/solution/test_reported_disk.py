"""Before anything is deployed, what a device reported of its disk is held against the images (FAILURES.md D19)."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Any

import pytest

from hotori.model.identity import Identity
from hotori.model.image_reference import ImageReference
from hotori.model.json import JsonObject
from hotori.model.manifest import RegistryCredential
from hotori.model.secret import Secret
from hotori.problems import Problem
from hotori.problems.identity import DEVICE_UNKNOWN
from hotori.solution.reported_disk import check_room
from hotori.testing.registry_server import TinyImages, registry_server

LARGE = bytes(5_000_000)


class Reported:
    """The twin of a device's agent."""

    def __init__(self, free: int, unused: int = 0, *held: tuple[ImageReference, str]) -> None:
        self.reported: Any = {
            "runtime": {"platform": {"architecture": platform.machine()}},
            "imageDisk": {
                "path": "/var/lib/docker",
                "freeBytes": free,
                "totalBytes": 10**9,
                "downloads": True,
                "baseLayers": True,
            },
            "images": {"unusedBytes": unused},
            "modules": {image.name: {"settings": {"image": str(image), "imageHash": digest}} for image, digest in held},
        }

    async def twin(self, identity: Identity) -> JsonObject:
        assert str(identity) == "edge-1/$edgeAgent"
        return {"properties": {"reported": self.reported}}


class NoTwin(Reported):
    """A device that is none, which is told when the manifest is applied."""

    async def twin(self, identity: Identity) -> JsonObject:
        raise Problem(DEVICE_UNKNOWN, device=identity.device)


def manifest(*images: ImageReference) -> JsonObject:
    modules: JsonObject = {
        f"m{number}": {"settings": {"image": str(image), "createOptions": ""}} for number, image in enumerate(images)
    }
    agent: JsonObject = {"schemaVersion": "1.1", "runtime": {}, "modules": modules}
    hub: JsonObject = {"schemaVersion": "1.1", "routes": {}}
    return {"modulesContent": {"$edgeAgent": {"properties.desired": agent}, "$edgeHub": {"properties.desired": hub}}}


async def checked(registry: str, twins: Reported, *images: ImageReference) -> None:
    credential = RegistryCredential(registry, "nobody", Secret(""))
    await check_room("edge-1", manifest(*images), credential, Path("/nosuch"), twins)


async def test_what_does_not_fit_is_refused_and_what_is_there_already_needs_nothing(tmp_path: Path) -> None:
    async with registry_server(tmp_path / "registry") as registry:
        source = TinyImages(registry.address, tmp_path / "sources")
        old = await source.publish({"big": LARGE}, name="old")
        new = await source.publish({"big": LARGE + b"1"}, name="new")
        digest = registry.files.repository("old").resolve("1.0")
        assert digest
        held = (old, digest)

        with pytest.raises(Problem) as caught:
            await checked(registry.address, Reported(4_000_000, 0, held), old, new)
        await checked(registry.address, Reported(4_000_000, 2_000_000, held), old, new)
        await checked(registry.address, Reported(6_000_000, 0, held), old, new)
        await checked(registry.address, Reported(100, 0, held), old.pinned(digest))
        with pytest.raises(Problem) as both:
            await checked(registry.address, Reported(6_000_000), old, new)
    assert caught.value.code == both.value.code == "image-exceeds-disk"
    assert "new:1.0" in caught.value.title()
    assert "edge-1" in caught.value.remedy()


async def test_a_device_that_told_nothing_and_a_registry_that_does_not_answer_are_no_reason_to_refuse(
    tmp_path: Path,
) -> None:
    image = ImageReference.parse("127.0.0.1:1/nobody:1")
    silent = Reported(0)
    del silent.reported["imageDisk"]
    await checked("127.0.0.1:1", silent, image)
    await checked("127.0.0.1:1", NoTwin(0), image)
    await checked("127.0.0.1:1", Reported(0), image)
