"""A store's own thread: it takes everything that waits and performs it together."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Generic, TypeAlias, TypeVar

J = TypeVar("J")
R = TypeVar("R")
Answers: TypeAlias = "list[R | Exception]"

LARGEST_BATCH = 4096
"""More than this at once would keep the first of them waiting for long."""


class StoreClosedError(Exception):
    """The store was closed; it takes no more work."""


@dataclass(frozen=True, slots=True)
class _Job(Generic[J, R]):
    order: J
    answer: asyncio.Future[R]


class Worker(Generic[J, R]):
    """Runs `perform` in a thread of its own, on whatever has gathered while it was busy.

    `perform` gets the orders in the sequence of their submission and answers each with a result or an
    exception to raise; an exception that it raises itself is everybody's answer. One event loop at a time.
    """

    def __init__(self, name: str, perform: Callable[[Sequence[J]], Sequence[R | Exception]]) -> None:
        self._perform = perform
        self._waiting: SimpleQueue[_Job[J, R] | None] = SimpleQueue()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def submit(self, order: J) -> asyncio.Future[R]:
        """Queue an order; the future is its answer. Raises StoreClosedError."""
        if self._closed:
            raise StoreClosedError(self._thread.name)
        answer: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.put(_Job(order, answer))
        return answer

    async def close(self) -> None:
        """Perform what is queued, then end the thread. Closing twice does no harm."""
        if not self._closed:
            self._closed = True
            self._waiting.put(None)
        await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        while jobs := self._gather():
            try:
                results = self._perform([job.order for job in jobs])
            except Exception as error:  # noqa: BLE001 - the guard of this thread: the askers get the error
                results = [error] * len(jobs)
            with contextlib.suppress(RuntimeError):  # the loop was closed and nobody waits any more
                jobs[0].answer.get_loop().call_soon_threadsafe(_answer, jobs, results)

    def _gather(self) -> list[_Job[J, R]]:
        """Wait for a job, and take what waits behind it; empty means the end."""
        jobs: list[_Job[J, R]] = []
        job = self._waiting.get()
        with contextlib.suppress(Empty):
            while job is not None:
                jobs.append(job)
                if len(jobs) == LARGEST_BATCH:
                    return jobs
                job = self._waiting.get_nowait()
            if jobs:
                self._waiting.put(None)
        return jobs


def _answer(jobs: Sequence[_Job[J, R]], results: Sequence[R | Exception]) -> None:
    for job, result in zip(jobs, results, strict=True):
        if job.answer.done():
            continue
        if isinstance(result, Exception):
            job.answer.set_exception(result)
        else:
            job.answer.set_result(result)
