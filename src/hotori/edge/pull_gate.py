"""All images first: the modules of a plan wait until each has its image, or none goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable


class PullGate:
    """Holds the modules that fetch an image. The first that leaves without one lets the others go without passing."""

    def __init__(self, modules: Iterable[str]) -> None:
        self._all = frozenset(modules)
        self._fetching = set(self._all)
        self._over = asyncio.Event()
        self._failed = False

    def holds(self, module: str) -> bool:
        return module in self._all

    async def passed(self, module: str) -> bool:
        """Called with the image here; whether all of them are, once that is known."""
        self._fetching.discard(module)
        if not self._fetching:
            self._over.set()
        await self._over.wait()
        return not self._failed

    def left(self, module: str) -> None:
        """The module's chain has ended, wherever it was."""
        if module in self._fetching:
            self._failed = True
            self._over.set()
