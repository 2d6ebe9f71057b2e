"""What one turn of the loop appends to a log: written, flushed and answered together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from functools import partial


class Batch:
    """`entries` grow until the turn ends; the place of one in it never changes.

    Once it is done, the first `stored` entries are durable, at `first` and the offsets behind it, and `error` says
    what became of the others. One answer for many: a future for each would cost more than its entry.
    """

    __slots__ = ("_callbacks", "_done", "_last", "_push", "entries", "error", "first", "stored")

    def __init__(self, push: Callable[[], None] | None = None) -> None:
        self.entries: list[bytes] = []
        self.first = 0
        self.stored = 0
        self.error: Exception | None = None
        self._done = False
        self._callbacks: list[Callable[[Batch], object]] = []
        self._last: list[Callable[[], object]] | None = []
        self._push = push

    def push(self) -> None:
        """Have it written now, where more would be waited for until the turn ends."""
        if self._push is not None and not self._done:
            self._push()

    def done(self) -> bool:
        return self._done

    def add_done_callback(self, callback: Callable[[Batch], object]) -> None:
        """Called with the batch once it is done, in the order of these calls; now, where it is."""
        if self._done:
            callback(self)
        else:
            self._callbacks.append(callback)

    def add_last(self, callback: Callable[[], object]) -> None:
        """Called when all who wait for it have been told: at the end of `settle`, or soon, where that is over."""
        if self._last is None:
            asyncio.get_running_loop().call_soon(callback)
        else:
            self._last.append(callback)

    def settle(self, first: int, stored: int, error: Exception | None = None) -> None:
        """Say what became of the entries. Every callback is called, also where one before it raises."""
        self.first, self.stored, self.error = first, stored, error
        self._done = True
        callbacks = iter(self._callbacks)
        self._callbacks = []
        self._call(callbacks)

    def last(self) -> asyncio.Future[int]:
        """The offset of the entry that came in last, once it is durable."""
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.add_done_callback(partial(_answer, future, len(self.entries) - 1))
        return future

    def _call(self, callbacks: Iterator[Callable[[Batch], object]]) -> None:
        finished = False
        try:
            for callback in callbacks:
                callback(self)
            finished = True
            self._call_last()
        finally:
            if not finished:  # one could not take its answer; the others get theirs
                asyncio.get_running_loop().call_soon(self._call, callbacks)

    def _call_last(self) -> None:
        last, self._last = self._last, None
        call_each(iter(last or ()))


def call_each(callbacks: Iterator[Callable[[], object]]) -> None:
    """Call all of them, also those behind one that raises, which the loop is told of."""
    finished = False
    try:
        for callback in callbacks:
            callback()
        finished = True
    finally:
        if not finished:
            asyncio.get_running_loop().call_soon(call_each, callbacks)


def _answer(future: asyncio.Future[int], place: int, batch: Batch) -> None:
    if future.done():
        return
    if place < batch.stored:
        future.set_result(batch.first + place)
    else:
        assert batch.error is not None, "what is not stored was refused"
        future.set_exception(batch.error)
