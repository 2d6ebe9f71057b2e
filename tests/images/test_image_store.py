"""A device's images: fetched once, kept unpacked, there without a network."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from hotori.images.build_cache import BuildCache
from hotori.images.builder import build_image, build_layer
from hotori.images.client import RegistryClient
from hotori.images.descriptor import LAYER_KIND, Descriptor, digest_of
from hotori.images.image import ImageSet, Layer
from hotori.images.image_store import ImageStore
from hotori.images.recipe import FolderLayer, ImageRecipe
from hotori.model.image_reference import ImageReference
from hotori.model.platform import Platform
from hotori.problems import Problem
from hotori.runtimes.host import host_platform
from hotori.testing.registry_server import TestRegistry, TinyImages, registry_server, write_files


@pytest.fixture
async def registry(tmp_path: Path) -> AsyncIterator[TestRegistry]:
    async with registry_server(tmp_path / "registry") as registry:
        yield registry


@pytest.fixture
def images(registry: TestRegistry, tmp_path: Path) -> TinyImages:
    return TinyImages(registry.address, tmp_path / "sources")


@pytest.fixture
def store(tmp_path: Path) -> ImageStore:
    return ImageStore(tmp_path / "store")


async def test_a_fetched_image_is_unpacked_with_its_configuration(store: ImageStore, images: TinyImages) -> None:
    reference = await images.publish({"main.py": "print()\n"}, env={"A": "1"}, labels={"x": "y"})
    image = await store.fetch(reference, None)
    assert (image.rootfs / "app/main.py").read_text() == "print()\n"
    assert (image.config.entrypoint, image.config.env) == (("python3", "main.py"), {"A": "1"})
    assert (image.config.platform, image.config.working_dir) == (host_platform(), "/app")
    assert image.config.labels == {"x": "y"}
    assert await store.find(reference) == image
    assert await store.find(ImageReference.parse("127.0.0.1:1/other:1")) is None


async def test_an_image_that_is_here_needs_no_registry(tmp_path: Path, store: ImageStore) -> None:
    async with registry_server(tmp_path / "registry") as registry:
        reference = await TinyImages(registry.address, tmp_path / "sources").publish({"x": "y"})
        image = await store.fetch(reference, None)
        pinned = await store.fetch(reference.pinned(image.digest), None)
    again = ImageStore(tmp_path / "store")
    assert (await again.fetch(reference, None)).digest == image.digest
    assert await again.fetch(reference.pinned(image.digest), None) == pinned
    with pytest.raises(Problem) as caught:
        await again.fetch(ImageReference.parse(f"{registry.address}/other:1"), None)
    assert caught.value.code == "registry-unreachable"


async def test_a_tag_that_moved_is_fetched_anew(store: ImageStore, images: TinyImages) -> None:
    first = await store.fetch(await images.publish({"main.py": "1"}), None)
    second = await store.fetch(await images.publish({"main.py": "2"}), None)
    assert first.digest != second.digest
    assert (second.rootfs / "app/main.py").read_text() == "2"
    assert (first.rootfs / "app/main.py").read_text() == "1"


async def test_images_share_the_files_of_the_layers_that_they_share(
    store: ImageStore, images: TinyImages, tmp_path: Path
) -> None:
    files = {"main.py": "print()\n"}
    for name in ("one", "two"):
        await store.fetch(await images.publish(files, name=name, labels={"name": name}), None)
    assert len(list((tmp_path / "store/layers").iterdir())) == 1
    assert len({path.stat().st_ino for path in (tmp_path / "store").rglob("main.py")}) == 1


async def test_progress_is_told_in_bytes_of_all_layers(store: ImageStore, images: TinyImages) -> None:
    heard: list[tuple[int, int]] = []
    await store.fetch(await images.publish({"data": os.urandom(3 << 20)}), None, lambda *step: heard.append(step))
    assert heard == sorted(heard)
    assert heard[-1][0] == heard[-1][1] > 3 << 20


async def test_an_image_only_for_other_machines_is_refused_with_both_named(
    registry: TestRegistry, store: ImageStore, tmp_path: Path
) -> None:
    source = write_files(tmp_path / "source", {"x": "y"})
    recipe = ImageRecipe(Platform("s390x"), (FolderLayer(source),), ("x",))
    image = await build_image(recipe, BuildCache(tmp_path / "cache"))
    reference = ImageReference.parse(f"{registry.address}/app:1")
    async with RegistryClient(registry.address) as client:
        await client.push(ImageSet((image,)), reference)
    with pytest.raises(Problem) as caught:
        await store.fetch(reference, None)
    assert caught.value.code == "image-wrong-platform"
    assert caught.value.values == {"image": str(reference), "found": "linux/s390x", "wanted": str(host_platform())}


async def test_a_base_layer_is_for_engines_and_is_not_fetched(
    registry: TestRegistry, store: ImageStore, tmp_path: Path
) -> None:
    cache = BuildCache(tmp_path / "cache")
    base = await build_layer(
        FolderLayer(write_files(tmp_path / "base", {"python": "big"}), "/usr"), host_platform(), cache, print
    )
    base = replace(base, descriptor=replace(base.descriptor, annotations={LAYER_KIND: "base"}))
    source = write_files(tmp_path / "source", {"x": "y"})
    recipe = ImageRecipe(host_platform(), (FolderLayer(source),), ("x",), base=base)
    image = await build_image(recipe, cache)
    assert json.loads(image.config)["rootfs"]["diff_ids"][0] == base.diff_id
    reference = ImageReference.parse(f"{registry.address}/app:1")
    async with RegistryClient(registry.address) as client:
        await client.push(image, reference)
    rootfs = (await store.fetch(reference, None)).rootfs
    assert sorted(path.name for path in rootfs.iterdir()) == ["app"]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (gzip.compress(b"this is no tar at all" * 100, mtime=0), "image-damaged"),
        (b"\x28\xb5\x2f\xfd zstd", "image-unsupported"),
    ],
)
async def test_a_layer_that_cannot_be_unpacked_leaves_nothing_behind(
    registry: TestRegistry, store: ImageStore, tmp_path: Path, content: bytes, code: str
) -> None:
    file = tmp_path / "layer"
    file.write_bytes(content)
    layer = Layer(file, Descriptor("application/x", digest_of(content), len(content)), digest_of(b""))
    recipe = ImageRecipe(host_platform(), (), ("x",), base=layer)
    image = await build_image(recipe, BuildCache(tmp_path / "cache"))
    reference = ImageReference.parse(f"{registry.address}/app:1")
    async with RegistryClient(registry.address) as client:
        await client.push(image, reference)
    with pytest.raises(Problem) as caught:
        await store.fetch(reference, None)
    assert caught.value.code == code
    assert [path for path in (tmp_path / "store").rglob("*") if path.is_file()] == []
    assert await store.find(reference) is None


async def test_a_download_that_broke_off_goes_on_at_the_next_fetch(
    registry: TestRegistry, store: ImageStore, images: TinyImages, tmp_path: Path
) -> None:
    reference = await images.publish({"data": os.urandom(1 << 20)})
    async with RegistryClient(registry.address) as client:
        layer = (await client.manifest(reference, host_platform())).manifest.layers[0]
    half = registry.files.content.path(layer.digest).read_bytes()[: layer.size // 2]
    partial = tmp_path / "store/partial" / layer.digest.replace(":", "-")
    partial.parent.mkdir(parents=True)
    partial.write_bytes(half)
    heard: list[int] = []
    await store.fetch(reference, None, lambda done, total: heard.append(done))
    assert heard[0] == len(half)
    assert heard[-1] == layer.size


async def test_images_that_nobody_needs_are_removed_with_their_layers(
    store: ImageStore, images: TinyImages, tmp_path: Path
) -> None:
    old = await store.fetch(await images.publish({"main.py": "1"}), None)
    new = await store.fetch(await images.publish({"main.py": "2"}), None)
    assert await store.prune({new.digest}) == 1
    assert not old.rootfs.exists()
    assert (new.rootfs / "app/main.py").exists()
    assert len(list((tmp_path / "store/layers").iterdir())) == 1


async def test_a_disk_that_is_full_is_named_and_the_fetch_goes_on_once_there_is_room(
    images: TinyImages, small_disk: Path
) -> None:
    store = ImageStore(small_disk / "store")
    reference = await images.publish({"data": os.urandom(2 << 20)})
    with pytest.raises(Problem) as caught:
        await store.fetch(reference, None)
    assert caught.value.code == "disk-full"
    assert await store.find(reference) is None


async def test_a_registry_whose_disk_is_full_says_so(small_disk: Path, tmp_path: Path) -> None:
    async with registry_server(small_disk / "registry") as registry:
        with pytest.raises(Problem) as caught:
            await TinyImages(registry.address, tmp_path).publish({"data": os.urandom(2 << 20)})
        assert (caught.value.code, caught.value.values["status"]) == ("registry-refused", "507")
        assert "the registry's disk is full" in caught.value.evidence[0]
        await TinyImages(registry.address, tmp_path).publish({"data": "small"}, name="other")


async def test_what_is_held_is_listed_with_names_and_size_and_dropped_alone(images: TinyImages, tmp_path: Path) -> None:
    store = ImageStore(tmp_path / "store")
    old = await store.fetch(await images.publish({"old.py": "1"}, tag="old"), None)
    new = await store.fetch(await images.publish({"main.py": "22"}, tag="new"), None)

    held = {image.identifier: image for image in await store.held()}
    await store.drop(old.digest)
    await store.drop(old.digest)

    assert held.keys() == {old.digest, new.digest}
    assert held[new.digest].names == (new.reference,)
    assert held[new.digest].size >= 2
    assert [image.identifier for image in await store.held()] == [new.digest]
    assert (new.rootfs / "app/main.py").exists()
