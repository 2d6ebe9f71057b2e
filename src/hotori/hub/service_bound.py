"""What the hub has to say to services: feedback on their messages, and files that arrived (contract 2.8).

Durable queues that a service polls; what nobody fetches within an hour goes.
"""

from __future__ import annotations

import logging
from asyncio import Future
from collections.abc import Callable
from enum import StrEnum
from typing import Any

import msgspec

from hotori.hub.courier import Terms
from hotori.hub.envelope import Delivery
from hotori.hub.locks import Locks
from hotori.hub.queues import Queues
from hotori.model.json import JsonObject
from hotori.model.message import Message

TIME_TO_LIVE = 3600.0
MOST_RECORDS = 64
"""Feedback records that are fetched at once."""
SERVICE_TERMS = Terms(patience=60.0, most_attempts=10)

logger = logging.getLogger(__name__)


class ServiceQueue(StrEnum):
    """The queues that services can fetch from; the values are their endpoints."""

    FEEDBACK = "service:feedback"
    FILES = "service:filenotifications"


class ServiceBound:
    """Records on their way to services. `locks` are where they are fetched."""

    def __init__(self, queues: Queues, clock: Callable[[], float], chance: Callable[[int], bytes]) -> None:
        self.locks = Locks(queues, SERVICE_TERMS, clock, chance)
        self._queues, self._clock = queues, clock

    def tell(self, queue: ServiceQueue, record: JsonObject) -> Future[int]:
        """Queue a record; the future is done once it is durable."""
        now = self._clock()
        message = Message(msgspec.json.encode(record), enqueued_at=now)
        stored = self._queues.submit(message, (Delivery(queue.value, 0, now + TIME_TO_LIVE),))
        stored.add_done_callback(_stored)
        return stored

    def close(self) -> None:
        self.locks.close()


def _stored(stored: Future[Any]) -> None:
    """Who told may not be waiting: what cannot be kept is said in the log."""
    if not stored.cancelled() and (error := stored.exception()) is not None:
        logger.error("A record for services could not be kept: %s", error)
