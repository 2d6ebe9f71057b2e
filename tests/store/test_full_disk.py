"""A disk that is full, or that refuses: a problem with its remedy, and nothing half-written."""

import asyncio
import contextlib
import subprocess
import sys
from pathlib import Path

import pytest

from hotori.problems import Problem
from hotori.store.records import Records
from hotori.store.segments import SegmentLog
from hotori.store.sqlite import SqliteRecords
from hotori.testing.log_suite import read_all

MEGABYTE = 1 << 20


async def append_until_full(log: SegmentLog) -> tuple[list[int], Problem]:
    """The offsets that were confirmed, and the first refusal; a refused batch is wholly refused."""
    confirmed: list[int] = []
    while True:
        outcomes = await asyncio.gather(*(log.append(b"x" * 10_000) for _ in range(7)), return_exceptions=True)
        confirmed += [outcome for outcome in outcomes if isinstance(outcome, int)]
        problems = [outcome for outcome in outcomes if isinstance(outcome, Problem)]
        if problems:
            assert outcomes == [*outcomes[: len(outcomes) - len(problems)], *problems]
            return confirmed, problems[0]


async def test_a_full_disk_refuses_entries_and_keeps_those_it_confirmed(small_disk: Path) -> None:
    log = SegmentLog.open(small_disk / "log")
    confirmed, problem = await append_until_full(log)
    assert problem.code == "disk-full"
    assert problem.values["path"] == str(small_disk / "log")
    assert "No space left on device" in problem.evidence[0]
    assert len(confirmed) > 80
    assert log.next == len(confirmed)
    await log.close()
    again = SegmentLog.open(small_disk / "log")
    assert [entry.offset for entry in await read_all(again)] == confirmed
    await again.close()


async def test_a_log_goes_on_where_it_was_once_there_is_room_again(small_disk: Path) -> None:
    (small_disk / "ballast").write_bytes(bytes(MEGABYTE // 2))
    log = SegmentLog.open(small_disk / "log", segment_bytes=64 * 1024)
    confirmed, _ = await append_until_full(log)
    (small_disk / "ballast").unlink()
    assert await log.append(b"more") == len(confirmed)
    assert (await log.read(len(confirmed), 1))[0].data == b"more"
    await log.close()


async def test_trimming_makes_room_on_a_full_disk(small_disk: Path) -> None:
    log = SegmentLog.open(small_disk / "log", segment_bytes=64 * 1024)
    confirmed, _ = await append_until_full(log)
    await log.trim(len(confirmed) // 2)
    assert await log.append(b"more") == len(confirmed)
    await log.close()


async def test_a_log_cannot_begin_on_a_full_disk_and_leaves_nothing_there(small_disk: Path) -> None:
    with contextlib.suppress(OSError):
        (small_disk / "ballast").write_bytes(bytes(2 * MEGABYTE))
    with pytest.raises(Problem) as met:
        SegmentLog.open(small_disk / "log")
    assert met.value.code == "disk-full"
    assert list((small_disk / "log").glob("*")) == []


async def put_until_full(records: Records) -> tuple[int, Problem]:
    number = 0
    while True:
        try:
            await records.put("pictures", f"{number:06}", b"x" * 20_000)
        except Problem as problem:
            return number, problem
        number += 1


async def test_a_full_disk_refuses_records_and_keeps_those_it_confirmed(small_disk: Path) -> None:
    records = SqliteRecords.open(small_disk / "records.db")
    count, problem = await put_until_full(records)
    assert problem.code == "disk-full"
    assert count > 5
    assert [record.key for record in await records.list("pictures")] == [f"{number:06}" for number in range(count)]
    await records.close()


async def test_a_record_that_is_too_large_does_not_take_its_neighbours_with_it(small_disk: Path) -> None:
    records = SqliteRecords.open(small_disk / "records.db")
    writes = [
        records.put("twins", "a", b"1"),
        records.put("twins", "b", bytes(MEGABYTE)),
        records.put("twins", "c", b"3"),
    ]
    first, second, third = await asyncio.gather(*writes, return_exceptions=True)
    assert (first, third) == (1, 1)
    assert isinstance(second, Problem)
    assert second.code == "disk-full"
    assert [record.key for record in await records.list("twins")] == ["a", "c"]
    await records.close()


LIMITED = """
import asyncio, resource, sys
from pathlib import Path
from hotori.problems import Problem
from hotori.store.segments import SegmentLog
from hotori.store.sqlite import SqliteRecords

async def main():
    log = SegmentLog.open(Path(sys.argv[1]) / "log", segment_bytes=64 * 1024)
    records = SqliteRecords.open(Path(sys.argv[1]) / "records.db")
    await log.append(b"kept")
    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, resource.RLIM_INFINITY))
    for write in (log.append(bytes(100_000)), records.put("twins", "a", bytes(100_000))):
        try:
            await write
        except Problem as problem:
            print(problem.code, problem.evidence)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    print(await log.append(b"next"), [entry.data for entry in await log.read(0, 9)])
    await log.close()
    await records.close()

asyncio.run(main())
"""


def test_a_limit_on_the_size_of_files_is_a_problem_and_not_a_death(tmp_path: Path) -> None:
    ran = subprocess.run([sys.executable, "-c", LIMITED, str(tmp_path)], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    log, records, after = ran.stdout.splitlines()
    assert log.startswith("disk-failed")
    assert "File too large" in log
    assert records.startswith("disk-f")
    assert after == "1 [b'kept', b'next']"
