"""One route's messages to one endpoint: which wait, which are out for delivery, and the account of them all.

A core: it touches neither disk nor clock. Messages are named by their offsets in the log; what waits takes
sixteen bytes a message. They leave in the order of acceptance, so that what was settled is known from `front`, the
first that was never taken, and the few before it that are not settled yet.
"""

from __future__ import annotations

import heapq
from array import array
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import msgspec

from hotori.hub.account import Counters
from hotori.hub.envelope import FOR_EVER

_SLACK = 4096
"""So many entries that were taken may stand in front of those that wait."""


class Item(msgspec.Struct, eq=False):
    """A message that was taken for delivery, or given back since. `attempts` counts the times that it was taken."""

    lane: Lane
    offset: int
    expires: float
    attempts: int = 0

    def expired(self, now: float) -> bool:
        return self.expires != FOR_EVER and self.expires <= now


@dataclass(frozen=True, slots=True)
class LaneCursor:
    """What must be kept of a lane so that the log can be read into it again.

    Entries from `upto` on came later. Those from `front` on are pending, but for those in `gaps` (pairs of first
    and end offsets); of those before it only `early` are pending.
    """

    route: str
    priority: int
    upto: int = 0
    front: int = 0
    early: tuple[int, ...] = ()
    gaps: tuple[tuple[int, int], ...] = ()
    accepted: int = 0
    delivered: int = 0
    expired: int = 0
    dropped: int = 0
    lost: int = 0

    def fitting(self, end: int) -> LaneCursor:
        """The cursor, or where the log has lost its end since: one for which what comes from there on is new."""
        if self.upto <= end:
            return self
        gaps = tuple((first, min(last, end)) for first, last in self.gaps if first < end)
        return replace(self, upto=end, front=min(self.front, end), gaps=gaps)


class Lane:
    """Messages of one priority. `changed` says that something was settled since the last cursor."""

    def __init__(self, route: str, priority: int) -> None:
        self.route, self.priority = route, priority
        self.changed = False
        self.accepted = self.delivered = self.expired = self.dropped = self.lost = 0
        self._offsets: array[int] = array("Q")
        self._expires: array[float] = array("d")
        self._start = 0
        """Where in these two arrays those begin that wait."""
        self._back: list[tuple[int, Item]] = []
        self._out: dict[int, Item] = {}
        self._gaps: list[tuple[int, int]] = []
        self._upto = self._saved_upto = self._restored_front = 0
        self._early: frozenset[int] = frozenset()

    def __len__(self) -> int:
        """How many are pending: ready or out, and not settled."""
        return self.accepted - self.delivered - self.expired - self.dropped

    def __contains__(self, offset: int) -> bool:
        """Whether the message of this offset is pending."""
        if offset in self._out or any(waiting == offset for waiting, _ in self._back):
            return True
        at = bisect_left(self._offsets, offset, self._start)
        return at < len(self._offsets) and self._offsets[at] == offset

    @property
    def counters(self) -> Counters:
        return Counters(self.accepted, self.delivered, self.expired, self.dropped, len(self), self.lost)

    @property
    def grown(self) -> bool:
        """Whether something was accepted since the last cursor."""
        return self._upto != self._saved_upto

    @property
    def front(self) -> int:
        """The first offset that was never taken."""
        return self._offsets[self._start] if self._start < len(self._offsets) else self._upto

    @property
    def floor(self) -> int:
        """The log may let go of what is below, as far as this lane is concerned."""
        back = self._back[0][0] if self._back else self.front
        return min(min(self._out, default=back), back)

    def add(self, offsets: range, expires: float) -> None:
        """New messages that live equally long; offsets grow from call to call."""
        count = len(offsets)
        if count == 1:
            self._offsets.append(offsets.start)
            self._expires.append(expires)
        else:
            self._offsets.extend(offsets)
            self._expires.extend([expires] * count)
        self.accepted += count
        self._upto = offsets.stop

    def first(self) -> int | None:
        """The offset of what `take` would give, unless it has expired."""
        if self._back:
            return self._back[0][0]
        return self._offsets[self._start] if self._start < len(self._offsets) else None

    def take(self, now: float) -> Item | None:
        """The oldest that is ready. Whoever takes it settles it or gives it back."""
        while (item := self._next()) is not None:
            self._out[item.offset] = item
            if not item.expired(now):
                item.attempts += 1
                return item
            self.expire(item)
        return None

    def take_run(self, most: int, now: float) -> list[Item]:
        """The oldest that are ready, up to so many."""
        items: list[Item] = []
        while len(items) < most:
            if self._back or not (fresh := self._take_fresh(most - len(items), now)):
                if (one := self.take(now)) is None:
                    break
                fresh = [one]
            items += fresh
        return items

    def _take_fresh(self, most: int, now: float) -> list[Item]:
        """Some that were never taken and live equally long; none where the first of them has expired."""
        at = self._start
        offsets, lives = self._offsets[at : at + most], self._expires[at : at + most]
        life = lives[0] if lives else now
        if FOR_EVER != life <= now:
            return []
        if lives.count(life) < len(lives):
            offsets = offsets[: next(place for place, other in enumerate(lives) if other != life)]
        items = [Item(self, offset, life, 1) for offset in offsets]
        self._out.update(zip(offsets, items, strict=True))
        self._advance(at + len(items))
        return items

    def give_back(self, item: Item) -> bool:
        """It was not delivered: it is ready again, in its old place. False where it was settled before."""
        if self._out.get(item.offset) is not item:
            return False
        del self._out[item.offset]
        heapq.heappush(self._back, (item.offset, item))
        return True

    def has_out(self, item: Item) -> bool:
        """Whether it is out for delivery: not settled and not given back."""
        return self._out.get(item.offset) is item

    def settle(self, item: Item) -> int:
        """Take it off the books, to be counted as one thing or another; 1, or 0 where that was done before."""
        if self._out.get(item.offset) is not item:
            return 0
        del self._out[item.offset]
        self.changed = True
        return 1

    def deliver(self, item: Item) -> None:
        """The receiver has it."""
        self.delivered += self.settle(item)

    def deliver_each(self, items: Sequence[Item]) -> None:
        """The receiver has all of these."""
        out, count = self._out, len(items)
        for item in items:
            offset = item.offset
            if out.get(offset) is item:
                del out[offset]
            else:
                count -= 1
        self.delivered += count
        self.changed = self.changed or count > 0

    def expire(self, item: Item) -> None:
        """Its time is over."""
        self.expired += self.settle(item)

    def drop(self, item: Item) -> None:
        """It can never be delivered, or policy says that it goes."""
        self.dropped += self.settle(item)

    def sweep(self, now: float) -> int:
        """Expire what waits too long; how many."""
        over = self._keep_back([entry for entry in self._back if not entry[1].expired(now)])
        if any(FOR_EVER != expires <= now for expires in self._expires[self._start :]):
            over += self._remove_expired(now)
            self.changed = True
        self.expired += over
        return over

    def drop_below(self, offset: int) -> int:
        """Drop what is before an offset of the log and not out for delivery; how many."""
        gone = self._keep_back([entry for entry in self._back if entry[0] >= offset])
        until = bisect_left(self._offsets, offset, self._start)
        gone += until - self._start
        self._advance(until)
        self.dropped += gone
        self.changed = self.changed or gone > 0
        return gone

    def drop_oldest(self, most: int, until: int | None = None) -> int:
        """Drop up to so many of the oldest, and none from the offset `until` on; how many, at least one if there is."""
        if self._back:
            return self.drop_below(self._back[0][0] + 1)
        end = len(self._offsets) if until is None else bisect_left(self._offsets, until, self._start)
        count = min(most, end - self._start)
        return self.drop_below(self._offsets[self._start + count - 1] + 1) if count > 0 else 0

    def attempts(self) -> Iterator[tuple[int, int]]:
        """The offset of each pending message that was taken before, and how often."""
        return ((item.offset, item.attempts) for item in self._items() if item.attempts)

    def pending(self) -> Iterator[int]:
        """The offsets of what is not settled."""
        yield from self._out
        yield from (offset for offset, _ in self._back)
        yield from self._offsets[self._start :]

    def pending_between(self, first: int, end: int) -> tuple[array[int], array[float]]:
        """Offsets and expiries of what is pending there, in order."""
        early = sorted((item.offset, item.expires) for item in self._items() if first <= item.offset < end)
        begin, stop = (bisect_left(self._offsets, offset, self._start) for offset in (first, end))
        offsets, expires = array("Q", (offset for offset, _ in early)), array("d", (life for _, life in early))
        return offsets + self._offsets[begin:stop], expires + self._expires[begin:stop]

    def begin_anew(self, upto: int) -> None:
        """Forget everything; the log's entries below `upto` are not this lane's any more."""
        self._begin(LaneCursor(self.route, self.priority, upto, upto))

    def cursor(self) -> LaneCursor:
        """What to keep; says that nothing has changed since."""
        self.changed = False
        self._saved_upto = self._upto
        front = self.front
        self._gaps = [gap for gap in self._gaps if gap[1] > front]
        early = sorted([*self._out, *(offset for offset, _ in self._back)])
        return LaneCursor(
            *(self.route, self.priority, self._upto, front, tuple(early), tuple(self._gaps)),
            *(self.accepted, self.delivered, self.expired, self.dropped, self.lost),
        )

    def restore(self, cursor: LaneCursor) -> None:
        """Begin as the cursor says; then comes `replay` for each entry of the log, and `replayed` at the end."""
        self._begin(cursor)

    def replay(self, offset: int, expires: float) -> None:
        """An entry that the log still has; offsets grow from call to call."""
        if offset >= self._upto:
            self.add(range(offset, offset + 1), expires)
        elif offset in self._early:
            self._back.append((offset, Item(self, offset, expires)))
        elif offset >= self._restored_front and not any(first <= offset < end for first, end in self._gaps):
            self._offsets.append(offset)
            self._expires.append(expires)

    def replay_page(self, offsets: array[int], expires: array[float], first: int) -> None:
        """Entries from the offset `first` on that were pending once, of which the cursor knows all."""
        begin = bisect_left(offsets, max(first, self._restored_front))
        for offset, life in zip(offsets[:begin], expires[:begin], strict=True):
            if offset >= first:
                self.replay(offset, life)
        if self._gaps:
            for offset, life in zip(offsets[begin:], expires[begin:], strict=True):
                self.replay(offset, life)
        else:
            self._offsets += offsets[begin:]
            self._expires += expires[begin:]

    def replayed(self) -> int:
        """The log was read to its end: what it has lost is counted as dropped, so that all adds up; how many."""
        lost = len(self) - len(self._back) - (len(self._offsets) - self._start)
        self.dropped += lost
        self.lost += lost
        self.changed = self.changed or lost > 0
        self._early = frozenset()
        return lost

    def _begin(self, cursor: LaneCursor) -> None:
        self.accepted, self.delivered, self.expired = cursor.accepted, cursor.delivered, cursor.expired
        self.dropped, self.lost = cursor.dropped, cursor.lost
        self._upto = self._saved_upto = cursor.upto
        self._restored_front = cursor.front
        self._early, self._gaps = frozenset(cursor.early), list(cursor.gaps)
        self._offsets, self._expires, self._start = array("Q"), array("d"), 0
        self._back, self._out = [], {}

    def _items(self) -> Iterator[Item]:
        yield from self._out.values()
        yield from (item for _, item in self._back)

    def _next(self) -> Item | None:
        if self._back:
            return heapq.heappop(self._back)[1]
        at = self._start
        if at == len(self._offsets):
            return None
        item = Item(self, self._offsets[at], self._expires[at])
        self._advance(at + 1)
        return item

    def _advance(self, start: int) -> None:
        """What waits begins at this index; in front of it is let go now and then."""
        self._start = start
        if start == len(self._offsets) or start > _SLACK:
            del self._offsets[:start], self._expires[:start]
            self._start = 0

    def _keep_back(self, kept: list[tuple[int, Item]]) -> int:
        """Let go of what was given back, but for these; how many went."""
        gone = len(self._back) - len(kept)
        heapq.heapify(kept)
        self._back = kept
        self.changed = self.changed or gone > 0
        return gone

    def _remove_expired(self, now: float) -> int:
        """Take what has expired out of what waits; how many."""
        kept: array[int] = array("Q")
        lives: array[float] = array("d")
        removed: int | None = None
        for at in range(self._start, len(self._offsets)):
            offset, expires = self._offsets[at], self._expires[at]
            if FOR_EVER != expires <= now:
                removed = offset if removed is None else removed
                continue
            if removed is not None:
                self._gaps.append((removed, offset))
                removed = None
            kept.append(offset)
            lives.append(expires)
        if removed is not None:
            self._gaps.append((removed, self._upto))
        gone = len(self._offsets) - self._start - len(kept)
        self._offsets, self._expires, self._start = kept, lives, 0
        self._gaps.sort()
        return gone
