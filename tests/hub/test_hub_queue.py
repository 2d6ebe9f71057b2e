"""One queue's core: order, window of attention, accounts; over values."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from hotori.hub.queue import Counters, Cursor, Item, Logged, Queue


def filled(*priorities: int, expires: float = 0.0) -> Queue:
    queue = Queue("q")
    for offset, priority in enumerate(priorities):
        queue.add(Logged(offset, priority, expires))
    return queue


def drain(queue: Queue, now: float = 0.0) -> list[int]:
    """The offsets in the order in which they are taken and delivered."""
    offsets = []
    while (item := queue.take(now)) is not None:
        offsets.append(item.offset)
        queue.deliver(item)
    return offsets


def test_lower_priorities_first_then_the_order_of_acceptance() -> None:
    """5.3"""
    assert drain(filled(5, 0, 5, 0)) == [1, 3, 0, 2]


def test_what_is_given_back_has_its_old_place() -> None:
    queue = filled(5, 5, 5)
    first, second = queue.take(0), queue.take(0)
    assert first
    assert second
    queue.give_back(second)
    queue.give_back(first)
    assert [item.attempts for item in (first, second)] == [1, 1]
    assert drain(queue) == [0, 1, 2]


def test_what_has_expired_is_not_taken_and_is_counted() -> None:
    """5.3"""
    queue = Queue("q")
    queue.add(Logged(0, 1, 10.0))
    queue.add(Logged(1, 1, 0.0))
    assert drain(queue, now=10.0) == [1]
    assert queue.counters == Counters(accepted=2, delivered=1, expired=1)


def test_settling_twice_counts_once() -> None:
    queue = filled(1)
    item = queue.take(0)
    assert item
    queue.deliver(item)
    queue.drop(item)
    queue.give_back(item)
    assert queue.counters == Counters(accepted=1, delivered=1)
    assert queue.take(0) is None


def test_a_wake_is_called_for_everything_that_becomes_ready() -> None:
    woken: list[str] = []
    queue = Queue("q", wake=lambda queue: woken.append(queue.endpoint))
    queue.add(Logged(0, 1, 0.0))
    item = queue.take(0)
    assert item
    queue.give_back(item)
    assert woken == ["q", "q"]


def test_entries_that_the_log_has_lost_are_counted_as_dropped() -> None:
    cursor = filled(1, 1, 1, 1).cursor()
    queue = Queue("q")
    queue.restore(cursor, [Logged(2, 1, 0.0), Logged(3, 1, 0.0)])
    assert queue.counters == Counters(accepted=4, dropped=2, pending=2)
    assert drain(queue) == [2, 3]


def test_capacity_drops_the_oldest_that_are_not_on_their_way() -> None:
    queue = filled(1, 1, 1, 1)
    queue.take(0)
    assert queue.drop_below(3) == 2
    assert queue.counters == Counters(accepted=4, dropped=2, pending=2)


def test_a_queue_that_nobody_takes_from_does_not_grow_for_ever() -> None:
    queue = Queue("q")
    for now in range(100):
        queue.add(Logged(now, 1, now + 1.0))
        queue.sweep(now + 1.0)
    assert (len(queue), len(queue._ready)) == (0, 0)
    assert queue.counters == Counters(accepted=100, expired=100)


@dataclass
class Disk:
    """What outlives a crash."""

    entries: list[Logged] = field(default_factory=list)
    first: int = 0
    cursor: Cursor = field(default_factory=Cursor)


class QueueLife(RuleBasedStateMachine):
    """Accept, take, settle, checkpoint, trim and crash in any order: nothing is lost, and the accounts add up."""

    def __init__(self) -> None:
        super().__init__()
        self.queue, self.disk, self.now = Queue("q"), Disk(), 0.0
        self.taken: list[Item] = []
        self.settled: set[int] = set()
        """Offsets settled at any time."""
        self.next = 0

    @rule(priority=st.integers(0, 2), life=st.sampled_from([0.0, 3.0]), gap=st.integers(0, 2))
    def accept(self, priority: int, life: float, gap: int) -> None:
        self.next += gap  # entries of other endpoints stand between
        entry = Logged(self.next, priority, life and self.now + life)
        self.next += 1
        self.disk.entries.append(entry)
        self.queue.add(entry)

    @rule()
    def take(self) -> None:
        before = self.queue.counters
        item = self.queue.take(self.now)
        if item is not None:
            assert item.offset not in {other.offset for other in self.taken}
            self.taken.append(item)
        self._note_expired(before)

    @precondition(lambda self: self.taken)
    @rule(number=st.integers(0, 100), how=st.sampled_from(["deliver", "drop", "give_back"]))
    def settle(self, number: int, how: str) -> None:
        item = self.taken.pop(number % len(self.taken))
        getattr(self.queue, how)(item)
        if how != "give_back":
            self.settled.add(item.offset)

    @rule()
    def time_passes(self) -> None:
        self.now += 1.0
        before = self.queue.counters
        self.queue.sweep(self.now)
        self._note_expired(before)

    @rule(trim=st.booleans())
    def checkpoint(self, trim: bool) -> None:
        self.disk.cursor = self.queue.cursor()
        if trim:
            floor = self.queue.floor_offset
            self.disk.entries = [entry for entry in self.disk.entries if entry.offset >= floor]

    @rule()
    def crash(self) -> None:
        self.queue = Queue("q")
        self.queue.restore(self.disk.cursor, self.disk.entries)
        self.taken = []
        pending = self._pending()
        assert {entry.offset for entry in self.disk.entries} - self.settled <= pending, "something was lost"
        self.settled -= pending  # delivered again after a crash: allowed

    @invariant()
    def accounts_add_up(self) -> None:
        counters = self.queue.counters
        assert counters.accepted == counters.delivered + counters.expired + counters.dropped + counters.pending

    def _pending(self) -> set[int]:
        return {item.offset for item in self.queue._items.values()}

    def _note_expired(self, before: Counters) -> None:
        if self.queue.counters.expired > before.expired:
            known = {entry.offset for entry in self.disk.entries}
            self.settled |= known - self._pending()


QueueLife.TestCase.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
TestQueueLife = QueueLife.TestCase
