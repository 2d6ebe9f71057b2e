"""Follows the desired properties through changes, gaps and reconnections."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias

from hotori.model.json import JsonObject
from hotori.model.twin import Section, difference, without_control

DesiredHandler: TypeAlias = Callable[[JsonObject, int], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class DesiredPatch:
    """A change the hub told of: a merge patch, and the version it leads to."""

    patch: JsonObject
    version: int


def follow(known: Section | None, change: DesiredPatch) -> Section | None:
    """What is desired after a change, or None where something in between was missed and must be read anew.

    An old change (the hub may repeat itself) leaves what is known as it is.
    """
    if known is None or change.version > known.version + 1:
        return None
    return known if change.version <= known.version else known.patched(without_control(change.patch))


def catch_up(known: Section | None, read: Section) -> DesiredPatch | None:
    """What to tell of the desired properties as just read: everything at first, then the difference, or nothing."""
    if known is None:
        return DesiredPatch(read.values, read.version)
    if known.version == read.version:
        return None
    return DesiredPatch(difference(known.values, read.values), read.version)


class DesiredFollower:
    """Tells a handler of every change once, in order. `read` gets the whole from the hub."""

    def __init__(
        self,
        read: Callable[[], Awaitable[Section]],
        on_failure: Callable[[str, Exception], None],
        retry: float = 5.0,
    ) -> None:
        self._read, self._on_failure, self._retry = read, on_failure, retry
        self._changes: asyncio.Queue[DesiredPatch | None] = asyncio.Queue()
        self._handler: DesiredHandler | None = None
        self.known: Section | None = None

    @property
    def followed(self) -> bool:
        return self._handler is not None

    def handle_with(self, handler: DesiredHandler) -> None:
        self._handler = handler

    def changed(self, change: DesiredPatch) -> None:
        self._changes.put_nowait(change)

    def reconnected(self) -> None:
        """Changes may have been missed."""
        if self.followed:
            self._changes.put_nowait(None)

    async def run(self) -> None:
        """Tell of changes, until cancelled."""
        while True:
            change = await self._changes.get()
            after = follow(self.known, change) if change is not None else None
            if after is None:
                await self._catch_up()
            elif change is not None and after is not self.known:
                self.known = after
                await self._tell(DesiredPatch(without_control(change.patch), change.version))

    async def _catch_up(self) -> None:
        try:
            section = await self._read()
        except Exception as error:  # noqa: BLE001 - the hub refused or sent nonsense: said, and tried again
            self._on_failure("the twin", error)
            asyncio.get_running_loop().call_later(self._retry, self.reconnected)
            return
        change = catch_up(self.known, section)
        self.known = section
        if change is not None:
            await self._tell(change)

    async def _tell(self, change: DesiredPatch) -> None:
        if self._handler is None:
            return
        try:
            await self._handler(change.patch, change.version)
        except Exception as error:  # noqa: BLE001 - the handler is the program's: the next change comes all the same
            self._on_failure(f"desired properties {change.version}", error)
