"""The segment log keeps the contract of the log port, whatever the size of its segments."""

import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from hotori.problems import Problem
from hotori.store.log import Log
from hotori.store.quarantine import MOST_KEPT, kept_files
from hotori.store.segments import SegmentLog
from hotori.testing.log_suite import LogSuite, fill, payload, read_all


class TestSegmentLog(LogSuite):
    """With the size that programs use: all these entries are in one segment."""

    @pytest.fixture
    def open_log(self, tmp_path: Path) -> Callable[[], Log]:
        return lambda: SegmentLog.open(tmp_path / "log")


class TestSmallSegments(LogSuite):
    """With segments of a few entries, and entries that are larger than a segment."""

    @pytest.fixture
    def open_log(self, tmp_path: Path) -> Callable[[], Log]:
        return lambda: SegmentLog.open(tmp_path / "log", segment_bytes=512)


def segment_files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.log"))


def first_of(path: Path) -> int:
    """The offset that a segment begins with."""
    return int(path.name.partition(".")[0])


async def test_trimming_removes_whole_files(tmp_path: Path) -> None:
    log = SegmentLog.open(tmp_path, segment_bytes=512)
    await fill(log, 100)
    before = segment_files(tmp_path)
    await log.trim(60)
    after = segment_files(tmp_path)
    assert after == [path for path in before if path in after]
    assert len(after) < len(before)
    assert first_of(after[0]) == log.first <= 60 < first_of(after[1])
    await log.close()


async def test_a_full_segment_gives_back_the_room_it_did_not_use(tmp_path: Path) -> None:
    log = SegmentLog.open(tmp_path, segment_bytes=1 << 20)
    await log.append(b"x" * (600 << 10))
    await log.append(b"x" * (600 << 10))
    first, second = segment_files(tmp_path)
    assert first.stat().st_size < (601 << 10)
    assert second.stat().st_size == 1 << 20
    assert first.stat().st_size < log.size < 1202 << 10
    await log.close()


async def test_entries_of_many_segments_are_read_from_the_disk_too(tmp_path: Path) -> None:
    log = SegmentLog.open(tmp_path, segment_bytes=512)
    await fill(log, 2000)
    await log.close()
    again = SegmentLog.open(tmp_path, segment_bytes=512)
    assert [entry.data for entry in await read_all(again)] == [payload(offset) for offset in range(2000)]
    assert (await again.read(1234, 1))[0].data == payload(1234)
    await again.close()


async def test_an_entry_that_rotted_is_skipped_and_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    log = SegmentLog.open(tmp_path, segment_bytes=512)
    await fill(log, 100)
    await log.close()
    files = segment_files(tmp_path)
    spoiled = files[1]
    spoiled.write_bytes(spoiled.read_bytes().replace(b"entry", b"entxy", 1))
    again = SegmentLog.open(tmp_path, segment_bytes=512)
    with caplog.at_level(logging.ERROR):
        offsets = [entry.offset for entry in await read_all(again)]
    (lost,) = {*range(100)} - {*offsets}
    assert lost == first_of(spoiled)
    assert offsets == sorted(offsets)
    assert [problem.code for problem in again.problems] == ["log-damaged"]
    assert {name: again.problems[0].values[name] for name in ("first", "last", "count")} == {
        "first": str(lost),
        "last": str(lost),
        "count": "1",
    }
    assert "cannot be read" in caplog.text
    await again.close()


async def test_a_damaged_segment_is_kept_as_it_was_and_told_once(tmp_path: Path) -> None:
    log = SegmentLog.open(tmp_path, segment_bytes=512)
    await fill(log, 100)
    await log.close()
    spoiled = segment_files(tmp_path)[2]
    damaged = spoiled.read_bytes().replace(b"entry", b"entxy", 2)
    spoiled.write_bytes(damaged)
    for expected in (["log-damaged"], []):
        again = SegmentLog.open(tmp_path, segment_bytes=512)
        assert len(await read_all(again)) == 98
        assert [problem.code for problem in again.problems] == expected
        await again.close()
    (kept,) = kept_files(tmp_path)
    assert kept.read_bytes() == damaged
    assert kept.name.startswith(spoiled.name.removesuffix(".log"))


async def test_not_every_damaged_file_is_kept_for_ever(tmp_path: Path) -> None:
    log = SegmentLog.open(tmp_path, segment_bytes=512)
    await fill(log, 200)
    await log.close()
    for path in segment_files(tmp_path)[:-1]:
        path.write_bytes(path.read_bytes().replace(b"entry", b"entxy", 1))
    again = SegmentLog.open(tmp_path, segment_bytes=512)
    await read_all(again)
    assert len(again.problems) == len(segment_files(tmp_path)) - 1 > MOST_KEPT
    assert len(kept_files(tmp_path)) == MOST_KEPT
    await again.close()


async def test_what_nobody_needs_gives_its_room_back_though_something_older_stays(tmp_path: Path) -> None:
    log = SegmentLog.open(tmp_path, segment_bytes=4096)
    await fill(log, 2000)
    full = log.size
    await log.trim(1900, [0, 1000])
    assert log.size < full / 5
    await log.close()
    again = SegmentLog.open(tmp_path, segment_bytes=4096)
    assert again.size < full / 5
    assert [entry.offset for entry in (await read_all(again))[:2]] == [0, 1000]
    assert list(again.problems) == []
    await again.trim(2000)
    assert again.first > 1000
    await again.close()


async def test_a_log_of_which_nothing_is_needed_takes_little_room(tmp_path: Path) -> None:
    log = SegmentLog.open(tmp_path, segment_bytes=1 << 20)
    for _ in range(3):
        await log.append(bytes(100_000))
    await log.trim(3)
    assert (log.first, log.next) == (3, 3)
    assert log.size < 100
    assert await log.append(b"next") == 3
    await log.close()


async def test_a_segment_that_is_gone_is_named_by_what_is_missing(tmp_path: Path) -> None:
    log = SegmentLog.open(tmp_path, segment_bytes=512)
    await fill(log, 100)
    await log.close()
    files = segment_files(tmp_path)
    files[2].unlink()
    first, end = first_of(files[2]), first_of(files[3])
    again = SegmentLog.open(tmp_path, segment_bytes=512)
    assert [entry.offset for entry in await read_all(again)] == [*range(first), *range(end, 100)]
    assert [problem.values["count"] for problem in again.problems] == [str(end - first)]
    await again.close()


async def test_an_entry_that_rots_while_the_log_is_open_is_told_and_skipped(tmp_path: Path) -> None:
    log = SegmentLog.open(tmp_path, segment_bytes=1 << 23)
    for _ in range(5):
        await log.append(bytes(1 << 20))  # more than is kept in memory
    with segment_files(tmp_path)[0].open("r+b") as file:
        file.seek(5000)
        file.write(b"rot")
    assert [entry.offset for entry in await read_all(log)] == [1, 2, 3, 4]
    assert [(problem.code, problem.values["first"]) for problem in log.problems] == [("log-damaged", "0")]
    assert await log.append(b"next") == 5
    await log.close()


async def test_a_folder_that_may_not_be_written_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("a file stands where the folder should be")
    with pytest.raises(Problem) as met:
        SegmentLog.open(tmp_path / "log")
    assert met.value.code == "disk-failed"
