"""One queue's core: order, window of attention, accounts; over values."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from hotori.hub.account import Account, Counters
from hotori.hub.lane import Item, LaneCursor
from hotori.hub.queue import NOTHING_URGENT, Queue


def add(queue: Queue, offset: int, priority: int, expires: float, route: str = "") -> None:
    queue.add(range(offset, offset + 1), priority, expires, route)


def filled(*priorities: int, expires: float = 0.0) -> Queue:
    queue = Queue("q")
    for offset, priority in enumerate(priorities):
        add(queue, offset, priority, expires)
    return queue


def drain(queue: Queue, now: float = 0.0) -> list[int]:
    """The offsets in the order in which they are taken and delivered."""
    offsets = []
    while (item := queue.take(now)) is not None:
        offsets.append(item.offset)
        queue.deliver(item)
    return offsets


def restarted(queue: Queue, *kept: tuple[int, int, float, str]) -> Queue:
    """The queue after a crash, with what the log has kept: offset, priority, expiry, route."""
    again = Queue("q")
    again.restore(queue.cursors())
    for entry in kept:
        again.replay(*entry)
    again.replayed()
    return again


def test_lower_priorities_first_then_the_order_of_acceptance() -> None:
    """5.3"""
    assert drain(filled(5, 0, 5, 0)) == [1, 3, 0, 2]


def test_routes_of_one_priority_share_the_order_of_acceptance_and_have_accounts_of_their_own() -> None:
    queue = Queue("q")
    for offset, route in enumerate(["a", "b", "a", "b", "b"]):
        add(queue, offset, 3, 0.0, route)
    assert drain(queue) == [0, 1, 2, 3, 4]
    assert queue.accounts == (
        Account("q", "a", 3, Counters(accepted=2, delivered=2)),
        Account("q", "b", 3, Counters(accepted=3, delivered=3)),
    )


def test_the_urgency_is_that_of_what_is_taken_next() -> None:
    queue = filled(5, 1)
    assert queue.urgency() == (1, 1)
    item = queue.take(0)
    assert queue.urgency() == (5, 0)
    assert item
    queue.give_back(item)
    assert queue.urgency() == (1, 1)
    assert drain(queue) == [1, 0]
    assert queue.urgency() == NOTHING_URGENT


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
    add(queue, 0, 1, 10.0)
    add(queue, 1, 1, 0.0)
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


def test_a_wake_is_called_for_what_becomes_ready_again() -> None:
    woken: list[str] = []
    queue = Queue("q", wake=lambda queue: woken.append(queue.endpoint))
    add(queue, 0, 1, 0.0)
    item = queue.take(0)
    assert item
    queue.give_back(item)
    assert woken == ["q"]


def test_entries_that_the_log_has_lost_are_counted_as_dropped() -> None:
    queue = restarted(filled(1, 1, 1, 1), (2, 1, 0.0, ""), (3, 1, 0.0, ""))
    assert queue.counters == Counters(accepted=4, dropped=2, pending=2, lost=2)
    assert drain(queue) == [2, 3]


def test_what_is_lost_is_counted_for_the_route_that_brought_it() -> None:
    queue = Queue("q")
    for offset, route in enumerate(["a", "b", "a", "b"]):
        add(queue, offset, 1, 0.0, route)
    queue = restarted(queue, (0, 1, 0.0, "a"), (1, 1, 0.0, "b"), (3, 1, 0.0, "b"))
    assert [(account.route, account.counters.lost) for account in queue.accounts] == [("a", 1), ("b", 0)]
    assert drain(queue) == [0, 1, 3]


def test_what_expired_among_others_stays_expired_after_a_crash() -> None:
    queue, entries = Queue("q"), []
    for offset, expires in enumerate([0.0, 5.0, 0.0, 5.0, 5.0]):
        entries.append((offset, 1, expires, ""))
        add(queue, *entries[-1])
    assert queue.sweep(5.0) == 3
    queue = restarted(queue, *entries, (5, 1, 0.0, ""))
    assert queue.counters == Counters(accepted=6, expired=3, pending=3)
    assert drain(queue) == [0, 2, 5]


def test_capacity_drops_the_oldest_that_are_not_on_their_way() -> None:
    queue = filled(1, 1, 1, 1)
    queue.take(0)
    assert queue.drop_below(3) == 2
    assert queue.counters == Counters(accepted=4, dropped=2, pending=2)


def test_a_queue_that_nobody_takes_from_does_not_grow_for_ever() -> None:
    queue = Queue("q")
    for now in range(100):
        add(queue, now, 1, now + 1.0)
        queue.sweep(now + 1.0)
    assert (len(queue), len(queue.lane("", 1)._offsets), queue.cursors()[0].gaps) == (0, 0, ())
    assert queue.counters == Counters(accepted=100, expired=100)


def test_what_was_pending_when_it_was_forgotten_is_not_settled_later() -> None:
    queue = filled(1, 1)
    item = queue.take(0)
    queue.begin_anew(2)
    assert item
    queue.deliver(item)
    assert queue.counters == Counters()
    assert len(restarted(queue, (0, 1, 0.0, ""), (1, 1, 0.0, ""))) == 0


ROUTES = st.sampled_from(["a", "b"])


@dataclass
class Disk:
    """What outlives a crash."""

    entries: list[tuple[int, int, float, str]] = field(default_factory=list)
    cursors: tuple[LaneCursor, ...] = ()


class QueueLife(RuleBasedStateMachine):
    """Accept, take, settle, checkpoint, trim and crash in any order: nothing is lost, and the accounts add up."""

    def __init__(self) -> None:
        super().__init__()
        self.queue, self.disk, self.now = Queue("q"), Disk(), 0.0
        self.taken: list[Item] = []
        self.settled: set[int] = set()
        """Offsets settled at any time."""
        self.lost: set[int] = set()
        self.next = 0

    @rule(
        priority=st.integers(0, 2), life=st.sampled_from([0.0, 3.0]), gap=st.integers(0, 2), route=st.sampled_from("ab")
    )
    def accept(self, priority: int, life: float, gap: int, route: str) -> None:
        self.next += gap  # entries of other endpoints stand between
        entry = (self.next, priority, life and self.now + life, route)
        self.next += 1
        self.disk.entries.append(entry)
        add(self.queue, *entry)

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
        self.disk.cursors = self.queue.cursors()
        if trim:
            self.disk.entries = [entry for entry in self.disk.entries if entry[0] >= self.queue.floor]

    @rule(lost=st.sets(st.integers(0, 60), max_size=2))
    def crash(self, lost: set[int]) -> None:
        before = self.queue.counters.accepted
        self.lost |= lost  # what the last cursors speak of is missed at every start
        self.disk.entries = [entry for entry in self.disk.entries if entry[0] not in lost]
        self.queue = Queue("q")
        self.queue.restore(self.disk.cursors)
        for entry in self.disk.entries:
            self.queue.replay(*entry)
        assert self.queue.replayed() <= len(self.lost)
        self.taken = []
        pending = self._pending()
        assert {entry[0] for entry in self.disk.entries} - self.settled <= pending, "something was lost"
        assert before - len(self.lost) <= self.queue.counters.accepted <= before
        self.settled -= pending  # delivered again after a crash: allowed

    @invariant()
    def accounts_add_up(self) -> None:
        for account in self.queue.accounts:
            counters = account.counters
            assert counters.accepted == counters.delivered + counters.expired + counters.dropped + counters.pending
        assert self.queue.counters.pending == len(self._pending())

    def _pending(self) -> set[int]:
        return {offset for offset in range(self.next) if offset in self.queue}

    def _note_expired(self, before: Counters) -> None:
        if self.queue.counters.expired > before.expired:
            known = {entry[0] for entry in self.disk.entries}
            self.settled |= known - self._pending()


QueueLife.TestCase.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
TestQueueLife = QueueLife.TestCase
