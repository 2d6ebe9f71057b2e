"""One endpoint's queue, in memory: what waits, what is out for delivery, and the accounts of it all.

A core: it touches neither disk nor clock, and will not decide who takes from it nor keep the messages. For
every queue at every moment: accepted = delivered + expired + dropped + pending.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from hotori.hub.envelope import FOR_EVER


@dataclass(frozen=True, slots=True)
class Counters:
    """A queue's accounts since it was first used: accepted = delivered + expired + dropped + pending."""

    accepted: int = 0
    delivered: int = 0
    expired: int = 0
    dropped: int = 0
    pending: int = 0

    def __add__(self, other: Counters) -> Counters:
        return Counters(
            self.accepted + other.accepted,
            self.delivered + other.delivered,
            self.expired + other.expired,
            self.dropped + other.dropped,
            self.pending + other.pending,
        )


@dataclass(slots=True, eq=False)
class Item:
    """One message's place in one queue. `attempts` counts the times that it was taken for delivery."""

    number: int
    offset: int
    priority: int
    expires: float
    attempts: int = 0
    taken: bool = False

    def expired(self, now: float) -> bool:
        return self.expires != FOR_EVER and self.expires <= now


@dataclass(frozen=True, slots=True)
class Cursor:
    """What must be kept of a queue so that the log can be read into it again.

    Items are numbered in the order of acceptance. All below `floor` are settled, and so are `settled` (pairs of
    first and count) above it. `floor_offset` is the log's offset of the floor; entries from `upto` on came later.
    """

    floor: int = 0
    floor_offset: int = 0
    upto: int = 0
    settled: tuple[tuple[int, int], ...] = ()
    delivered: int = 0
    expired: int = 0
    dropped: int = 0
    accepted: int = 0


@dataclass(frozen=True, slots=True)
class Logged:
    """An entry of the log that names a queue."""

    offset: int
    priority: int
    expires: float


@dataclass(slots=True, eq=False)
class Queue:
    """`wake` is called whenever an item becomes ready to take. `changed` says that the cursor moved since asked."""

    endpoint: str
    wake: Callable[[Queue], None] | None = None
    changed: bool = False
    accepted: int = 0
    delivered: int = 0
    expired: int = 0
    dropped: int = 0
    _floor: int = 0
    _upto: int = 0
    _settled: set[int] = field(default_factory=set)
    _items: dict[int, Item] = field(default_factory=dict)
    _ready: list[tuple[int, int]] = field(default_factory=list)

    def __len__(self) -> int:
        """How many are pending: ready or taken, and not settled."""
        return len(self._items)

    @property
    def counters(self) -> Counters:
        return Counters(self.accepted, self.delivered, self.expired, self.dropped, len(self._items))

    @property
    def floor_offset(self) -> int:
        """The log may let go of what is below, as far as this queue is concerned."""
        floor = self._items.get(self._floor)
        return floor.offset if floor else self._upto

    def add(self, entry: Logged) -> None:
        """A new message; offsets grow from call to call."""
        self._put(Item(self.accepted, entry.offset, entry.priority, entry.expires))
        self.accepted += 1
        self._upto = entry.offset + 1

    def __contains__(self, number: int) -> bool:
        """Whether the item of this number is pending."""
        return number in self._items

    def head(self) -> Item | None:
        """What `take` would give next, unless it has expired."""
        while self._ready:
            item = self._items.get(self._ready[0][1])
            if item is not None and not item.taken:
                return item
            heapq.heappop(self._ready)
        return None

    def take(self, now: float) -> Item | None:
        """The next item in order of priority, then acceptance. Whoever takes it settles it or gives it back."""
        while (item := self.head()) is not None:
            heapq.heappop(self._ready)
            if item.expired(now):
                self.expire(item)
                continue
            item.taken = True
            item.attempts += 1
            return item
        return None

    def give_back(self, item: Item) -> None:
        """It was not delivered: it is ready again, in its old place."""
        if self._items.get(item.number) is item and item.taken:
            item.taken = False
            self._make_ready(item)

    def deliver(self, item: Item) -> None:
        """The receiver has it."""
        self.delivered += self._settle(item)

    def expire(self, item: Item) -> None:
        """Its time is over."""
        self.expired += self._settle(item)

    def drop(self, item: Item) -> None:
        """It can never be delivered, or policy says that it goes."""
        self.dropped += self._settle(item)

    def sweep(self, now: float) -> int:
        """Expire what waits too long; how many."""
        over = [item for item in self._items.values() if not item.taken and item.expired(now)]
        for item in over:
            self.expire(item)
        self._tidy()
        return len(over)

    def drop_below(self, offset: int) -> int:
        """Drop what stands before an offset of the log and is not out for delivery; how many."""
        old = [item for item in self._items.values() if not item.taken and item.offset < offset]
        for item in old:
            self.drop(item)
        self._tidy()
        return len(old)

    def purge(self) -> int:
        """Drop everything that is pending; how many."""
        items = list(self._items.values())
        for item in items:
            self.drop(item)
        return len(items)

    def begin_anew(self, upto: int) -> None:
        """Forget everything; the log's entries below `upto` are not this queue's any more."""
        self._items.clear()
        self._settled.clear()
        self._ready.clear()
        self.restore(Cursor(floor_offset=upto, upto=upto), ())

    def cursor(self) -> Cursor:
        """What to keep; says that nothing has changed since."""
        self.changed = False
        return Cursor(
            floor=self._floor,
            floor_offset=self.floor_offset,
            upto=self._upto,
            settled=_runs(self._settled),
            delivered=self.delivered,
            expired=self.expired,
            dropped=self.dropped,
            accepted=self.accepted,
        )

    def restore(self, cursor: Cursor, entries: Sequence[Logged]) -> None:
        """Begin as the cursor says, with every entry of the log for this queue that is still there, in order.

        Entries that the log has lost are counted as dropped, so that the accounts add up.
        """
        self.accepted, self._floor, self._upto = cursor.accepted, cursor.floor, cursor.upto
        self.delivered, self.expired, self.dropped = cursor.delivered, cursor.expired, cursor.dropped
        self._settled = {number for first, count in cursor.settled for number in range(first, first + count)}
        old = [entry for entry in entries if cursor.floor_offset <= entry.offset < cursor.upto]
        lost = cursor.accepted - cursor.floor - len(old)
        for number in range(cursor.floor, cursor.accepted):
            self._restore_item(number, old[number - cursor.floor - lost] if number >= cursor.floor + lost else None)
        self._advance()
        for entry in entries:
            if entry.offset >= cursor.upto:
                self.add(entry)

    def _restore_item(self, number: int, entry: Logged | None) -> None:
        if number in self._settled:
            return
        if entry is None:
            self.dropped += 1
            self._settled.add(number)
        else:
            self._put(Item(number, entry.offset, entry.priority, entry.expires))

    def _put(self, item: Item) -> None:
        self._items[item.number] = item
        self._make_ready(item)

    def _make_ready(self, item: Item) -> None:
        heapq.heappush(self._ready, (item.priority, item.number))
        if self.wake is not None:
            self.wake(self)

    def _tidy(self) -> None:
        """What was settled without being taken still stands in the line: where nobody takes, that would only grow."""
        self._ready = [(item.priority, item.number) for item in self._items.values() if not item.taken]
        heapq.heapify(self._ready)

    def _settle(self, item: Item) -> int:
        """Take it off the books; 1, or 0 where that was done before."""
        if self._items.get(item.number) is not item:
            return 0
        del self._items[item.number]
        self._settled.add(item.number)
        self._advance()
        self.changed = True
        return 1

    def _advance(self) -> None:
        while self._floor in self._settled:
            self._settled.discard(self._floor)
            self._floor += 1


def _runs(numbers: Iterable[int]) -> tuple[tuple[int, int], ...]:
    """The numbers as pairs of first and count."""
    runs: list[tuple[int, int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][0] + runs[-1][1]:
            runs[-1] = (runs[-1][0], runs[-1][1] + 1)
        else:
            runs.append((number, 1))
    return tuple(runs)
