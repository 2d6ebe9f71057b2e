"""The contract of `hotori.store.log.Log`, as tests that run on any adapter.

Subclass it in a test file and give the fixture `open_log`: a function that opens the same log again after it
was closed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence

import pytest

from hotori.store.log import Entry, Log
from hotori.store.worker import StoreClosedError


class LogSuite:
    """Every adapter passes all of it."""

    @pytest.fixture
    def open_log(self) -> Callable[[], Log]:
        raise NotImplementedError("a subclass says how to open its log")

    @pytest.fixture
    async def log(self, open_log: Callable[[], Log]) -> AsyncIterator[Log]:
        log = open_log()
        yield log
        await log.close()

    async def test_a_new_log_is_empty_and_begins_at_zero(self, log: Log) -> None:
        assert (log.first, log.next) == (0, 0)
        assert list(await log.read(0, 10)) == []

    async def test_offsets_grow_by_one_an_entry(self, log: Log) -> None:
        assert [await log.append(b"x") for _ in range(3)] == [0, 1, 2]
        assert (log.first, log.next) == (0, 3)

    async def test_an_entry_is_read_back_byte_for_byte(self, log: Log) -> None:
        texts = [b"", b"\x00" * 100, bytes(range(256)) * 200, b"last"]
        for text in texts:
            await log.append(text)
        assert [entry.data for entry in await log.read(0, 10)] == texts

    async def test_appends_that_wait_together_keep_the_order_of_their_calls(self, log: Log) -> None:
        offsets = await asyncio.gather(*(log.append(b"%d" % number) for number in range(500)))
        assert list(offsets) == list(range(500))
        assert [entry.data for entry in await read_all(log)] == [b"%d" % number for number in range(500)]

    async def test_a_submitted_entry_is_readable_when_its_future_is_done(self, log: Log) -> None:
        futures = [log.submit(b"%d" % number) for number in range(5)]
        assert await futures[2] == 2
        assert list(await log.read(2, 1)) == [Entry(2, b"2")]
        assert await asyncio.gather(*futures) == [0, 1, 2, 3, 4]

    async def test_a_caller_who_gives_up_does_not_harm_the_others(self, log: Log) -> None:
        given_up, kept = log.submit(b"a"), log.submit(b"b")
        given_up.cancel()
        assert await kept == 1
        assert log.next == 2

    async def test_a_read_begins_where_it_is_asked_to_and_has_no_more_than_its_limit(self, log: Log) -> None:
        await fill(log, 10)
        assert [entry.offset for entry in await log.read(4, 3)] == [4, 5, 6]
        assert [entry.offset for entry in await log.read(8, 100)] == [8, 9]
        assert list(await log.read(10, 5)) == []
        assert list(await log.read(99, 5)) == []
        assert list(await log.read(0, 0)) == []

    async def test_the_size_grows_with_what_is_kept(self, log: Log) -> None:
        before = log.size
        await log.append(b"x" * 1000)
        assert log.size >= before + 1000

    async def test_trimming_keeps_everything_from_the_asked_offset_on(self, log: Log) -> None:
        await fill(log, 100)
        await log.trim(60)
        assert log.first <= 60
        assert log.next == 100
        entries = await read_all(log)
        assert [entry.offset for entry in entries] == list(range(log.first, 100))
        assert all(entry.data == payload(entry.offset) for entry in entries)

    async def test_a_read_skips_what_was_trimmed(self, log: Log) -> None:
        await fill(log, 100)
        await log.trim(60)
        assert (await log.read(0, 1))[0].offset == log.first

    async def test_trimming_less_than_before_changes_nothing(self, log: Log) -> None:
        await fill(log, 100)
        await log.trim(60)
        first = log.first
        await log.trim(10)
        assert log.first == first

    async def test_what_is_to_be_kept_stays_with_its_offsets(self, open_log: Callable[[], Log]) -> None:
        keep = [3, 17, 18, 60, 99]
        log = open_log()
        await fill(log, 200)
        await log.trim(150, keep)
        assert {*keep, *range(150, 200)} <= {entry.offset for entry in await read_all(log)}
        assert await log.append(payload(200)) == 200
        await log.close()
        again = open_log()
        kept = await read_all(again)
        assert {*keep, *range(150, 201)} <= {entry.offset for entry in kept}
        assert all(entry.data == payload(entry.offset) for entry in kept)
        assert list(again.problems) == []
        await again.close()

    async def test_there_is_room_for_more(self, log: Log) -> None:
        assert log.room > 0

    async def test_trimming_gives_room_back(self, log: Log) -> None:
        for _ in range(24):
            await log.append(bytes(1 << 20))
        full = log.size
        await log.trim(24)
        assert log.size < full

    async def test_offsets_go_on_after_everything_was_trimmed(self, log: Log) -> None:
        await fill(log, 100)
        await log.trim(1000)
        assert log.next == 100
        assert await log.append(b"next") == 100
        assert (await log.read(100, 1))[0] == Entry(100, b"next")

    async def test_closing_and_opening_again_keeps_entries_and_offsets(self, open_log: Callable[[], Log]) -> None:
        before = open_log()
        await fill(before, 100)
        await before.trim(60)
        first, kept = before.first, await read_all(before)
        await before.close()
        after = open_log()
        assert (after.first, after.next) == (first, 100)
        assert await read_all(after) == kept
        assert await after.append(b"next") == 100
        await after.close()

    async def test_reading_while_others_append_sees_whole_entries_in_order(self, log: Log) -> None:
        seen: list[Entry] = []

        async def follow() -> None:
            while len(seen) < 300:
                seen.extend(await log.read(len(seen), 7))
                await asyncio.sleep(0)

        async with asyncio.timeout(30):
            await asyncio.gather(follow(), fill(log, 300))
        assert seen == [Entry(offset, payload(offset)) for offset in range(300)]

    async def test_a_closed_log_takes_no_more_work_and_may_be_closed_twice(self, log: Log) -> None:
        await log.append(b"x")
        await log.close()
        with pytest.raises(StoreClosedError):
            await log.append(b"y")
        await log.close()


def payload(offset: int) -> bytes:
    """What `fill` stores at an offset: a different length each, so that entries never line up by chance."""
    return b"entry %d " % offset + b"." * (offset % 50)


async def fill(log: Log, count: int) -> None:
    """Append entries until the log's next offset is `count`."""
    await asyncio.gather(*(log.append(payload(offset)) for offset in range(log.next, count)))


async def read_all(log: Log, page: int = 64) -> Sequence[Entry]:
    """Every entry that is kept, read in pages."""
    entries: list[Entry] = []
    at = log.first
    while found := await log.read(at, page):
        entries.extend(found)
        at = found[-1].offset + 1
    return entries
