"""Twins as a hub keeps them (contract 1.7, 2.3), and an edge's copy of the cloud's."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hotori.hub.mirror import adopted, confirmed, desired_adopted, unconfirmed
from hotori.hub.moment import written_time
from hotori.hub.twin_record import TwinRecord, decode_record, encode_record
from hotori.hub.twin_write import TwinWrite, written
from hotori.hub.twins import TwinChange, Twins
from hotori.model.identity import Identity
from hotori.model.json import Json, JsonObject
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
    revision = (await twins.record(DEVICE)).revision
    with pytest.raises(VersionConflictError):
        await twins.patch_tags(DEVICE, {"a": None}, revision - 1)
    assert (await twins.patch_tags(DEVICE, {"a": None}, revision)).tags == {}
    assert twin.tags == {"a": 1}


async def test_a_devices_reports_do_not_stand_in_the_way_of_a_service() -> None:
    """2.3: the etag guards what services write"""
    twins = make_twins()
    revision = (await twins.record(DEVICE)).revision
    await twins.patch_reported(DEVICE, {"a": 1})
    assert (await twins.patch_desired(DEVICE, {"b": 1}, revision)).version == 3


async def test_tags_and_desired_are_written_as_one_or_not_at_all() -> None:
    """2.3: one PATCH, one version of the twin"""
    twins = make_twins()
    twin = await twins.write(DEVICE, TwinWrite(tags={"t": 1}, desired={"d": 1}))
    assert (twin.tags, twin.desired, twin.version) == ({"t": 1}, Section({"d": 1}, 2), 2)
    with pytest.raises(Problem):
        await twins.write(DEVICE, TwinWrite(tags={"t": 2}, desired={"d": [None]}))
    assert await twins.get(DEVICE) == twin


async def test_a_replaced_section_has_no_nulls() -> None:
    twins = make_twins()
    twin = await twins.replace_desired(DEVICE, {"a": 1, "b": None, "c": {"d": None}})
    assert twin.desired.values == {"a": 1, "c": {}}


async def test_every_member_knows_when_it_was_last_written() -> None:
    """1.7: `$metadata` mirrors the tree, with the version for desired properties"""
    now = 1000.0
    twins = Twins(MemoryRecords(), lambda: now)
    first, second = written_time(1000.0), written_time(2000.0)
    await twins.patch_desired(DEVICE, {"a": {"x": 1, "y": [1, {"z": 2}]}, "b": 1, "c": 1})
    now = 2000.0
    await twins.patch_desired(DEVICE, {"a": {"x": 2}, "b": None})
    await twins.patch_reported(DEVICE, {"r": {"s": 1}})
    record = await twins.record(DEVICE)
    assert record.desired_metadata == {
        "$lastUpdated": second,
        "$lastUpdatedVersion": 3,
        "a": {
            "$lastUpdated": second,
            "$lastUpdatedVersion": 3,
            "x": {"$lastUpdated": second, "$lastUpdatedVersion": 3},
            "y": {"$lastUpdated": first, "$lastUpdatedVersion": 2},
        },
        "c": {"$lastUpdated": first, "$lastUpdatedVersion": 2},
    }
    at = {"$lastUpdated": second}
    assert record.reported_metadata == {**at, "r": {**at, "s": at}}


@given(SECTIONS, st.lists(PATCHES, max_size=4))
def test_metadata_has_the_shape_of_its_section(values: JsonObject, patches: list[JsonObject]) -> None:
    record = TwinRecord()
    for write in [TwinWrite(desired=values, whole=True), *(TwinWrite(desired=patch) for patch in patches)]:
        record = written(record, write, 1.0)
    assert shape(record.desired_metadata) == shape(record.twin.desired.values)


def shape(value: Json) -> JsonObject:
    """The names of the members, all the way down."""
    names = value.items() if isinstance(value, dict) else ()
    return {name: shape(inner) for name, inner in names if not name.startswith("$")}


@pytest.mark.parametrize("name", ["patch_desired", "replace_desired", "patch_reported", "patch_tags"])
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
