"""One endpoint's queue, in memory: a lane for each route that leads to it.

A core: it touches neither disk nor clock, and will not decide who takes from it nor keep the messages. For
every lane at every moment: accepted = delivered + expired + dropped + pending.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from hotori.hub.account import Account, Counters
from hotori.hub.lane import Item, Lane, LaneCursor
from hotori.hub.outcome import Outcome

NOTHING_URGENT = (sys.maxsize, sys.maxsize)
"""The urgency of a queue where nothing is ready."""


@dataclass(slots=True, eq=False)
class Queue:
    """`wake` is called whenever an item becomes ready to take, `settled` when a receiver has settled one.

    Where there is a `came`, it is called instead when new messages have been added.
    """

    endpoint: str
    wake: Callable[[Queue], None] | None = None
    came: Callable[[Queue], None] | None = None
    settled: Callable[[Queue, Item, Outcome], None] | None = None
    _lanes: dict[tuple[str, int], Lane] = field(default_factory=dict)
    _only: Lane | None = None
    """The one lane, while there is just one: nothing needs to be compared then."""

    def __len__(self) -> int:
        """How many are pending: ready or taken, and not settled."""
        return sum(len(lane) for lane in self._lanes.values())

    def __contains__(self, offset: int) -> bool:
        """Whether the message at this offset of the log is pending."""
        return any(offset in lane for lane in self._lanes.values())

    @property
    def counters(self) -> Counters:
        return sum((lane.counters for lane in self._lanes.values()), Counters())

    @property
    def lanes(self) -> Collection[Lane]:
        return self._lanes.values()

    @property
    def accounts(self) -> tuple[Account, ...]:
        """What each route brought here."""
        return tuple(Account(self.endpoint, lane.route, lane.priority, lane.counters) for lane in self._lanes.values())

    @property
    def changed(self) -> bool:
        """Whether anything was settled since the last `cursors`."""
        return any(lane.changed for lane in self._lanes.values())

    @property
    def grown(self) -> bool:
        """Whether anything was accepted since the last `cursors`."""
        return any(lane.grown for lane in self._lanes.values())

    @property
    def floor(self) -> int:
        """The log may let go of what is below, as far as this queue is concerned."""
        return min((lane.floor for lane in self._lanes.values() if len(lane)), default=sys.maxsize)

    def lane(self, route: str, priority: int) -> Lane:
        """What one route brings here at one priority; begins to be when it is first asked for."""
        lane = self._lanes.get((route, priority))
        if lane is None:
            lane = self._lanes[route, priority] = Lane(route, priority)
            self._only = lane if len(self._lanes) == 1 else None
        return lane

    def add(self, offsets: range, priority: int, expires: float, route: str = "") -> None:
        """New messages; offsets grow from call to call. Who adds calls `arrived` when all is added."""
        lane = self._lanes.get((route, priority))
        if lane is None:
            lane = self.lane(route, priority)
        lane.add(offsets, expires)

    def arrived(self) -> None:
        """Say that messages were added."""
        if (tell := self.came or self.wake) is not None:
            tell(self)

    def urgency(self) -> tuple[int, int]:
        """Priority and offset of what `take` would give next, unless it has expired; less is more urgent."""
        return self._most_urgent()[0]

    def take(self, now: float) -> Item | None:
        """The next in order of priority, then acceptance. Whoever takes it settles it or gives it back."""
        if self._only is not None:
            return self._only.take(now)
        while (lane := self._most_urgent()[1]) is not None:
            item = lane.take(now)
            if item is not None:
                return item
        return None

    def take_run(self, most: int, now: float) -> list[Item]:
        """As many as can be taken one after another, up to a number of them."""
        if self._only is not None:
            return self._only.take_run(most, now)
        items: list[Item] = []
        while len(items) < most and (item := self.take(now)) is not None:
            items.append(item)
        return items

    def give_back(self, item: Item) -> None:
        """It was not delivered: it is ready again, in its old place."""
        if item.lane.give_back(item) and self.wake is not None:
            self.wake(self)

    def deliver(self, item: Item) -> None:
        """The receiver has it."""
        item.lane.deliver(item)
        if self.settled is not None:
            self.settled(self, item, Outcome.DELIVERED)

    def deliver_each(self, items: Sequence[Item]) -> None:
        """The receiver has all of these."""
        if self.settled is None and (only := self._only) is not None:
            only.deliver_each(items)
        else:
            for item in items:
                self.deliver(item)

    def drop(self, item: Item, outcome: Outcome = Outcome.PURGED) -> None:
        """It can never be delivered, or policy says that it goes."""
        item.lane.drop(item)
        if self.settled is not None:
            self.settled(self, item, outcome)

    def pending(self) -> Iterator[int]:
        """The offsets of what is not settled."""
        for lane in self._lanes.values():
            yield from lane.pending()

    def attempts(self) -> dict[int, int]:
        """How often each pending message was taken, by its offset; without those that never were."""
        return dict(pair for lane in self._lanes.values() for pair in lane.attempts())

    def sweep(self, now: float) -> int:
        """Expire what waits too long; how many."""
        return sum(lane.sweep(now) for lane in self._lanes.values())

    def drop_below(self, offset: int) -> int:
        """Drop what stands before an offset of the log and is not out for delivery; how many."""
        return sum(lane.drop_below(offset) for lane in self._lanes.values())

    def begin_anew(self, upto: int) -> None:
        """Forget everything; the log's entries below `upto` are not this queue's any more."""
        for lane in self._lanes.values():
            lane.begin_anew(upto)

    def cursors(self) -> tuple[LaneCursor, ...]:
        """What to keep; says that nothing has changed since."""
        return tuple(lane.cursor() for lane in self._lanes.values())

    def touch(self) -> None:
        """What `cursors` gave was not kept after all."""
        for lane in self._lanes.values():
            lane.changed = True

    def restore(self, cursors: Iterable[LaneCursor]) -> None:
        """Begin as these say. Then the log is read: `replay` for each entry, in order, and `replayed` at its end."""
        for cursor in cursors:
            self.lane(cursor.route, cursor.priority).restore(cursor)

    def replay(self, offset: int, priority: int, expires: float, route: str) -> None:
        """An entry that the log still has."""
        self.lane(route, priority).replay(offset, expires)

    def replayed(self) -> int:
        """The log was read to its end; how many messages it has lost, which are counted as dropped."""
        return sum(lane.replayed() for lane in self._lanes.values())

    def _most_urgent(self) -> tuple[tuple[int, int], Lane | None]:
        """The lane whose first message goes next, and that message's priority and offset."""
        if (only := self._only) is not None:
            first = only.first()
            return (NOTHING_URGENT, None) if first is None else ((only.priority, first), only)
        found: Lane | None = None
        best = NOTHING_URGENT
        for lane in self._lanes.values():
            first = lane.first()
            if first is not None and (lane.priority, first) < best:
                found, best = lane, (lane.priority, first)
        return best, found
