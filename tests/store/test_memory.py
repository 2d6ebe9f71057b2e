"""The memory adapters keep the contracts of both ports."""

from collections.abc import Callable

import pytest

from hotori.store.log import Log
from hotori.store.memory import MemoryLog, MemoryRecords, Shelf
from hotori.store.records import Records
from hotori.testing.log_suite import LogSuite
from hotori.testing.records_suite import RecordsSuite


class TestMemoryRecords(RecordsSuite):
    @pytest.fixture
    def open_records(self) -> Callable[[], Records]:
        shelf = Shelf()
        return lambda: MemoryRecords(shelf)


class TestMemoryLog(LogSuite):
    @pytest.fixture
    def open_log(self) -> Callable[[], Log]:
        shelf = Shelf()
        return lambda: MemoryLog(shelf)
