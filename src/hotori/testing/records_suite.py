"""The contract of `hotori.store.records.Records`, as tests that run on any adapter.

Subclass it in a test file and give the fixture `open_records`: a function that opens the same store again
after it was closed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from hotori.store.records import Record, Records, VersionConflictError
from hotori.store.worker import StoreClosedError


class RecordsSuite:
    """Every adapter passes all of it."""

    @pytest.fixture
    def open_records(self) -> Callable[[], Records]:
        raise NotImplementedError("a subclass says how to open its store")

    @pytest.fixture
    async def records(self, open_records: Callable[[], Records]) -> AsyncIterator[Records]:
        records = open_records()
        yield records
        await records.close()

    async def test_a_key_that_was_never_written_has_no_record(self, records: Records) -> None:
        assert await records.get("twins", "edge-1") is None

    async def test_a_written_value_is_read_back_with_version_one(self, records: Records) -> None:
        assert await records.put("twins", "edge-1", b"\x00\xffvalue") == 1
        assert await records.get("twins", "edge-1") == Record("edge-1", b"\x00\xffvalue", 1)

    async def test_an_empty_value_is_a_value(self, records: Records) -> None:
        await records.put("twins", "edge-1", b"")
        assert await records.get("twins", "edge-1") == Record("edge-1", b"", 1)

    async def test_the_version_grows_by_one_with_every_write(self, records: Records) -> None:
        assert [await records.put("twins", "edge-1", b"x") for _ in range(3)] == [1, 2, 3]

    async def test_collections_do_not_see_each_other(self, records: Records) -> None:
        await records.put("twins", "edge-1", b"twin")
        await records.put("devices", "edge-1", b"device")
        found = await records.list("devices")
        assert [record.value for record in found] == [b"device"]

    async def test_a_write_that_expects_the_stored_version_replaces_it(self, records: Records) -> None:
        await records.put("twins", "edge-1", b"old")
        assert await records.put("twins", "edge-1", b"new", expected=1) == 2

    async def test_a_write_that_expects_another_version_is_refused_and_changes_nothing(self, records: Records) -> None:
        await records.put("twins", "edge-1", b"old")
        with pytest.raises(VersionConflictError) as refused:
            await records.put("twins", "edge-1", b"new", expected=7)
        assert (refused.value.expected, refused.value.found) == (7, 1)
        assert await records.get("twins", "edge-1") == Record("edge-1", b"old", 1)

    async def test_expecting_version_zero_creates_only_what_is_not_there(self, records: Records) -> None:
        assert await records.put("twins", "edge-1", b"first", expected=0) == 1
        with pytest.raises(VersionConflictError):
            await records.put("twins", "edge-1", b"second", expected=0)

    async def test_of_many_writers_who_expect_the_same_version_exactly_one_wins(self, records: Records) -> None:
        await records.put("twins", "edge-1", b"start")
        writes = [records.put("twins", "edge-1", b"%d" % number, expected=1) for number in range(20)]
        outcomes = await asyncio.gather(*writes, return_exceptions=True)
        assert [outcome for outcome in outcomes if outcome == 2] == [2]
        assert sum(isinstance(outcome, VersionConflictError) for outcome in outcomes) == 19

    async def test_a_deleted_record_is_gone_and_begins_again_at_version_one(self, records: Records) -> None:
        await records.put("twins", "edge-1", b"x")
        await records.put("twins", "edge-1", b"y")
        assert await records.delete("twins", "edge-1") is True
        assert await records.get("twins", "edge-1") is None
        assert await records.put("twins", "edge-1", b"z", expected=0) == 1

    async def test_deleting_what_is_not_there_says_so(self, records: Records) -> None:
        assert await records.delete("twins", "edge-1") is False

    async def test_a_conditional_delete_is_refused_for_another_version(self, records: Records) -> None:
        await records.put("twins", "edge-1", b"x")
        with pytest.raises(VersionConflictError):
            await records.delete("twins", "edge-1", expected=2)
        with pytest.raises(VersionConflictError):
            await records.delete("twins", "edge-2", expected=1)
        assert await records.delete("twins", "edge-1", expected=1) is True

    async def test_a_list_is_in_the_order_of_the_keys_bytes(self, records: Records) -> None:
        keys = ["b", "a/2", "a/10", "A", "", "é", "カメラ", "\U0001f4f7", "a\uffff"]
        for key in keys:
            await records.put("twins", key, b"x")
        assert [record.key for record in await records.list("twins")] == sorted(keys, key=str.encode)

    async def test_a_list_has_only_keys_that_begin_with_the_prefix(self, records: Records) -> None:
        for key in ("edge-1", "edge-1/camera", "edge-1/classifier", "edge-10", "Edge-1/x", "edge-1/%", "edge-1/_"):
            await records.put("twins", key, b"x")
        found = [record.key for record in await records.list("twins", prefix="edge-1/")]
        assert found == ["edge-1/%", "edge-1/_", "edge-1/camera", "edge-1/classifier"]

    async def test_a_list_can_be_read_in_pages(self, records: Records) -> None:
        keys = [f"edge-{number:03}" for number in range(25)]
        await asyncio.gather(*(records.put("twins", key, b"x") for key in keys))
        pages: list[str] = []
        while page := await records.list("twins", prefix="edge-", after=pages[-1] if pages else "", limit=10):
            assert len(page) <= 10
            pages.extend(record.key for record in page)
        assert pages == keys

    async def test_what_a_write_returned_for_is_seen_by_the_next_read(self, records: Records) -> None:
        for number in range(20):
            await records.put("twins", "edge-1", b"%d" % number)
            record = await records.get("twins", "edge-1")
            assert record is not None
            assert record.value == b"%d" % number

    async def test_closing_and_opening_again_keeps_everything(self, open_records: Callable[[], Records]) -> None:
        before = open_records()
        await before.put("twins", "edge-1", b"kept")
        await before.put("twins", "edge-2", b"removed")
        await before.delete("twins", "edge-2")
        await before.close()
        after = open_records()
        assert await after.list("twins") == [Record("edge-1", b"kept", 1)]
        await after.close()

    async def test_a_closed_store_takes_no_more_work_and_may_be_closed_twice(self, records: Records) -> None:
        await records.close()
        with pytest.raises(StoreClosedError):
            await records.put("twins", "edge-1", b"x")
        with pytest.raises(StoreClosedError):
            await records.get("twins", "edge-1")
        await records.close()
