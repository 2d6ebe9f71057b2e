"""What the log holds for whom, so that a start need not read it all: every few thousand entries, once."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable

import msgspec

from hotori.hub.queue import Queue
from hotori.store.records import Records

COLLECTION = "queue-index"
PAGE = 20_000
"""So many entries of the log, at most, are read at a start."""
_AT_ONCE = 8


class _Stretch(msgspec.Struct, array_like=True):
    """What one lane had pending of the entries of a page: their offsets and expiries, as the machine keeps numbers."""

    endpoint: str
    route: str
    priority: int
    offsets: bytes
    expires: bytes


class Page(msgspec.Struct, array_like=True):
    """The entries from `first` to before `end`."""

    first: int
    end: int
    stretches: list[_Stretch]


class QueueIndex:
    """Pages that follow one another without a gap; `end` is where the last one ends.

    What was settled after a page was made is known from the lanes' cursors.
    """

    def __init__(self, records: Records) -> None:
        self._records = records
        self._pages: list[int] = []
        self.end = 0

    async def load(self, floor: int, log_end: int, queue: Callable[[str], Queue]) -> int:
        """Give the queues what is in the pages; the offset of the log from which the rest is to be read.

        `floor` is where that would begin without pages. Pages that speak of what the log does not have are let go.
        """
        self.end, after = floor, ""
        while batch := await self._records.list(COLLECTION, after=after, limit=_AT_ONCE):
            after = batch[-1].key
            self._pages += [int(record.key) for record in batch]
            for record in batch:
                self._read(msgspec.msgpack.decode(record.value, type=Page), log_end, queue)
        await self._drop([end for end in self._pages if end > self.end])
        return self.end

    def _read(self, page: Page, log_end: int, queue: Callable[[str], Queue]) -> None:
        """A page that follows the last one, and that the log has."""
        if page.first > self.end or not self.end < page.end <= log_end:
            return
        for stretch in page.stretches:
            offsets, expires = array("Q", stretch.offsets), array("d", stretch.expires)
            queue(stretch.endpoint).lane(stretch.route, stretch.priority).replay_page(offsets, expires, self.end)
        self.end = page.end

    def page(self, queues: Iterable[Queue], end: int) -> Page:
        """What is pending of the entries from the last page to before `end`."""
        page = Page(self.end, end, [])
        for queue in queues:
            for lane in queue.lanes:
                offsets, expires = lane.pending_between(self.end, end)
                if offsets:
                    stretch = _Stretch(queue.endpoint, lane.route, lane.priority, offsets.tobytes(), expires.tobytes())
                    page.stretches.append(stretch)
        return page

    async def grow(self, page: Page) -> None:
        """Keep a page. The lanes' cursors were saved after it was made: what is settled since, they know."""
        await self._records.put(COLLECTION, _name(page.end), msgspec.msgpack.encode(page))
        self._pages.append(page.end)
        self.end = page.end

    async def trim(self, floor: int) -> None:
        """Let go of pages of which nothing is pending."""
        gone = [end for end in self._pages if end <= floor]
        if gone:
            await self._drop(gone)

    async def _drop(self, pages: list[int]) -> None:
        for end in pages:
            await self._records.delete(COLLECTION, _name(end))
        self._pages = [end for end in self._pages if end not in pages]


def _name(end: int) -> str:
    return f"{end:020}"
