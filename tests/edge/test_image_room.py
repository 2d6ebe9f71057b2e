"""An image is fetched only where it fits on the disk (FAILURES.md D19): a real registry, and a small disk."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hotori.edge.image_room import ImageRoom, RoomParts
from hotori.images.image_sizes import RegistrySizes
from hotori.images.image_store import ImageStore
from hotori.model.image_reference import ImageReference
from hotori.problems import Language, Problem
from hotori.runtimes.image_shelf import ImageLayer, bytes_needed
from hotori.testing.registry_server import TestRegistry, TinyImages, registry_server


@pytest.fixture
async def registry(tmp_path: Path) -> AsyncIterator[TestRegistry]:
    async with registry_server(tmp_path / "registry") as running:
        yield running


@pytest.fixture
def images(registry: TestRegistry, tmp_path: Path) -> TinyImages:
    return TinyImages(registry.address, tmp_path / "sources")


def share(disk: Path, part: float) -> bytes:
    """Zeros that take so much of what is free there; packed they are a thousandth of it."""
    return bytes(int(shutil.disk_usage(disk).free * part))


def test_layers_take_their_unpacked_size_and_the_largest_of_them_once_more() -> None:
    layers = [ImageLayer("a", "A", size=10, unpacked=30), ImageLayer("b", "B", size=20, unpacked=15)]
    assert (bytes_needed(layers), bytes_needed(layers, downloads=False), bytes_needed([])) == (70, 50, 0)


async def test_what_fits_is_fetched(small_disk: Path, images: TinyImages) -> None:
    store = ImageStore(small_disk / "images")
    image = await images.publish({"big": share(small_disk, 0.5)})
    async with ImageRoom(RoomParts(store, RegistrySizes())).held(image, None):
        await store.fetch(image, None)
    assert await RegistrySizes().missing(image, None, store) == ()


async def test_what_does_not_fit_is_refused_with_both_sizes_before_a_byte_of_it_comes(
    small_disk: Path, images: TinyImages
) -> None:
    store = ImageStore(small_disk / "images")
    held = await store.fetch(await images.publish({"main.py": "1"}, name="unused"), None)
    image = await images.publish({"big": share(small_disk, 1.1)})
    before = shutil.disk_usage(small_disk).free
    asked: list[str] = []

    async def free() -> None:
        asked.append("free")

    with pytest.raises(Problem) as caught:
        async with ImageRoom(RoomParts(store, RegistrySizes(), Shelf(store), free)).held(image, None):
            raise AssertionError("it must not be fetched")
    assert caught.value.code == "image-exceeds-disk"
    assert asked == ["free"]
    assert shutil.disk_usage(small_disk).free == before
    assert f"{before} of" in caught.value.evidence[0]
    assert "1 images that no container uses" in caught.value.remedy()
    assert "unused:1.0" in caught.value.remedy(Language.JA)
    assert held.digest


class Shelf:
    """The store as a runtime without modules gives it."""

    def __init__(self, store: ImageStore) -> None:
        self.images, self.remove_image = store.held, store.drop


async def test_images_that_may_go_make_room_for_it_first(small_disk: Path, images: TinyImages) -> None:
    store = ImageStore(small_disk / "images")
    former = await store.fetch(await images.publish({"big": share(small_disk, 0.5)}, name="former"), None)
    image = await images.publish({"big": share(small_disk, 1.5)})

    async def free() -> None:
        await store.drop(former.digest)

    async with ImageRoom(RoomParts(store, RegistrySizes(), Shelf(store), free)).held(image, None):
        assert await store.find(ImageReference.parse(former.reference)) is None
        await store.fetch(image, None)


async def test_two_that_fit_only_one_after_the_other_are_fetched_so(small_disk: Path, images: TinyImages) -> None:
    store, order = ImageStore(small_disk / "images"), list[str]()
    half = share(small_disk, 0.6)
    first, second = [await images.publish({"big": half, "name": name}, name=name) for name in ("first", "second")]
    room = ImageRoom(RoomParts(store, RegistrySizes()))
    entered = asyncio.Event()

    async def fetch(image: ImageReference) -> None:
        async with room.held(image, None):
            order.append(f"begin {image.name}")
            entered.set()
            await asyncio.sleep(0.2)
            order.append(f"end {image.name}")

    one = asyncio.create_task(fetch(first))
    await entered.wait()
    await fetch(second)
    await one
    assert order == ["begin first", "end first", "begin second", "end second"]


async def test_two_modules_of_one_image_need_its_room_once(small_disk: Path, images: TinyImages) -> None:
    store = ImageStore(small_disk / "images")
    image = await images.publish({"big": share(small_disk, 0.7)})
    room = ImageRoom(RoomParts(store, RegistrySizes()))

    async def fetch() -> None:
        async with room.held(image, None):
            await store.fetch(image, None)

    await asyncio.gather(fetch(), fetch())
    assert await store.find(image)


async def test_what_nobody_can_tell_is_left_to_the_fetch(small_disk: Path, tmp_path: Path) -> None:
    store = ImageStore(small_disk / "images")
    async with ImageRoom(RoomParts(store, RegistrySizes())).held(ImageReference.parse("127.0.0.1:1/nobody:1"), None):
        pass


async def test_what_is_here_already_is_not_asked_for(tmp_path: Path) -> None:
    store = ImageStore(tmp_path / "images")
    async with registry_server(tmp_path / "registry") as registry:
        image = await TinyImages(registry.address, tmp_path / "sources").publish({"big": os.urandom(1000)})
        digest = (await store.fetch(image, None)).digest
    assert await store.holds(image.pinned(digest))
    async with asyncio.timeout(10), ImageRoom(RoomParts(store, RegistrySizes())).held(image.pinned(digest), None):
        pass
