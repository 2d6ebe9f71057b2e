"""The identity registry (contract 2.2)."""

from __future__ import annotations

import asyncio
import base64
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotori.hub.policies import Policies, Right
from hotori.hub.registration import Registration
from hotori.hub.registry import Draft, Registry
from hotori.model.identity import Identity
from hotori.model.secret import Secret
from hotori.problems import Problem
from hotori.store.memory import MemoryRecords, Shelf

KEY = Secret("MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=")


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def registry(shelf: Shelf) -> Registry:
    return registry_on(shelf)


def registry_on(shelf: Shelf) -> Registry:
    """A registry whose every key and generation is another."""
    numbers = itertools.count(1)
    return Registry(MemoryRecords(shelf), lambda: 1_800_000_000.0, lambda size: next(numbers).to_bytes(size, "big"))


async def problem_of(awaitable: object) -> str:
    with pytest.raises(Problem) as met:
        await awaitable  # type: ignore[misc]
    return met.value.code


async def test_a_new_device_gets_two_different_keys_of_its_own(registry: Registry) -> None:
    device = await registry.create_device("dev-1")
    assert len({device.primary.reveal(), device.secondary.reveal()}) == 2
    assert all(len(base64.b64decode(key.reveal())) == 32 for key in device.keys)
    assert device.enabled
    assert await registry.find(Identity("dev-1")) == device


async def test_given_keys_are_kept(registry: Registry) -> None:
    device = await registry.create_device("dev-1", Draft(primary=KEY, secondary=KEY))
    assert device.keys == (KEY, KEY)


async def test_a_key_that_is_no_base64_or_too_short_is_refused(registry: Registry) -> None:
    assert await problem_of(registry.create_device("dev-1", Draft(primary=Secret("not base64!")))) == "key-malformed"
    short = Secret(base64.b64encode(b"short").decode())
    assert await problem_of(registry.create_device("dev-1", Draft(primary=short))) == "key-malformed"
    assert await registry.find(Identity("dev-1")) is None


async def test_a_name_is_taken_once_even_by_two_who_ask_at_once(registry: Registry) -> None:
    results = await asyncio.gather(
        registry.create_device("dev-1"), registry.create_device("dev-1"), return_exceptions=True
    )
    assert sorted(type(result).__name__ for result in results) == ["Problem", "Registration"]
    assert await problem_of(registry.create_device("dev-1")) == "device-exists"


async def test_a_bad_name_is_refused(registry: Registry) -> None:
    assert await problem_of(registry.create_device("dev 1")) == "name-invalid"


async def test_an_edge_device_comes_with_its_two_system_modules_and_a_scope(registry: Registry) -> None:
    """2.2: managedBy is absent for those"""
    edge = await registry.create_device("edge-1", Draft(edge=True))
    modules = await registry.modules("edge-1")
    assert [module.identity.module for module in modules] == ["$edgeAgent", "$edgeHub"]
    assert {module.managed_by for module in modules} == {None}
    assert edge.scope == f"ms-azure-iot-edge://edge-1-{edge.generation}"
    assert edge.parent_scopes == ()


async def test_a_device_that_becomes_an_edge_device_gets_them_too(registry: Registry) -> None:
    await registry.create_device("dev-1")
    changed = await registry.update(Identity("dev-1"), Draft(edge=True))
    assert changed.scope == f"ms-azure-iot-edge://dev-1-{changed.generation}"
    assert len(await registry.modules("dev-1")) == 2


async def test_a_leaf_takes_its_parents_scope_and_an_edge_child_keeps_its_own(registry: Registry) -> None:
    """2.2, trap: parentScopes of a leaf are derived"""
    scope = await scope_of(registry, "edge-1")
    leaf = await registry.create_device("leaf", Draft(parent_scope=scope))
    child = await registry.create_device("edge-2", Draft(edge=True, parent_scope=scope))
    assert (leaf.scope, leaf.parent_scopes) == (scope, (scope,))
    assert child.parent_scopes == (scope,)
    assert child.scope is not None
    assert child.scope != scope
    assert [each.identity.device for each in await registry.children(scope)] == ["edge-2", "leaf"]


async def test_an_empty_scope_detaches_and_no_scope_leaves_it(registry: Registry) -> None:
    scope = await scope_of(registry, "edge-1")
    await registry.create_device("leaf", Draft(parent_scope=scope))
    assert (await registry.update(Identity("leaf"), Draft(enabled=False))).scope == scope
    detached = await registry.update(Identity("leaf"), Draft(parent_scope=""))
    assert (detached.scope, detached.parent_scopes) == (None, ())


async def test_a_scope_of_nobody_is_refused(registry: Registry) -> None:
    await registry.create_device("dev-1")
    for scope in ("ms-azure-iot-edge://edge-1-1", "ms-azure-iot-edge://dev-1-1", "nonsense", "a b-1"):
        assert await problem_of(registry.create_device("leaf", Draft(parent_scope=scope))) == "parent-unknown"
    assert await problem_of(registry.parent_scope("dev-1")) == "parent-unknown"


async def test_modules_need_their_device_and_a_free_name(registry: Registry) -> None:
    assert await problem_of(registry.create_module("dev-1", "camera")) == "device-unknown"
    await registry.create_device("dev-1")
    await registry.create_module("dev-1", "camera")
    assert await problem_of(registry.create_module("dev-1", "camera")) == "module-exists"
    assert await problem_of(registry.get(Identity("dev-1", "Camera"))) == "module-unknown"


async def test_modules_of_a_device_are_not_those_of_one_with_a_longer_name(registry: Registry) -> None:
    for device in ("dev", "dev-1"):
        await registry.create_device(device)
        await registry.create_module(device, "camera")
    assert [str(module.identity) for module in await registry.modules("dev")] == ["dev/camera"]


async def test_a_change_needs_the_version_that_it_is_for(registry: Registry) -> None:
    """2.2: 412"""
    first = await registry.create_device("dev-1")
    second = await registry.update(Identity("dev-1"), Draft(status_reason="mended"), first.etag)
    assert second.version == first.version + 1
    assert second.keys == first.keys
    assert await problem_of(registry.update(Identity("dev-1"), Draft(), first.etag)) == "changed-meanwhile"
    assert await problem_of(registry.delete(Identity("dev-1"), first.etag)) == "changed-meanwhile"
    await registry.delete(Identity("dev-1"), second.etag)


async def test_the_etag_of_a_device_that_was_made_anew_is_another(registry: Registry) -> None:
    first = await registry.create_device("dev-1")
    await registry.delete(Identity("dev-1"))
    second = await registry.create_device("dev-1")
    assert first.version == second.version
    assert (first.etag, first.generation) != (second.etag, second.generation)


async def test_removing_a_device_removes_its_modules(registry: Registry) -> None:
    await registry.create_device("edge-1", Draft(edge=True))
    removed = await registry.delete(Identity("edge-1"))
    assert [str(identity) for identity in removed] == ["edge-1/$edgeAgent", "edge-1/$edgeHub", "edge-1"]
    assert await registry.find(Identity("edge-1", "$edgeHub")) is None
    assert await problem_of(registry.delete(Identity("edge-1"))) == "device-unknown"


async def test_what_was_registered_is_still_there_after_a_restart(registry: Registry, shelf: Shelf) -> None:
    scope = await scope_of(registry, "edge-1")
    wanted = Draft(KEY, KEY, enabled=False, edge=True, parent_scope=scope, status_reason="解体")
    device = await registry.create_device("edge-2", wanted)
    module = await registry.create_module("edge-2", "camera", Draft(managed_by="IotEdge"))
    later = registry_on(shelf)
    assert await later.find(device.identity) == device
    assert await later.find(module.identity) == module


async def test_devices_come_in_pages_in_the_order_of_their_names(registry: Registry) -> None:
    for number in (3, 1, 2):
        await registry.create_device(f"dev-{number}")
    assert [names(page) for page in (await registry.devices(limit=2), await registry.devices("dev-2"))] == [
        ["dev-1", "dev-2"],
        ["dev-3"],
    ]
    assert [device.identity.device async for device in registry.all_devices()] == ["dev-1", "dev-2", "dev-3"]


async def test_policies_are_made_once_and_found_again(shelf: Shelf) -> None:
    """2.1"""
    records = MemoryRecords(shelf)
    first = await Policies.open(records)
    second = await Policies.open(records)
    assert first.owner == second.owner
    assert first.owner.rights == frozenset(Right)
    reader = first.find("registryRead")
    assert reader is not None
    assert reader.rights == {Right.REGISTRY_READ}
    assert reader.primary != first.owner.primary
    assert first.find("nobody") is None
    assert reader.primary.reveal() not in repr(reader)


@given(st.sampled_from(["ms-azure-iot-edge://", ""]), st.text(max_size=40))
def test_any_text_can_be_asked_for_as_a_scope(prefix: str, text: str) -> None:
    async def work() -> Registration | None:
        return await registry_on(Shelf()).with_scope(prefix + text)

    assert asyncio.run(work()) is None


async def scope_of(registry: Registry, edge: str) -> str:
    await registry.create_device(edge, Draft(edge=True))
    return await registry.parent_scope(edge)


def names(page: list[Registration]) -> list[str]:
    return [registration.identity.device for registration in page]


async def test_a_device_has_fifty_modules_and_no_more(registry: Registry) -> None:
    """2.2"""
    await registry.create_device("dev-1")
    for number in range(50):
        await registry.create_module("dev-1", f"module-{number}")
    assert await problem_of(registry.create_module("dev-1", "one-more")) == "too-many-modules"
