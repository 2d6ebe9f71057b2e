"""Durable queues over real stores: what is accepted survives restarts and crashes, and the accounts add up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hotori.hub.account import Account, Counters
from hotori.hub.envelope import Delivery
from hotori.hub.queues import Queues
from hotori.model.identity import Identity
from hotori.model.message import Message
from hotori.store.memory import MemoryLog, MemoryRecords, Shelf
from hotori.store.segments import SegmentLog
from hotori.store.sqlite import SqliteRecords

SENDER = Identity("edge-1", "camera")


class Stores:
    """A folder with both stores; `open` gives queues over them, as after a start."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._open: list[tuple[Queues, SqliteRecords]] = []

    async def open(self, now: float = 0.0) -> Queues:
        records = SqliteRecords.open(self._folder / "records.db")
        log = SegmentLog.open(self._folder / "log", segment_bytes=4096)
        queues = Queues(log, records, lambda: now)
        self._open.append((queues, records))
        await queues.start()
        return queues

    async def close(self) -> None:
        for queues, records in self._open:
            await queues.close()
            await records.close()
        self._open.clear()

    async def crash(self) -> None:
        """End without a word: no cursor is saved."""
        for queues, records in self._open:
            assert queues._keeper is not None
            queues._keeper.cancel()
            await asyncio.gather(queues._keeper, return_exceptions=True)
            await queues._log.close()
            await records.close()
        self._open.clear()


@pytest.fixture
async def stores(tmp_path: Path) -> AsyncIterator[Stores]:
    stores = Stores(tmp_path)
    yield stores
    await stores.close()


async def accept(
    queues: Queues, body: bytes, *endpoints: str, priority: int = 1, expires: float = 0.0, route: str = ""
) -> None:
    message = Message(body, {"k": "v"}, {"mid": "1"}, SENDER, "out", 12.5)
    await queues.submit(message, tuple(Delivery(endpoint, priority, expires, route) for endpoint in endpoints))


async def take(queues: Queues, endpoint: str, count: int) -> list[bytes]:
    """Take and deliver."""
    bodies = []
    for _ in range(count):
        queue = queues.queue(endpoint)
        item = queue.take(0.0)
        assert item is not None
        message = await queues.load(item)
        assert message is not None
        bodies.append(message.body)
        queue.deliver(item)
    return bodies


async def test_a_message_is_kept_once_for_all_its_endpoints(stores: Stores) -> None:
    """5.3"""
    queues = await stores.open()
    await accept(queues, b"x", "module:a/in", "upstream/edge-1/camera")
    item = queues.queue("module:a/in").take(0.0)
    assert item is not None
    assert await queues.load(item) == Message(b"x", {"k": "v"}, {"mid": "1"}, SENDER, "out", 12.5)
    assert queues.queue("upstream/edge-1/camera").take(0.0).offset == item.offset  # type: ignore[union-attr]


async def test_a_clean_restart_keeps_everything_exactly(stores: Stores) -> None:
    queues = await stores.open()
    for number in range(40):
        await accept(queues, b"%d" % number, "a/x", *["b/y"] * (number % 2))
    assert await take(queues, "a/x", 25) == [b"%d" % number for number in range(25)]
    queues.queue("a/x").take(0.0)
    before = queues.counters()
    await stores.close()

    queues = await stores.open()
    assert queues.counters() == before == {"a/x": Counters(40, 25, 0, 0, 15), "b/y": Counters(20, 0, 0, 0, 20)}
    assert await take(queues, "a/x", 15) == [b"%d" % number for number in range(25, 40)]
    assert await take(queues, "b/y", 20) == [b"%d" % number for number in range(1, 40, 2)]


async def test_a_crash_may_repeat_but_never_loses_and_the_accounts_add_up(stores: Stores) -> None:
    queues = await stores.open()
    for number in range(30):
        await accept(queues, b"%d" % number, "a/x", priority=number % 3)
    await take(queues, "a/x", 4)
    await queues._checkpoint()
    await take(queues, "a/x", 6)
    await accept(queues, b"late", "a/x", priority=9)
    await stores.crash()

    queues = await stores.open()
    counters = queues.counters()["a/x"]
    assert counters == Counters(accepted=31, delivered=4, pending=27)
    expected = [b"%d" % number for priority in range(3) for number in range(priority, 30, 3)][4:]
    assert await take(queues, "a/x", 27) == [*expected, b"late"]


async def test_every_route_has_an_account_that_survives_crashes(stores: Stores) -> None:
    queues = await stores.open()
    for number in range(20):
        await accept(queues, b"%d" % number, "a/x", "b/y", route=f"route-{number % 2}")
    await take(queues, "a/x", 5)
    await queues._checkpoint()
    await accept(queues, b"late", "a/x", route="route-1")
    await stores.crash()

    queues = await stores.open()
    assert sorted(queues.accounts(), key=lambda account: (account.endpoint, account.route)) == [
        Account("a/x", "route-0", 1, Counters(accepted=10, delivered=3, pending=7)),
        Account("a/x", "route-1", 1, Counters(accepted=11, delivered=2, pending=9)),
        Account("b/y", "route-0", 1, Counters(accepted=10, pending=10)),
        Account("b/y", "route-1", 1, Counters(accepted=10, pending=10)),
    ]


async def test_what_no_route_took_is_counted_by_sender_across_crashes_and_trims(stores: Stores) -> None:
    """5.3"""
    queues = await stores.open()
    for number in range(30):
        await queues.submit_unrouted(Identity("edge-1", "camera" if number % 3 else None))
    await queues._checkpoint()
    await accept(queues, b"x", "a/x")
    await queues.submit_unrouted(SENDER)
    await stores.crash()

    queues = await stores.open()
    assert dict(queues.unrouted.counts) == {"edge-1": 10, "edge-1/camera": 21}
    await take(queues, "a/x", 1)
    await stores.close()
    queues = await stores.open()
    assert sum(queues.unrouted.counts.values()) == 31


async def test_the_log_is_trimmed_behind_the_slowest(stores: Stores) -> None:
    queues = await stores.open()
    for number in range(60):
        await accept(queues, bytes(400), "a/x", *["slow/y"] * (number == 30))
    await take(queues, "a/x", 60)
    await queues._checkpoint()
    held = queues._log.first
    assert 0 < held <= 30
    await take(queues, "slow/y", 1)
    await queues._checkpoint()
    assert queues._log.first > 30
    await stores.close()
    queues = await stores.open()
    assert queues.counters() == {"a/x": Counters(60, 60), "slow/y": Counters(1, 1)}
    await accept(queues, b"next", "a/x")
    assert await take(queues, "a/x", 1) == [b"next"]


async def test_an_endpoint_that_is_forgotten_holds_nothing(stores: Stores) -> None:
    queues = await stores.open()
    await accept(queues, b"x", "c2d:dev-1")
    await take(queues, "c2d:dev-1", 1)
    await queues._checkpoint()
    await queues.forget("c2d:dev-1")
    await stores.close()
    queues = await stores.open()
    assert queues.total("c2d:dev-1").pending == 0


async def test_a_log_that_was_begun_anew_does_not_confuse_the_cursors() -> None:
    """The log's files were removed, the records stayed: what is lost is counted so, what comes is delivered."""
    shelf = Shelf()
    queues = Queues(MemoryLog(shelf), MemoryRecords(shelf))
    await queues.start()
    for _ in range(5):
        await accept(queues, b"old", "a/x")
    await take(queues, "a/x", 2)
    await queues.close()

    queues = Queues(MemoryLog(Shelf()), MemoryRecords(shelf))
    await queues.start()
    assert queues.counters()["a/x"] == Counters(accepted=5, delivered=2, dropped=3, lost=3)
    await accept(queues, b"new", "a/x")
    assert await take(queues, "a/x", 1) == [b"new"]
    await queues.close()


async def test_what_the_disk_spoiled_is_counted_as_lost_by_route_and_the_rest_is_delivered(
    stores: Stores, tmp_path: Path
) -> None:
    queues = await stores.open()
    for number in range(60):
        await accept(queues, b"body-%02d" % number + bytes(200), "a/x", route=f"route-{number % 2}")
    await stores.close()
    spoil(tmp_path / "log", b"body-10", b"body-13", b"body-14", b"body-57")

    queues = await stores.open()
    assert [(account.route, account.counters) for account in queues.accounts()] == [
        ("route-0", Counters(accepted=30, dropped=2, pending=28, lost=2)),
        ("route-1", Counters(accepted=30, dropped=2, pending=28, lost=2)),
    ]
    assert sum(int(problem.values["count"]) for problem in queues.problems) == 4
    found = [body[:7] for body in await take(queues, "a/x", 56)]
    assert found == [b"body-%02d" % number for number in range(60) if number not in (10, 13, 14, 57)]


def spoil(folder: Path, *texts: bytes) -> None:
    """Change these texts wherever they stand in the log."""
    for path in folder.glob("*.log"):
        data = path.read_bytes()
        for text in texts:
            data = data.replace(text, text[::-1])
        path.write_bytes(data)


async def test_a_start_does_not_read_again_what_was_settled(stores: Stores) -> None:
    queues = await stores.open()
    for number in range(10):
        await accept(queues, b"%d" % number, "a/x")
    await take(queues, "a/x", 8)
    await stores.close()
    queues = await stores.open()
    assert (queues._log.first, await queues._saved_floor()) == (0, 8)
    assert await take(queues, "a/x", 2) == [b"8", b"9"]


async def test_a_start_reads_pages_of_what_waits_instead_of_the_log(stores: Stores) -> None:
    queues = await stores.open()
    queues.page = 10
    for round_ in range(6):
        for number in range(10 * round_, 10 * round_ + 10):
            await accept(queues, b"%d" % number, *["a/x", "b/y"][: 1 + number % 2], route=f"route-{number % 3}")
        await take(queues, "a/x", 3)
        out = queues.queue("a/x").take(0.0)
        await queues._grow_pages()
        assert out is not None
        queues.queue("a/x").give_back(out)
    await take(queues, "b/y", 4)
    await queues._checkpoint()
    await accept(queues, b"60", "a/x", route="route-0")
    await take(queues, "a/x", 1)
    before = queues.accounts()
    await stores.crash()

    queues = await stores.open()
    assert queues._pages.end == 60
    total = queues.total("a")
    assert total == Counters(accepted=61, delivered=18, pending=43)
    assert sorted(account.counters.accepted for account in queues.accounts()) == sorted(
        account.counters.accepted for account in before
    )
    assert await take(queues, "a/x", 43) == [b"%d" % number for number in range(18, 61)]
    assert await take(queues, "b/y", 26) == [b"%d" % number for number in range(9, 60, 2)]
    await queues._checkpoint()
    await queues._grow_pages()
    assert await queues._records.list("queue-index") == []


async def test_pages_of_a_log_that_was_begun_anew_are_let_go(tmp_path: Path) -> None:
    shelf = Shelf()
    queues = Queues(MemoryLog(shelf), MemoryRecords(shelf))
    queues.page = 5
    await queues.start()
    for _ in range(20):
        await accept(queues, b"old", "a/x")
    await queues._grow_pages()
    await queues.close()

    queues = Queues(MemoryLog(Shelf()), MemoryRecords(shelf))
    await queues.start()
    assert queues.counters()["a/x"] == Counters(accepted=20, dropped=20, lost=20)
    assert await queues._records.list("queue-index") == []
    await accept(queues, b"new", "a/x")
    assert await take(queues, "a/x", 1) == [b"new"]
    await queues.close()


async def test_an_entry_that_is_no_message_is_told_and_holds_nobody_up(caplog: pytest.LogCaptureFixture) -> None:
    shelf = Shelf()
    await MemoryLog(shelf).append(b"what another program wrote")
    queues = Queues(MemoryLog(shelf), MemoryRecords(shelf))
    await queues.start()
    await accept(queues, b"new", "a/x")
    assert await take(queues, "a/x", 1) == [b"new"]
    await queues.close()
    assert "Entry 0 of the queues' log is no message" in caplog.text
