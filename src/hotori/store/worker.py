"""A store's own thread: it takes everything that waits and performs it together."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from queue import Empty, SimpleQueue
from typing import Generic, TypeAlias, TypeVar

J = TypeVar("J")
R = TypeVar("R")
Answers: TypeAlias = "list[R | Exception]"
Answer: TypeAlias = "Callable[[R | Exception], None]"

LARGEST_BATCH = 4096
"""More than this at once would keep the first of them waiting for long."""


class StoreClosedError(Exception):
    """The store was closed; it takes no more work."""


class Worker(Generic[J, R]):
    """Runs `perform` in a thread of its own, on whatever has gathered while it was busy.

    `perform` gets the orders in the sequence of their submission and answers each with a result or an
    exception to raise; an exception that it raises itself is everybody's answer. One event loop at a time.
    """

    def __init__(self, name: str, perform: Callable[[Sequence[J]], Sequence[R | Exception]]) -> None:
        self._perform = perform
        self._loop: asyncio.AbstractEventLoop | None = None
        # What one turn of the loop orders changes threads together: one queue operation and one waking for all of it.
        self._gathered: list[tuple[J, Answer[R]]] = []
        self._waiting: SimpleQueue[list[tuple[J, Answer[R]]] | None] = SimpleQueue()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def check_open(self) -> None:
        """Raises StoreClosedError."""
        if self._closed:
            raise StoreClosedError(self._thread.name)

    def order(self, order: J, answer: Answer[R]) -> None:
        """Queue an order; `answer` is called on the loop, in the sequence of the orders. Raises StoreClosedError."""
        self.check_open()
        if not self._gathered:
            self._loop = asyncio.get_running_loop()
            self._loop.call_soon(self._hand_over)
        self._gathered.append((order, answer))

    def order_at_once(self, order: J, answer: Answer[R]) -> None:
        """The same for one who has gathered before: the order changes threads now."""
        self._loop = asyncio.get_running_loop()
        self._waiting.put([(order, answer)])

    def submit(self, order: J) -> asyncio.Future[R]:
        """The same for one who waits; the future is the answer."""
        future: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self.order(order, partial(_settle, future))
        return future

    async def close(self) -> None:
        """Perform what is queued, then end the thread. Closing twice does no harm."""
        if not self._closed:
            self._closed = True
            self._hand_over()
            self._waiting.put(None)
        await asyncio.to_thread(self._thread.join)

    def _hand_over(self) -> None:
        if self._gathered:
            gathered, self._gathered = self._gathered, []
            self._waiting.put(gathered)

    def _run(self) -> None:
        while jobs := self._gather():
            try:
                results = self._perform([order for order, _ in jobs])
            except Exception as error:  # noqa: BLE001 - the guard of this thread: the askers get the error
                results = [error] * len(jobs)
            assert self._loop is not None
            with contextlib.suppress(RuntimeError):  # the loop was closed and nobody waits any more
                answers = zip((answer for _, answer in jobs), results, strict=True)
                self._loop.call_soon_threadsafe(_answer, self._loop, answers)

    def _gather(self) -> list[tuple[J, Answer[R]]]:
        """Wait for a job, and take what waits behind it; empty means the end."""
        jobs: list[tuple[J, Answer[R]]] = []
        more = self._waiting.get()
        with contextlib.suppress(Empty):
            while more is not None:
                jobs += more
                if len(jobs) >= LARGEST_BATCH:
                    return jobs
                more = self._waiting.get_nowait()
            if jobs:
                self._waiting.put(None)
        return jobs


def _settle(future: asyncio.Future[R], result: R | Exception) -> None:
    """Give a future its result, or the exception to raise, unless nobody waits any more."""
    if future.done():
        return
    if isinstance(result, Exception):
        future.set_exception(result)
    else:
        future.set_result(result)


def _answer(loop: asyncio.AbstractEventLoop, answers: Iterator[tuple[Answer[R], R | Exception]]) -> None:
    finished = False
    try:
        for answer, result in answers:
            answer(result)
        finished = True
    finally:
        if not finished:  # one asker could not take its answer; the others get theirs
            loop.call_soon(_answer, loop, answers)
