"""The segment log keeps the contract of the log port, whatever the size of its segments."""

import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from hotori.problems import Problem
from hotori.store.log import Log
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


async def test_trimming_removes_whole_files(tmp_path: Path) -> None:
    log = SegmentLog.open(tmp_path, segment_bytes=512)
    await fill(log, 100)
    before = segment_files(tmp_path)
    await log.trim(60)
    after = segment_files(tmp_path)
    assert after == [path for path in before if path in after]
    assert len(after) < len(before)
    assert int(after[0].stem) == log.first <= 60 < int(after[1].stem)
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
    spoiled, behind = files[1], int(files[2].stem)
    spoiled.write_bytes(spoiled.read_bytes().replace(b"entry", b"entxy", 1))
    again = SegmentLog.open(tmp_path, segment_bytes=512)
    with caplog.at_level(logging.ERROR):
        offsets = [entry.offset for entry in await read_all(again)]
    assert offsets == [*range(int(spoiled.stem)), *range(behind, 100)]
    assert [problem.code for problem in again.damage] == ["log-damaged"]
    assert again.damage[0].values["count"] == str(behind - int(spoiled.stem))
    assert "cannot be read" in caplog.text
    await again.close()


async def test_a_folder_that_may_not_be_written_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("a file stands where the folder should be")
    with pytest.raises(Problem) as met:
        SegmentLog.open(tmp_path / "log")
    assert met.value.code == "disk-failed"
