"""Twins as a hub keeps them (contract 1.7, 2.3), and an edge's copy of the cloud's."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hotori.hub.mirror import adopted, confirmed, desired_adopted, unconfirmed
from hotori.hub.twin_record import TwinRecord, decode_record, encode_record
from hotori.hub.twins import TwinChange, Twins
from hotori.model.identity import Identity
from hotori.model.json import JsonObject
from hotori.model.twin import Section, Twin, merge_patch
from hotori.problems import Problem
from hotori.store.memory import MemoryRecords
from hotori.store.records import VersionConflictError

DEVICE, MODULE = Identity("dev-1"), Identity("dev-1", "mod-1")
VALUES = st.recursive(
    st.integers(0, 3) | st.sampled_from(["x", True]),
    lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=6,
)
SECTIONS = st.dictionaries(st.sampled_from("abc"), VALUES, max_size=3)
PATCHES = st.dictionaries(st.sampled_from("abc"), VALUES | st.none(), max_size=3)


def make_twins() -> Twins:
    return Twins(MemoryRecords(), lambda: 1000.0)


async def test_who_was_never_written_to_has_a_fresh_twin() -> None:
    twins = make_twins()
    assert await twins.get(DEVICE) == Twin()
    assert await twins.all() == []


async def test_every_write_to_a_section_grows_its_version_by_one() -> None:
    twins = make_twins()
    await twins.patch_desired(DEVICE, {"a": {"b": 1}})
    await twins.patch_reported(DEVICE, {"r": 1})
    await twins.patch_tags(DEVICE, {"t": 1})
    twin = await twins.replace_desired(DEVICE, {"c": 2})
    assert (twin.desired, twin.reported, twin.tags) == (Section({"c": 2}, 3), Section({"r": 1}, 2), {"t": 1})
    assert twin.version == 5
    record = await twins.record(DEVICE)
    assert (record.desired_at, record.reported_at, record.tags_at) == (1000.0, 1000.0, 1000.0)


async def test_a_write_for_another_version_is_refused() -> None:
    """2.3: If-Match, 412"""
    twins = make_twins()
    twin = await twins.patch_tags(DEVICE, {"a": 1})
    with pytest.raises(VersionConflictError):
        await twins.replace_tags(DEVICE, {}, expected_version=twin.version - 1)
    assert (await twins.replace_tags(DEVICE, {}, expected_version=twin.version)).tags == {}


@pytest.mark.parametrize("name", ["patch_desired", "replace_desired", "patch_reported", "patch_tags", "replace_tags"])
async def test_what_breaks_a_limit_changes_nothing(name: str) -> None:
    twins = make_twins()
    with pytest.raises(Problem) as caught:
        await getattr(twins, name)(DEVICE, {"a.b": 1})
    assert caught.value.code == "twin-invalid"
    assert await twins.get(DEVICE) == Twin()


async def test_a_section_that_grows_too_large_by_patches_is_refused() -> None:
    twins = make_twins()
    for number in range(8):
        await twins.patch_reported(DEVICE, {f"k{number}": "x" * 4000})
    with pytest.raises(Problem):
        await twins.patch_reported(DEVICE, {"k8": "x" * 4000})


async def test_concurrent_patches_are_all_applied_and_told_in_order() -> None:
    twins = make_twins()
    told: list[TwinChange] = []
    twins.desired_watchers.append(told.append)
    await asyncio.gather(*(twins.patch_desired(DEVICE, {f"k{number}": number}) for number in range(20)))
    assert (await twins.get(DEVICE)).desired == Section({f"k{number}": number for number in range(20)}, 21)
    assert [change.twin.desired.version for change in told] == list(range(2, 22))


async def test_twins_are_listed_by_name_and_deleted() -> None:
    twins = make_twins()
    for identity in (MODULE, Identity("b"), DEVICE):
        await twins.patch_tags(identity, {"a": 1})
    await twins.set_model_id(DEVICE, "dtmi:x;1")
    assert [identity for identity, _ in await twins.all()] == [Identity("b"), DEVICE, MODULE]
    assert [identity for identity, _ in await twins.all(after=DEVICE)] == [MODULE]
    assert (await twins.all(limit=2))[1][1].model_id == "dtmi:x;1"
    await twins.delete(DEVICE)
    assert (await twins.get(DEVICE)).version == 1


@settings(deadline=None, max_examples=50)
@given(tags=SECTIONS, desired=SECTIONS, reported=SECTIONS, confirmed_values=SECTIONS, numbers=st.integers(1, 2**60))
def test_a_record_is_read_as_it_was_written(
    tags: JsonObject, desired: JsonObject, reported: JsonObject, confirmed_values: JsonObject, numbers: int
) -> None:
    twin = Twin(tags, Section(desired, numbers), Section(reported, 7), 9)
    record = TwinRecord(twin, 1.0, 2.0, 3.0, "dtmi:x;1", True, confirmed_values)
    assert decode_record(encode_record(record)) == record


@settings(deadline=None, max_examples=50)
@given(first=SECTIONS, patches=st.lists(PATCHES, max_size=4))
def test_what_was_reported_offline_reaches_the_cloud_as_one_patch(first: JsonObject, patches: list[JsonObject]) -> None:
    """Whatever was merged here, the cloud ends with the same values."""
    record = adopted(TwinRecord(), Section({}, 1), Section(first, 4), 5.0)
    for patch in patches:
        record = replace(record, twin=record.twin.with_reported(patch))
    cloud = merge_patch(first, unconfirmed(record))
    assert cloud == record.twin.reported.values
    assert unconfirmed(confirmed(record, record.twin.reported.values)) == {}


def test_the_first_word_of_the_cloud_is_taken_whole() -> None:
    record = adopted(TwinRecord(), Section({"d": 1}, 8), Section({"r": 1}, 4), 5.0)
    assert (record.twin.desired, record.twin.reported) == (Section({"d": 1}, 8), Section({"r": 1}, 4))
    assert record.synced
    assert unconfirmed(record) == {}


def test_what_was_reported_here_is_not_undone_by_the_cloud() -> None:
    record = adopted(TwinRecord(), Section({}, 1), Section({"r": 1}, 4), 5.0)
    record = replace(record, twin=record.twin.with_reported({"r": 2}))
    record = adopted(record, Section({"d": 1}, 2), Section({"r": 1}, 4), 6.0)
    assert record.twin.reported == Section({"r": 2}, 5)
    assert record.twin.desired == Section({"d": 1}, 2)
    assert unconfirmed(record) == {"r": 2}


def test_a_desired_section_before_the_first_whole_twin_is_left_for_it() -> None:
    assert desired_adopted(TwinRecord(), Section({"d": 1}, 2), 5.0) == TwinRecord()


def test_a_device_that_was_created_anew_starts_at_the_clouds_version() -> None:
    record = adopted(TwinRecord(), Section({"d": 1}, 80), Section(), 5.0)
    assert adopted(record, Section({}, 1), Section(), 6.0).twin.desired == Section({}, 1)
