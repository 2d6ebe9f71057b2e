"""SQLite records keep the contract of the records port, and survive what happens to files."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from hotori.problems import Problem
from hotori.store.records import Records
from hotori.store.sqlite import SqliteRecords
from hotori.testing.records_suite import RecordsSuite


class TestSqliteRecords(RecordsSuite):
    @pytest.fixture
    def open_records(self, tmp_path: Path) -> Callable[[], Records]:
        return lambda: SqliteRecords.open(tmp_path / "records.db")


async def test_every_commit_is_flushed(tmp_path: Path) -> None:
    records = SqliteRecords.open(tmp_path / "records.db")
    assert records._writing.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert records._writing.execute("PRAGMA synchronous").fetchone() == (2,)
    await records.close()


async def test_a_file_that_is_no_database_is_a_problem_and_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "records.db"
    path.write_bytes(b"photographs of a lake" * 200)
    with pytest.raises(Problem) as met:
        SqliteRecords.open(path)
    assert met.value.code == "records-damaged"
    assert path.read_bytes() == b"photographs of a lake" * 200


async def test_pages_that_were_overwritten_are_a_problem(tmp_path: Path) -> None:
    path = tmp_path / "records.db"
    records = SqliteRecords.open(path)
    for number in range(200):
        await records.put("twins", f"edge-{number}", b"x" * 500)
    await records.close()
    content = path.read_bytes()
    path.write_bytes(content[:4096] + b"\xff" * (len(content) - 4096))
    damaged = SqliteRecords.open(path)
    with pytest.raises(Problem) as met:
        await damaged.list("twins")
    await damaged.close()
    assert met.value.code == "records-damaged"


async def test_a_path_that_is_a_folder_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "records.db").mkdir()
    with pytest.raises(Problem) as met:
        SqliteRecords.open(tmp_path / "records.db")
    assert met.value.code == "file-unreadable"


async def test_the_file_can_be_read_with_the_usual_tool(tmp_path: Path) -> None:
    records = SqliteRecords.open(tmp_path / "records.db")
    await records.put("twins", "edge-1", b"{}")
    await records.close()
    connection = sqlite3.connect(tmp_path / "records.db")
    assert connection.execute("SELECT collection, key, version, value FROM records").fetchall() == [
        ("twins", "edge-1", 1, b"{}")
    ]
    connection.close()
