"""What a module tells its twin."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from typing import Protocol

from hotori.model.json import JsonObject
from hotori.problems import Problem

_log = logging.getLogger(__name__)


class Reporter(Protocol):
    """The part of a client that this needs."""

    async def report(self, patch: JsonObject, *, timeout: float | None = None) -> None: ...


async def tell(client: Reporter, patch: JsonObject) -> None:
    """Report, however long the hub is away. A refusal is logged: the module's work goes on without."""
    try:
        await client.report(patch, timeout=None)
    except Problem as problem:
        _log.warning("not reported: %s", problem)


async def tell_changes(client: Reporter, state: Callable[[], JsonObject], seconds: float) -> None:
    """Report the state at once, then look every so many seconds and report it where it changed, until cancelled."""
    told: JsonObject | None = None
    while True:
        if (now := state()) != told:
            await tell(client, now)
            told = now
        await asyncio.sleep(seconds)


class Counts:
    """How much a module has done, by name, from 0 at the start of the program."""

    def __init__(self, *names: str) -> None:
        self._counts = Counter(dict.fromkeys(names, 0))

    def add(self, name: str) -> None:
        self._counts[name] += 1

    def __getitem__(self, name: str) -> int:
        return self._counts[name]

    def document(self) -> JsonObject:
        return dict(self._counts)
