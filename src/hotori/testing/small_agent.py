"""An edge agent without an engine: reads what it should run over a real connection, and reports what it is told to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from hotori.model.json import Json, JsonObject
from hotori.sdk.connection import HubConnection

Outcome = Callable[[str, JsonObject], JsonObject]
"""From a module's name and spec to the members of its report (`runtimeStatus`, `exitCode`, `statusDescription`)."""


def everything_runs(_: str, __: JsonObject) -> JsonObject:
    return {"runtimeStatus": "running"}


class SmallAgent:
    """`$edgeAgent` of one device. `seen` are the desired properties that it read last."""

    def __init__(self, connection: HubConnection, outcome: Outcome = everything_runs) -> None:
        self.outcome = outcome
        self.seen: JsonObject = {}
        self._connection = connection
        self._turn = asyncio.Lock()

    async def start(self) -> None:
        """Connect; every desired change is read and reported from then on."""
        self._connection.on_desired(self._changed)
        self._connection.start()
        await self._connection.wait_connected(10)

    async def close(self) -> None:
        await self._connection.close()

    async def _changed(self, _: JsonObject, __: int) -> None:
        async with self._turn:
            document = await self._connection.twin()
            self.seen = document.desired.values
            modules = self.seen.get("modules")
            specs = modules if isinstance(modules, dict) else {}
            reported: dict[str, Json] = {name: self.outcome(name, _spec(spec)) for name, spec in specs.items()}
            status: JsonObject = {"code": 200, "description": ""}
            await self._connection.report(
                {
                    "lastDesiredVersion": document.desired.version,
                    "lastDesiredStatus": status,
                    "modules": reported,
                }
            )


def _spec(value: Json) -> JsonObject:
    return value if isinstance(value, dict) else {}
