"""How often messages to devices were delivered, kept over restarts (contract 1.5: the count has an end)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Mapping

import msgspec

from hotori.hub.queues import Queues
from hotori.problems import Problem
from hotori.store.records import Records

COLLECTION = "delivery-counts"
SAVE_SECONDS = 1.0

logger = logging.getLogger(__name__)


class DeliveryCounts:
    """Saved once a second where they changed, and on `close`: a crash forgets the last second's.

    `watch` names a queue once something is in it; it is watched until it is empty.
    """

    def __init__(self, queues: Queues, records: Records) -> None:
        self._queues, self._records = queues, records
        self._watched: set[str] = set()
        self._saved: dict[str, Mapping[int, int]] = {}
        self._keeper: asyncio.Task[None] | None = None

    async def start(self, endpoints: Collection[str]) -> None:
        """Give the messages that wait at these endpoints the counts that they had."""
        self._watched.update(endpoints)
        for endpoint in endpoints:
            record = await self._records.get(COLLECTION, endpoint)
            if record is not None:
                self._saved[endpoint] = msgspec.msgpack.decode(record.value, type=dict[int, int])
                self._restore(endpoint, self._saved[endpoint])
        self._keeper = asyncio.create_task(self._keep(), name="delivery counts")

    async def close(self) -> None:
        """Save what is not saved yet."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
            await self._save_all()

    def watch(self, endpoint: str) -> None:
        self._watched.add(endpoint)

    def _restore(self, endpoint: str, counts: Mapping[int, int]) -> None:
        """Each is taken, and given back as what it was."""
        queue = self._queues.queue(endpoint)
        for item in [*iter(lambda: queue.take(0.0), None)]:
            item.attempts = counts.get(item.offset, 0)
            queue.give_back(item)

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(SAVE_SECONDS)
            await self._save_all()

    async def _save_all(self) -> None:
        for endpoint in [*self._watched]:
            try:
                await self._save(endpoint)
            except Problem as problem:
                logger.error("Delivery counts could not be saved: %s", problem)
                return

    async def _save(self, endpoint: str) -> None:
        queue = self._queues.queue(endpoint)
        counts = queue.attempts()
        if counts != self._saved.get(endpoint, {}):
            if counts:
                await self._records.put(COLLECTION, endpoint, msgspec.msgpack.encode(counts))
                self._saved[endpoint] = counts
            else:
                await self._records.delete(COLLECTION, endpoint)
                self._saved.pop(endpoint, None)
        if not len(queue):
            self._watched.discard(endpoint)
