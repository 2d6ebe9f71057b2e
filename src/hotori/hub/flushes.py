"""What is to be done at the end of this turn of the loop: one callback for all who have something to send."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable


class Flushes:
    """Calls what was added, once each, in its order, when the callbacks that are ready now have run."""

    def __init__(self) -> None:
        self._waiting: deque[Callable[[], None]] = deque()

    def add(self, flush: Callable[[], None]) -> None:
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._call_all)
        self._waiting.append(flush)

    def _call_all(self) -> None:
        try:
            for _ in range(len(self._waiting)):
                self._waiting.popleft()()
        finally:
            if self._waiting:  # added meanwhile, or behind one that raised
                asyncio.get_running_loop().call_soon(self._call_all)
