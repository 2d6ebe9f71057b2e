"""What was confirmed is there after a crash at any moment: torn files, killed processes."""

import asyncio
import logging
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hotori.problems import Problem
from hotori.store.frame import HEAD_SIZE, encode_frames, encode_gap, read_frame
from hotori.store.scan import scan_segment
from hotori.store.segment import MAGIC
from hotori.store.segments import SegmentLog
from hotori.store.sqlite import SqliteRecords
from hotori.testing.log_suite import payload, read_all

APPENDER = Path(__file__).with_name("appender.py")
ENTRIES = [b"first", b"", b"third entry", b"x" * 40, b"last"]
ENDS = [len(MAGIC) + sum(HEAD_SIZE + len(entry) for entry in ENTRIES[:count]) for count in range(len(ENTRIES) + 1)]


SALT = 0x1234_5678
NAME = f"{0:020}.{SALT:08x}.log"


def file_of(*batches: list[bytes]) -> bytes:
    """A segment's bytes, each list of entries written and flushed together."""
    data, offset = MAGIC, 0
    for batch in batches:
        data += encode_frames(offset, batch, SALT)
        offset += len(batch)
    return data


def closed(data: bytes, count: int) -> bytes:
    """The same after the log was closed: everything in it is known to be on disk."""
    return data + encode_gap(count, count, SALT)


ONE_BY_ONE = closed(file_of(*([entry] for entry in ENTRIES)), len(ENTRIES))
TOGETHER = file_of(ENTRIES)
NUMBERED = list(enumerate(ENTRIES))


@dataclass
class Reopened:
    """What a log of these bytes has, by offset, and what it says of its state."""

    found: list[tuple[int, bytes]]
    problems: list[Problem]
    folder: Path

    @property
    def codes(self) -> list[str]:
        return [problem.code for problem in self.problems]


def reopen(folder: Path, damaged: bytes) -> Reopened:
    """Open a log whose only segment has these bytes. What is appended then is found again, and nothing else."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    (folder / NAME).write_bytes(damaged)

    async def read() -> Reopened:
        log = SegmentLog.open(folder, segment_bytes=4096)
        before = Reopened([(entry.offset, entry.data) for entry in await read_all(log)], list(log.problems), folder)
        first = await log.append(b"new")
        await log.append(b"newer")
        await log.close()
        again = SegmentLog.open(folder, segment_bytes=4096)
        after = [(entry.offset, entry.data) for entry in await read_all(again)]
        assert list(again.problems) == []
        await again.close()
        assert after == [*before.found, (first, b"new"), (first + 1, b"newer")]
        return before

    return asyncio.run(read())


def whole_entries(position: int) -> list[tuple[int, bytes]]:
    """The entries that end at or before a position of the file."""
    return NUMBERED[: sum(end <= position for end in ENDS[1:])]


def flipped(data: bytes, position: int) -> bytes:
    damaged = bytearray(data)
    damaged[position] ^= 0x5A
    return bytes(damaged)


@pytest.mark.parametrize("position", range(len(ONE_BY_ONE) + 1))
def test_a_file_that_ends_at_any_byte_keeps_every_entry_before(tmp_path: Path, position: int) -> None:
    reopened = reopen(tmp_path / "log", ONE_BY_ONE[:position])
    assert reopened.found == whole_entries(position)
    assert set(reopened.codes) <= {"log-torn"}


@pytest.mark.parametrize("position", range(len(ONE_BY_ONE)))
def test_a_byte_that_changed_anywhere_spoils_one_entry_which_is_named(tmp_path: Path, position: int) -> None:
    reopened = reopen(tmp_path / "log", flipped(ONE_BY_ONE, position) + bytes(100))
    hit = sum(end <= position for end in ENDS) - 1
    assert reopened.found == [entry for entry in NUMBERED if entry[0] != hit]
    if hit < 0:
        assert reopened.codes == ["log-overwritten"]
    elif hit == len(ENTRIES):
        assert reopened.codes == ["log-torn"]
    else:
        (problem,) = reopened.problems
        assert (problem.code, problem.values["first"], problem.values["count"]) == ("log-damaged", str(hit), "1")
        (kept,) = reopened.folder.glob("*.damaged")
        assert kept.read_bytes() == flipped(ONE_BY_ONE, position) + bytes(100)


@pytest.mark.parametrize("position", range(len(MAGIC), len(TOGETHER)))
def test_what_was_never_confirmed_is_kept_up_to_its_first_fault_and_no_further(tmp_path: Path, position: int) -> None:
    """A later entry of one sender may not overtake an earlier one, which its sender will send again."""
    reopened = reopen(tmp_path / "log", flipped(TOGETHER, position) + bytes(100))
    assert reopened.found == whole_entries(position)
    assert reopened.codes == ["log-torn"]


BATCHES = st.lists(st.lists(st.binary(max_size=60), min_size=1, max_size=6), max_size=6)
SCARS = st.lists(st.tuples(st.integers(0, 3000), st.binary(min_size=1, max_size=80)), max_size=4)


@settings(max_examples=300, deadline=None)
@given(batches=BATCHES, scars=SCARS, cut=st.none() | st.integers(0, 3000), finished=st.booleans())
def test_whatever_happens_to_the_bytes_no_entry_is_invented_and_none_confirmed_and_untouched_is_missing(
    batches: list[list[bytes]], scars: list[tuple[int, bytes]], cut: int | None, finished: bool
) -> None:
    written = list(enumerate(entry for batch in batches for entry in batch))
    count = len(written)
    whole = closed(file_of(*batches), count)
    damaged = bytearray(whole)
    for at, scar in scars:
        damaged[at : at + len(scar)] = scar[: max(len(whole) - at, 0)]
    data = bytes(damaged[:cut]) + bytes(64)

    scan = scan_segment(data, len(MAGIC), 0, SALT, count if finished else None)

    found = [(offset, read_frame(data, at, offset, SALT)) for offset, at in enumerate(scan.positions) if at]
    assert set(found) <= set(written)
    places = scan_segment(whole, len(MAGIC), 0, SALT).positions
    sound = [
        (offset, entry)
        for offset, entry in written
        if data[places[offset] : places[offset] + HEAD_SIZE + len(entry)]
        == whole[places[offset] : places[offset] + HEAD_SIZE + len(entry)]
    ]
    mark = len(whole) - len(encode_gap(0, 0, 0))
    if finished or data[mark : len(whole)] == whole[mark:]:
        assert found == sound
        assert len(found) + sum(hole.count for hole in scan.holes) == count
    else:
        before = sum(1 for index, entry in enumerate(sound) if entry == written[index])
        assert found[:before] == sound[:before]


@given(first=st.integers(0, 2**63), entries=st.lists(st.binary(max_size=50), max_size=8))
def test_frames_are_valid_only_at_their_own_offset_and_with_their_own_salt(first: int, entries: list[bytes]) -> None:
    frames = encode_frames(first, entries, SALT)
    found = scan_segment(frames, 0, first, SALT)
    assert [read_frame(frames, at, first + index, SALT) for index, at in enumerate(found.positions)] == entries
    assert not entries or read_frame(frames, 0, first + 1, SALT) is None
    assert not entries or read_frame(frames, 0, first, SALT + 1) is None


def test_a_message_that_contains_a_log_adds_no_entry(tmp_path: Path) -> None:
    """Behind damage frames are looked for byte by byte: what a sender wrote must not be taken for one."""
    forged = encode_frames(1, [b"forged"], SALT ^ 1)
    whole = file_of([forged * 3], [b"second"])
    reopened = reopen(tmp_path / "log", flipped(whole, len(MAGIC)))
    assert reopened.found == [(1, b"second")]


def test_a_torn_tail_is_told_with_counts(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        reopened = reopen(tmp_path / "log", ONE_BY_ONE[: ENDS[4] + 10])
    (problem,) = reopened.problems
    assert problem.values["size"] == "10"
    assert (problem.values["first"], problem.values["last"]) == ("0", "3")
    assert problem.evidence == (f"{NAME}: 10 bytes",)
    assert str(problem) in caplog.text


def test_a_clean_end_is_not_worth_a_word(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, logger="hotori"):
        reopen(tmp_path / "log", ONE_BY_ONE + bytes(500))
        reopen(tmp_path / "log", TOGETHER + bytes(500))
    assert caplog.records == []


def test_an_entry_cut_off_by_a_crash_does_not_come_back_behind_a_later_one(tmp_path: Path) -> None:
    # The third frame is spoiled, the fourth is whole: a new third of the same length must not join them again.
    folder = tmp_path / "log"
    folder.mkdir()
    (folder / NAME).write_bytes(flipped(TOGETHER, ENDS[2] + HEAD_SIZE))

    async def write_and_read() -> list[bytes]:
        log = SegmentLog.open(folder, segment_bytes=4096)
        await log.append(b"THIRD ENTRY")
        await log.close()
        again = SegmentLog.open(folder, segment_bytes=4096)
        found = [entry.data for entry in await read_all(again)]
        await again.close()
        return found

    assert asyncio.run(write_and_read()) == [*ENTRIES[:2], b"THIRD ENTRY"]


def test_a_segment_that_was_overwritten_is_set_aside(tmp_path: Path) -> None:
    reopened = reopen(tmp_path / "log", b"something else entirely" * 20)
    assert (reopened.found, reopened.codes) == ([], ["log-overwritten", "log-torn"])
    (kept,) = reopened.folder.glob("*.damaged")
    assert kept.read_bytes() == b"something else entirely" * 20


def test_a_file_with_a_name_of_its_own_is_in_nobodys_way(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "notes.log").write_text("mine")

    async def write() -> int:
        log = SegmentLog.open(tmp_path)
        offset = await log.append(b"x")
        await log.close()
        return offset

    assert asyncio.run(write()) == 0
    assert (tmp_path / "notes.0.damaged").read_text() == "mine"
    assert "is no segment of this log" in caplog.text


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
