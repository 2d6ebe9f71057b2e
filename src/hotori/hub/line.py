"""Work of one client that must wait for the disk: done one after the other, in the order it was asked for."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, TypeAlias

Work: TypeAlias = Callable[[], Coroutine[Any, Any, None]]

logger = logging.getLogger(__name__)


class Line:
    """Has a task only while there is work. `failed` is called, once, when work raises; the line then ends."""

    __slots__ = ("_closed", "_failed", "_task", "waiting")

    def __init__(self, failed: Callable[[], None]) -> None:
        self._failed = failed
        self.waiting: list[Work] = []  # an empty deque takes 760 bytes
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    def add(self, work: Work) -> None:
        if self._closed:
            return
        self.waiting.append(work)
        if self._task is None:
            self._task = asyncio.create_task(self._run())

    def close(self) -> None:
        """What was not begun is let go; what was begun ends."""
        self._closed = True
        self.waiting.clear()

    async def _run(self) -> None:
        try:
            while self.waiting:
                await self.waiting.pop(0)()
        except Exception:  # the guard of this line
            logger.exception("A request could not be served; its client is disconnected")
            self.close()
            self._failed()
        finally:
            self._task = None
