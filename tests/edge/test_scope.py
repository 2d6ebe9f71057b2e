"""The scope: known offline, asked on a miss, and never a refusal that the cloud did not speak."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import pytest

from hotori.edge.scope import ScopeDirectory, ScopeRules
from hotori.hub.auth_chain import AuthChain, chain_to
from hotori.hub.directory import DirectoryNotReadyError
from hotori.model.identity import Identity
from hotori.model.json import JsonObject
from hotori.model.secret import Secret
from hotori.store.memory import MemoryRecords
from tests.edge.parts import DEVICE, KEY, Clock, Cloud, a_key, device_document, module_document

CAMERA = Identity("edge-1", "camera")


def a_scope(cloud: Cloud, records: MemoryRecords, clock: Callable[[], float]) -> ScopeDirectory:
    return ScopeDirectory(DEVICE, KEY, cloud, records, clock, ScopeRules(miss=0.2))


async def test_nobody_is_refused_before_the_first_fetch() -> None:
    # Contract 1.3: a client that is refused for good does not come back, so "not yet" must not look like "no".
    cloud = Cloud("camera")
    cloud.reachable = False
    scope = a_scope(cloud, MemoryRecords(), Clock())

    with pytest.raises(DirectoryNotReadyError):
        await scope.find(CAMERA)
    assert scope.problem is not None
    assert scope.problem.code == "cloud-unreachable"


async def test_a_miss_asks_the_cloud() -> None:
    clock, cloud = Clock(), Cloud()
    scope = a_scope(cloud, MemoryRecords(), clock)
    await scope.refresh()
    cloud.documents["camera"] = module_document("camera")
    clock.now += 10

    found = await scope.find(CAMERA)

    assert found is not None
    assert found.primary == Secret(a_key("camera"))
    assert found.generation == "1"


async def test_a_device_added_a_moment_ago_waits_for_a_newer_answer_instead_of_being_refused() -> None:
    cloud = Cloud()
    scope = a_scope(cloud, MemoryRecords(), time.time)
    await scope.refresh()
    cloud.documents["camera"] = module_document("camera")

    assert await scope.find(CAMERA) is not None


async def test_only_a_cloud_that_answered_makes_anyone_unknown() -> None:
    clock, cloud = Clock(), Cloud()
    scope = a_scope(cloud, MemoryRecords(), clock)
    await scope.refresh()

    assert await scope.find(CAMERA) is None
    clock.now += 10
    cloud.reachable = False
    with pytest.raises(DirectoryNotReadyError):
        await scope.find(CAMERA)


async def test_the_same_stranger_is_asked_for_once_in_two_minutes() -> None:
    """11.1: single refresh on a miss (not more often than every 120 s)"""
    clock, cloud = Clock(), Cloud()
    scope = ScopeDirectory(DEVICE, KEY, cloud, MemoryRecords(), clock)
    await scope.refresh()

    assert [await scope.find(CAMERA) for _ in range(3)] == [None] * 3
    clock.now += 119
    assert await scope.find(CAMERA) is None
    assert cloud.asked_for == [CAMERA]
    clock.now += 1
    cloud.documents["camera"] = module_document("camera")
    assert await scope.find(CAMERA) is not None
    assert cloud.asked_for == [CAMERA] * 2


async def test_one_that_is_known_is_asked_for_again_once_in_two_minutes() -> None:
    """1.3, 11.1: keys that were changed above"""
    clock, cloud = Clock(), Cloud("camera")
    scope = ScopeDirectory(DEVICE, KEY, cloud, MemoryRecords(), clock)
    await scope.refresh()

    def generation() -> str:
        found = scope.known(CAMERA)
        return found.generation if found else ""

    await scope.ask_again(CAMERA)
    cloud.documents["camera"] = module_document("camera", generation="2")
    clock.now += 119
    await scope.ask_again(CAMERA)
    assert generation() == "1"
    clock.now += 1
    await asyncio.gather(scope.ask_again(CAMERA), scope.ask_again(CAMERA))
    assert generation() == "2"
    assert cloud.asked_for == [CAMERA] * 2

    clock.now += 120
    cloud.reachable = False
    with pytest.raises(DirectoryNotReadyError):
        await scope.ask_again(CAMERA)
    await scope.ask_again(DEVICE)  # whose key is its own


async def test_a_crowd_of_strangers_is_told_to_come_back() -> None:
    """1.3: never refused for good without an answer from above, and never a question for each of them at once."""
    cloud = SlowCloud()
    scope = a_scope(cloud, MemoryRecords(), time.time)
    await scope.refresh()

    strangers = [Identity("edge-1", f"nobody-{number}") for number in range(100)]
    asking = [asyncio.create_task(scope.find(stranger)) for stranger in strangers]
    done, waiting = await asyncio.wait(asking, return_when=asyncio.FIRST_COMPLETED)
    assert all(isinstance(each.exception(), DirectoryNotReadyError) for each in done)
    cloud.answering.set()
    assert await asyncio.gather(*waiting) == [None] * len(waiting)
    assert 0 < len(waiting) < 50


class SlowCloud(Cloud):
    """One that takes its time for a single question."""

    def __init__(self) -> None:
        super().__init__()
        self.answering = asyncio.Event()

    async def one(self, chain: AuthChain, target: Identity, hub_key: Secret) -> list[JsonObject]:
        await self.answering.wait()
        return await super().one(chain, target, hub_key)


async def test_what_stands_behind_edge_devices_behind_it_is_known_too() -> None:
    """11.3: an edge hub is spoken to on behalf of everyone below, so it knows them at any depth."""
    cloud = Cloud()
    cloud.leaves = [device_document("middle", "edge-1", edge=True), device_document("leaf-1", "edge-1")]
    hub = {**module_document("$edgeHub"), "deviceId": "bottom"}
    cloud.below["middle"] = [cloud.leaves[0], device_document("bottom", "middle", edge=True), hub]
    cloud.below["bottom"] = [device_document("leaf-2", "bottom"), {**module_document("sender"), "deviceId": "bottom"}]
    scope = a_scope(cloud, MemoryRecords(), Clock())

    await scope.refresh()

    assert cloud.chains == ["edge-1", "middle;edge-1", "bottom;middle;edge-1"]
    assert scope.known(Identity("leaf-2")) is not None
    assert scope.known(Identity("bottom", "sender")) is not None
    assert str(await chain_to(Identity("leaf-2"), scope, "edge-1")) == "leaf-2;bottom;middle;edge-1"
    own = await scope.find(DEVICE)
    assert own is not None
    assert [child.identity.device for child in await scope.children(own.scope or "")] == ["leaf-1", "middle"]
    assert [module.identity.module for module in await scope.modules("bottom")] == ["$edgeHub", "sender"]


async def test_what_was_fetched_is_known_in_the_next_life_without_a_cloud() -> None:
    clock, cloud, records = Clock(), Cloud("camera"), MemoryRecords()
    cloud.leaves = [
        {
            "deviceId": "leaf-1",
            "generationId": "5",
            "status": "disabled",
            "deviceScope": "ms-azure-iot-edge://edge-1-1",
            "parentScopes": ["ms-azure-iot-edge://edge-1-1"],
            "authentication": {"symmetricKey": {"primaryKey": a_key("leaf"), "secondaryKey": ""}},
        }
    ]
    await a_scope(cloud, records, clock).refresh()
    cloud.reachable = False

    again = a_scope(cloud, records, clock)
    await again.load()

    camera, leaf = await again.find(CAMERA), await again.find(Identity("leaf-1"))
    assert camera is not None
    assert leaf is not None
    assert not leaf.enabled
    assert leaf.parent_scopes == ("ms-azure-iot-edge://edge-1-1",)
    assert len(leaf.keys) == 1


async def test_changes_are_told_and_what_is_gone_is_forgotten() -> None:
    clock, cloud, records = Clock(), Cloud("camera"), MemoryRecords()
    scope = a_scope(cloud, records, clock)
    await scope.refresh()
    told: list[Identity] = []
    scope.changed.append(told.extend)
    del cloud.documents["camera"]

    await scope.refresh()

    assert told == [CAMERA]
    assert scope.known(CAMERA) is None
    assert await records.get("scope", "edge-1/camera") is None


async def test_what_is_wanted_is_fetched_without_making_anybody_wait() -> None:
    cloud = Cloud()
    scope = a_scope(cloud, MemoryRecords(), Clock())
    fetched = asyncio.Event()
    scope.changed.append(lambda identities: fetched.set() if CAMERA in list(identities) else None)
    running = asyncio.create_task(scope.run())
    await asyncio.sleep(0)
    cloud.documents["camera"] = module_document("camera")

    scope.want()
    async with asyncio.timeout(30):
        await fetched.wait()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)

    assert scope.known(CAMERA) is not None


async def test_the_device_itself_is_always_known_and_has_no_empty_key() -> None:
    cloud = Cloud()
    cloud.reachable = False

    found = await a_scope(cloud, MemoryRecords(), Clock()).find(DEVICE)

    assert found is not None
    assert found.keys == (KEY,)
