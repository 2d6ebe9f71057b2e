"""Follows the cloud's messages into the gallery, and tells those who wait that there is something new."""

from __future__ import annotations

import asyncio
import logging

from hotori.portal.dependencies import EventLog
from hotori.portal.gallery import Gallery
from hotori.problems import Problem

logger = logging.getLogger(__name__)

_LOOK_BACK = 10_000
"""Messages of the past that are read when the portal starts."""
_PAUSE = 2.0


class Feed:
    """The gallery, kept up to date by `run`."""

    def __init__(self, events: EventLog) -> None:
        self.gallery = Gallery()
        self._events = events
        self._news = asyncio.Event()

    async def run(self) -> None:
        """Follow for ever. A log that cannot be read now is tried again."""
        while True:
            try:
                await self._follow()
            except Problem as problem:
                logger.error("%s: %s %s", problem.code, problem.title(), problem.remedy())
                await asyncio.sleep(_PAUSE)

    async def changed(self, timeout: float) -> None:
        """Wait for the next message, at most so many seconds."""
        news = self._news
        try:
            async with asyncio.timeout(timeout):
                await news.wait()
        except TimeoutError:
            return

    async def _follow(self) -> None:
        start = max(self._events.first, self._events.next - _LOOK_BACK, self.gallery.position + 1)
        async for event in self._events.subscribe(start):
            self.gallery.add(event.offset, event.message)
            # Each waiter holds the event that it began to wait with.
            self._news.set()
            self._news = asyncio.Event()
