"""What was confirmed is there after a crash at any moment: torn files, killed processes."""

import asyncio
import logging
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hotori.store.frame import HEAD_SIZE, encode_frames, read_frame, scan_frames
from hotori.store.segment import MAGIC
from hotori.store.segments import SegmentLog
from hotori.store.sqlite import SqliteRecords
from hotori.testing.log_suite import payload, read_all

APPENDER = Path(__file__).with_name("appender.py")
ENTRIES = [b"first", b"", b"third entry", b"x" * 40, b"last"]
ENDS = [len(MAGIC) + sum(HEAD_SIZE + len(entry) for entry in ENTRIES[:count]) for count in range(len(ENTRIES) + 1)]


def write_log(folder: Path) -> bytes:
    """A log of the entries above; the bytes that they take in its one segment."""

    async def write() -> None:
        log = SegmentLog.open(folder, segment_bytes=4096)
        for entry in ENTRIES:
            await log.append(entry)
        await log.close()

    asyncio.run(write())
    return segment(folder).read_bytes()[: ENDS[-1]]


def segment(folder: Path) -> Path:
    return folder / f"{0:020}.log"


def reopen(folder: Path, damaged: bytes) -> list[bytes]:
    """Put damaged bytes in the segment's place; the entries that are found, after two more were appended."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    segment(folder).write_bytes(damaged)

    async def read() -> list[bytes]:
        log = SegmentLog.open(folder, segment_bytes=4096)
        before = [entry.data for entry in await read_all(log)]
        await log.append(b"new")
        await log.append(b"newer")
        await log.close()
        again = SegmentLog.open(folder, segment_bytes=4096)
        after = [entry.data for entry in await read_all(again)]
        await again.close()
        assert after == [*before, b"new", b"newer"]
        return before

    return asyncio.run(read())


def whole_entries(position: int) -> list[bytes]:
    """The entries that end at or before a position of the file."""
    return ENTRIES[: sum(end <= position for end in ENDS[1:])]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return write_log(tmp_path_factory.mktemp("log"))


@pytest.mark.parametrize("position", range(ENDS[-1] + 1))
def test_a_file_that_ends_at_any_byte_keeps_every_entry_before(written: bytes, tmp_path: Path, position: int) -> None:
    assert reopen(tmp_path / "log", written[:position]) == whole_entries(position)


@pytest.mark.parametrize("position", range(ENDS[-1]))
def test_a_byte_that_changed_anywhere_spoils_no_entry_before_it(written: bytes, tmp_path: Path, position: int) -> None:
    damaged = bytearray(written)
    damaged[position] ^= 0x5A
    assert reopen(tmp_path / "log", bytes(damaged) + bytes(100)) == whole_entries(position)


@settings(max_examples=60, deadline=None)
@given(position=st.integers(len(MAGIC), ENDS[-1]), tail=st.binary(max_size=200))
def test_any_bytes_where_the_tail_was_spoil_no_entry_before_them(
    written: bytes, tmp_path_factory: pytest.TempPathFactory, position: int, tail: bytes
) -> None:
    found = reopen(tmp_path_factory.mktemp("log") / "log", written[:position] + tail + bytes(50))
    assert found[: len(whole_entries(position))] == whole_entries(position)
    assert found == ENTRIES[: len(found)]


@given(first=st.integers(0, 2**63), entries=st.lists(st.binary(max_size=50), max_size=8), tail=st.binary(max_size=20))
def test_frames_are_found_again_and_only_at_their_own_offset(first: int, entries: list[bytes], tail: bytes) -> None:
    frames = encode_frames(first, entries)
    positions = list(scan_frames(frames, 0, first))
    assert [read_frame(frames, at, first + index) for index, at in enumerate(positions)] == entries
    assert not entries or read_frame(frames, 0, first + 1) is None


def test_a_torn_tail_is_told_with_counts(tmp_path: Path, written: bytes, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        reopen(tmp_path / "log", written[: ENDS[4] + 10])
    assert f"cut 10 torn bytes from {segment(tmp_path / 'log')}; entries 0 to 3 are whole" in caplog.text


def test_a_clean_end_is_not_worth_a_word(tmp_path: Path, written: bytes, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, logger="hotori"):
        reopen(tmp_path / "log", written + bytes(500))
    assert caplog.records == []


def test_an_entry_cut_off_by_a_crash_does_not_come_back_behind_a_later_one(tmp_path: Path, written: bytes) -> None:
    # The third frame is spoiled, the fourth is whole: a new third of the same length must not join them again.
    damaged = bytearray(written)
    damaged[ENDS[2] + HEAD_SIZE] ^= 1
    folder = tmp_path / "log"
    folder.mkdir()
    segment(folder).write_bytes(bytes(damaged))

    async def write_and_read() -> list[bytes]:
        log = SegmentLog.open(folder, segment_bytes=4096)
        await log.append(b"THIRD ENTRY")
        await log.close()
        again = SegmentLog.open(folder, segment_bytes=4096)
        found = [entry.data for entry in await read_all(again)]
        await again.close()
        return found

    assert asyncio.run(write_and_read()) == [*ENTRIES[:2], b"THIRD ENTRY"]


def test_a_file_that_is_not_a_segment_is_set_aside(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert reopen(tmp_path / "log", b"something else entirely" * 20) == []
    assert segment(tmp_path / "log").with_suffix(".damaged").read_bytes() == b"something else entirely" * 20
    assert "is not a segment" in caplog.text


def kill_after(kind: str, folder: Path, confirmations: int) -> list[int]:
    """Run the appender, end it by SIGKILL after so many confirmations; all that it confirmed."""
    process = subprocess.Popen([sys.executable, str(APPENDER), kind, str(folder)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    with process.stdout as lines:
        confirmed = [int(lines.readline()) for _ in range(confirmations)]
        process.send_signal(signal.SIGKILL)
        confirmed += [int(line) for line in lines.read().split(b"\n")[:-1]]
    assert process.wait() == -signal.SIGKILL
    return confirmed


async def test_a_killed_process_loses_no_entry_that_it_confirmed(tmp_path: Path) -> None:
    confirmed: set[int] = set()
    for round_ in range(4):
        confirmed.update(await asyncio.to_thread(kill_after, "log", tmp_path, 100 + 333 * round_))
        log = SegmentLog.open(tmp_path, segment_bytes=64 * 1024)
        found = {entry.offset: entry.data for entry in await read_all(log)}
        assert confirmed <= found.keys()
        assert list(found) == list(range(log.next))
        assert all(data == payload(offset) for offset, data in found.items())
        await log.close()


async def test_a_killed_process_loses_no_record_that_it_confirmed(tmp_path: Path) -> None:
    confirmed = await asyncio.to_thread(kill_after, "records", tmp_path, 500)
    records = SqliteRecords.open(tmp_path / "records.db")
    found = {record.key: record.value for record in await records.list("numbers", limit=1_000_000)}
    assert {str(number) for number in confirmed} <= found.keys()
    assert all(value == key.encode() for key, value in found.items())
    await records.close()
