"""News of modules, for whoever listens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator


class Changes:
    """Tells all listeners the names of modules that something happened to."""

    def __init__(self) -> None:
        self._listeners: set[asyncio.Queue[str]] = set()

    def tell(self, name: str) -> None:
        for listener in self._listeners:
            listener.put_nowait(name)

    async def listen(self) -> AsyncIterator[str]:
        """An empty name first: from then on nothing is missed. Then names, for ever."""
        heard: asyncio.Queue[str] = asyncio.Queue()
        self._listeners.add(heard)
        try:
            yield ""
            while True:
                yield await heard.get()
        finally:
            self._listeners.discard(heard)
