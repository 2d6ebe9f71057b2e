"""The twin of one of the device's own identities (`$edgeAgent`, `$edgeHub`), through the hub's copy of it.

The copy is durable and the hub keeps it in step with the cloud: what is desired survives a restart without a
cloud, and what is reported meanwhile goes up when there is one.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TypeAlias

from hotori.hub.twins import TwinChange, TwinNotReadyError, Twins
from hotori.model.identity import Identity
from hotori.model.json import JsonObject
from hotori.model.twin import difference
from hotori.problems import Problem

_log = logging.getLogger(__name__)
OnDesired: TypeAlias = Callable[[JsonObject, int], None]


class OwnTwin:
    """`on_desired` is called with the whole of what is desired and its version, at the start and after each change.

    Reporting is by difference (contract 4.1), one write at a time; of reports that wait only the last is sent.
    """

    def __init__(self, twins: Twins, identity: Identity, on_desired: OnDesired) -> None:
        self._twins, self._identity, self._on_desired = twins, identity, on_desired
        self._wanted: JsonObject | None = None
        self._wake = asyncio.Event()
        twins.desired_watchers.append(self._changed)

    async def start(self) -> None:
        """Tell what was desired when the device last knew."""
        record = await self._twins.peek(self._identity)
        if record.synced:
            self._on_desired(record.twin.desired.values, record.twin.desired.version)

    def report(self, values: JsonObject) -> None:
        """What shall stand as reported: all of it."""
        if values != self._wanted:
            self._wanted = values
            self._wake.set()

    async def run(self) -> None:
        """Write reports as they come, for ever."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            await self.write()

    async def write(self) -> None:
        """Write what is to be reported, if it differs from what stands."""
        try:
            standing = (await self._twins.get(self._identity)).reported.values
            if self._wanted is not None and (patch := difference(standing, self._wanted)):
                await self._twins.patch_reported(self._identity, patch)
        except TwinNotReadyError:
            self._wake.set()
        except Problem as problem:
            _log.error("the report of %s was not taken: %s", self._identity, problem.cause())

    def _changed(self, change: TwinChange) -> None:
        if change.identity == self._identity:
            self._on_desired(change.twin.desired.values, change.twin.desired.version)


def key_safe(name: str) -> str:
    """A name as a twin's key may have it (contract 4.2)."""
    return name.replace("%", "%25").replace(".", "%2E").replace("$", "%24").replace("#", "%23").replace(" ", "%20")
