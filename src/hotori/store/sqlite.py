"""Records in SQLite: one file, a thread that writes and a thread that reads."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from functools import partial
from itertools import islice, takewhile
from pathlib import Path
from typing import TypeAlias

from hotori.problems import Problem
from hotori.problems.storage import DISK_FAILED, FILE_UNREADABLE, RECORDS_DAMAGED
from hotori.store.disk import disk_full
from hotori.store.records import Record, VersionConflictError
from hotori.store.worker import Answers, Worker

_SCHEMA = """
CREATE TABLE IF NOT EXISTS records (
    collection TEXT NOT NULL,
    key TEXT NOT NULL,
    version INTEGER NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY (collection, key)
) WITHOUT ROWID
"""
_GET = "SELECT key, value, version FROM records WHERE collection = ? AND key = ?"
_PUT = "INSERT OR REPLACE INTO records (collection, key, version, value) VALUES (?, ?, ?, ?)"
_DELETE = "DELETE FROM records WHERE collection = ? AND key = ?"
_LIST = "SELECT key, value, version FROM records WHERE collection = ? AND key >= ? AND key > ? ORDER BY key"
_LIST_ALL = "SELECT key, value, version FROM records WHERE collection = ? AND key >= ? ORDER BY key"
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)

_Write: TypeAlias = "Callable[[sqlite3.Connection], int]"
_Found: TypeAlias = "list[Record]"
_Read: TypeAlias = "Callable[[sqlite3.Connection], _Found]"


class SqliteRecords:
    """Records in a database file in WAL mode; a commit is flushed (`synchronous=FULL`) before anyone is answered.

    All writes that wait share one transaction. Where that fails they are tried one by one, so that one that is
    too large does not take its neighbours with it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writing = _connect(path)
        self._reading = _connect(path)
        self._writer: Worker[_Write, int] = Worker(f"write {path.name}", self._commit)
        self._reader: Worker[_Read, _Found] = Worker(f"read {path.name}", self._look_up)

    @classmethod
    def open(cls, path: Path) -> SqliteRecords:
        """Open or create the file. Raises `records-damaged`, `disk-full`, `disk-failed` or `file-unreadable`."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            return cls(path)
        except OSError as error:
            raise Problem(FILE_UNREADABLE, str(error), path=path, reason=error.strerror or "unknown") from error
        except sqlite3.Error as error:
            raise _problem(error, path) from error

    async def get(self, collection: str, key: str) -> Record | None:
        found = await self._reader.submit(partial(_select, _GET, (collection, key), "", 1))
        return found[0] if found else None

    async def list(self, collection: str, prefix: str = "", after: str = "", limit: int = 1000) -> _Found:
        statement, values = (_LIST, (collection, prefix, after)) if after else (_LIST_ALL, (collection, prefix))
        return await self._reader.submit(partial(_select, statement, values, prefix, max(limit, 0)))

    async def put(self, collection: str, key: str, value: bytes, expected: int | None = None) -> int:
        return await self._writer.submit(partial(_put, collection, key, value, expected))

    async def delete(self, collection: str, key: str, expected: int | None = None) -> bool:
        return bool(await self._writer.submit(partial(_delete, collection, key, expected)))

    async def close(self) -> None:
        await self._writer.close()
        await self._reader.close()
        self._reading.close()
        self._writing.close()

    def _look_up(self, reads: Sequence[_Read]) -> Sequence[_Found | Exception]:
        answers: Answers[_Found] = []
        for read in reads:
            try:
                answers.append(read(self._reading))
            except sqlite3.Error as error:
                answers.append(_problem(error, self._path))
        return answers

    def _commit(self, writes: Sequence[_Write]) -> Sequence[int | Exception]:
        try:
            return self._commit_together(writes)
        except sqlite3.Error as error:
            if self._writing.in_transaction:
                self._writing.execute("ROLLBACK")
            if len(writes) == 1:
                return [_problem(error, self._path)]
        return [self._commit([write])[0] for write in writes]

    def _commit_together(self, writes: Sequence[_Write]) -> Sequence[int | Exception]:
        answers: Answers[int] = []
        self._writing.execute("BEGIN IMMEDIATE")
        for write in writes:
            try:
                answers.append(write(self._writing))
            except VersionConflictError as conflict:
                answers.append(conflict)
        self._writing.execute("COMMIT")
        return answers


def _connect(path: Path) -> sqlite3.Connection:
    """A connection for one thread that is not this one; transactions are ours to begin."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA busy_timeout=5000")
        connection.execute(_SCHEMA)
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _select(
    statement: str, values: tuple[str, ...], prefix: str, limit: int, connection: sqlite3.Connection
) -> list[Record]:
    cursor = connection.execute(statement, values)
    records = (Record(key, value, version) for key, value, version in cursor)
    found = list(islice(takewhile(lambda record: record.key.startswith(prefix), records), limit))
    cursor.close()
    return found


def _put(collection: str, key: str, value: bytes, expected: int | None, connection: sqlite3.Connection) -> int:
    version = _checked_version(collection, key, expected, connection) + 1
    connection.execute(_PUT, (collection, key, version, value))
    return version


def _delete(collection: str, key: str, expected: int | None, connection: sqlite3.Connection) -> int:
    _checked_version(collection, key, expected, connection)
    return connection.execute(_DELETE, (collection, key)).rowcount


def _checked_version(collection: str, key: str, expected: int | None, connection: sqlite3.Connection) -> int:
    """The version that stands there (0 for none), if it is the expected one."""
    row = connection.execute(_GET, (collection, key)).fetchone()
    found: int = row[2] if row else 0
    if expected is not None and expected != found:
        raise VersionConflictError(collection, key, expected, found)
    return found


def _problem(error: sqlite3.Error, path: Path) -> Problem:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return disk_full(path.parent, str(error))
    if code in _DAMAGED:
        return Problem(RECORDS_DAMAGED, str(error), path=path)
    if code == sqlite3.SQLITE_CANTOPEN:
        return Problem(FILE_UNREADABLE, str(error), path=path, reason=str(error))
    return Problem(DISK_FAILED, str(error), path=path.parent, reason=str(error))
