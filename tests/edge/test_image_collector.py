"""Images that no module needs any more are removed, and none that is needed, nor anybody else's."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from hotori.edge.agent_memory import AgentMemory, ImageMemory, MemoryStore
from hotori.edge.image_collector import ImageCollector
from hotori.model.image_reference import ImageReference
from hotori.problems import Problem
from hotori.problems.storage import DISK_FULL
from hotori.reconcile.image_policy import ImageRules, UnusedImage, images_to_remove
from hotori.runtimes.held_image import HeldImage
from hotori.runtimes.module_runtime import Progress
from tests.edge.parts import Cloud, Device, image, manifest

WEEK = 7 * 86400.0
OLD = "sha256:" + "1" * 64


async def until_removed(device: Device, count: int) -> Any:
    """Look until so many images are gone; the report that says so."""
    async with asyncio.timeout(20):
        while device.reports[-1]["images"]["removed"] < count:  # type: ignore[index,call-overload,operator]
            await device.agent.look()
            await asyncio.sleep(0.01)
    return device.reports[-1]


async def test_the_former_image_goes_a_week_after_its_last_use(tmp_path: Path) -> None:
    async with Device(tmp_path, Cloud("camera")) as device:
        for version in (1, 2):
            device.agent.deploy(manifest("camera", tag=str(version)), version)
            await device.settle()
        device.clock.now += WEEK - 1
        await device.settle()
        early = list(device.runtime.verbs)
        device.clock.now += 3601
        report = await until_removed(device, 1)

        assert not any(verb.startswith("remove image") for verb in early)
        assert device.runtime.verbs[-1] == f"remove image {OLD}"
        assert (report["images"]["count"], report["images"]["bytes"]) == (1, 100)
        assert report["images"]["freedBytes"] == 100


async def test_since_when_an_image_is_unused_survives_a_restart(tmp_path: Path) -> None:
    kept = AgentMemory()
    async with Device(tmp_path, Cloud("camera")) as device:
        for version in (1, 2):
            device.agent.deploy(manifest("camera", tag=str(version)), version)
            await device.settle()
        async with asyncio.timeout(20):
            while not kept.images.unused:
                await device.agent.look()
                await asyncio.sleep(0)
                await MemoryStore(device.records).load(kept)

    assert kept.images.unused == {OLD: device.clock.now}
    assert kept.images.good == {image("camera", "2")}


async def test_over_the_budget_the_former_image_goes_at_once(tmp_path: Path) -> None:
    device = Device(tmp_path, Cloud("camera"))
    device.image_rules = ImageRules(budget=150)
    async with device:
        for version in (1, 2):
            device.agent.deploy(manifest("camera", tag=str(version)), version)
            await device.settle()
        await until_removed(device, 1)

        assert device.runtime.verbs[-1] == f"remove image {OLD}"


async def test_the_last_good_image_stays_while_the_new_one_cannot_be_had(tmp_path: Path) -> None:
    device = Device(tmp_path, Cloud("camera"))
    device.image_rules = ImageRules(budget=1)
    async with device:
        device.agent.deploy(manifest("camera"), 1)
        await device.settle()
        del device.runtime.registry[image("camera", "2")]
        device.agent.deploy(manifest("camera", tag="2"), 2)
        await device.settle()
        await device.runtime.stop("camera")
        await device.runtime.remove("camera")
        device.clock.now += WEEK
        await device.settle()
        await asyncio.sleep(0)

        assert not any(verb.startswith("remove image") for verb in device.runtime.verbs)


async def test_a_full_disk_makes_room_at_once(tmp_path: Path) -> None:
    device = Device(tmp_path, Cloud("camera", "uploader"))
    async with device:
        for version in (1, 2):
            device.agent.deploy(manifest("camera", tag=str(version)), version)
            await device.settle()
        fetch = device.runtime.pull

        async def refuse(reference: ImageReference, credential: object, progress: Progress | None = None) -> str:
            raise Problem(DISK_FULL, path="/data", free=0)

        device.runtime.pull = refuse  # type: ignore[method-assign]
        device.agent.deploy(manifest("camera", "uploader", tag="2"), 3)
        await device.settle()
        await until_removed(device, 1)
        device.runtime.pull = fetch  # type: ignore[method-assign]

        assert f"remove image {OLD}" in device.runtime.verbs


class Shelf:
    """Images of an engine that others use, too."""

    def __init__(self, *held: HeldImage) -> None:
        self.held = list(held)

    async def images(self) -> list[HeldImage]:
        return self.held

    async def remove_image(self, identifier: str) -> None:
        self.held = [held for held in self.held if held.identifier != identifier]


async def test_images_that_no_module_of_ours_had_are_nobodys_business() -> None:
    foreign = HeldImage("sha256:aa", ("postgres:16",), 1000, 0.0, used=False)
    moved = HeldImage("sha256:bb", ("camera@sha256:0b",), 10, 0.0, used=False)
    current = HeldImage("sha256:cc", ("camera:1", "camera@sha256:0c"), 10, 0.0, used=False)
    shelf = Shelf(foreign, moved, current)
    # A tag that moved leaves nothing of the old image but its digest.
    memory = ImageMemory(known={"docker.io/library/camera:1", "sha256:0b"})
    collector = ImageCollector(shelf, ImageRules(keep_for=0.0), memory)

    await collector.collect(frozenset({"docker.io/library/camera:1"}), 1.0)

    assert shelf.held == [foreign, current]
    assert (collector.counts.count, collector.counts.size, collector.counts.removed) == (1, 10, 1)
    assert memory.known == {"docker.io/library/camera:1", "sha256:0b"}


UNUSED = st.lists(
    st.builds(UnusedImage, st.text(min_size=1), st.integers(0, 100), st.floats(0, 1000)),
    unique_by=lambda image: image.identifier,
)


@given(UNUSED, st.integers(0, 500), st.integers(0, 500), st.floats(1, 1000))
def test_no_more_images_go_than_age_and_budget_ask_for(
    unused: list[UnusedImage], used: int, budget: int, keep_for: float
) -> None:
    total = used + sum(image.size for image in unused)
    rules = ImageRules(keep_for, budget)
    gone = [removal.image for removal in images_to_remove(unused, total, 1000.0, rules)]
    stays = [image for image in unused if image not in gone]

    assert all(1000.0 - image.since < keep_for for image in stays)
    left = total - sum(image.size for image in gone)
    assert not budget or left <= budget or not stays
    young = [image for image in gone if 1000.0 - image.since < keep_for]
    if young:
        assert budget
        assert left + young[-1].size > budget
