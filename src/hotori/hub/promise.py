"""The answer to a message that was taken: durable, refused, or not known yet.

What many wait for together is a `Batch` of the log; what one message waits for alone (room, two logs) is a future.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import TypeAlias

from hotori.store.batch import Batch

Promise: TypeAlias = "Batch | asyncio.Future[int]"
Answer: TypeAlias = int | BaseException
"""Where the message stands in its log, or what became of it instead (CancelledError: the hub closed before)."""


def as_future(promise: Promise) -> asyncio.Future[int]:
    """The answer for one who waits; to be asked for before anything else is entered."""
    return promise.last() if isinstance(promise, Batch) else promise


def when_settled(promise: Promise, tell: Callable[[Answer], object]) -> None:
    """Have the outcome told; to be asked for before anything else is entered.

    That of a batch is told as soon as its messages are in their queues, before any of them can be delivered.
    """
    if isinstance(promise, Batch):
        promise.add_done_callback(partial(_tell_place, tell, len(promise.entries) - 1))
    else:
        promise.add_done_callback(lambda future: tell(outcome_of(future)))


def outcome_of(future: asyncio.Future[int]) -> Answer:
    """Of a future that is done."""
    if future.cancelled():
        return asyncio.CancelledError()
    return future.exception() or future.result()


def _tell_place(tell: Callable[[Answer], object], place: int, batch: Batch) -> None:
    if place < batch.stored:
        tell(batch.first + place)
    else:
        assert batch.error is not None, "what is not stored was refused"
        tell(batch.error)
