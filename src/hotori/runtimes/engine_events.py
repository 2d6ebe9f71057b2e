"""What an engine tells of containers as it happens."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass

from hotori.problems import Problem
from hotori.runtimes.container_spec import MODULE, OWNER
from hotori.runtimes.engine import Engine, EngineRefusedError

_log = logging.getLogger(__name__)
_AGAIN = 1.0
_TOLD = ("create", "start", "die", "died", "oom", "stop", "destroy", "remove", "pause", "unpause", "health_status")
"""Docker's actions and podman's. `exec_…` is left out: each health check is one."""


@dataclass(frozen=True, slots=True)
class EngineEvent:
    """All are empty when the stream begins, and when it begins anew: some may have been missed."""

    module: str = ""
    container: str = ""
    action: str = ""


async def engine_events(engine: Engine, owner: str) -> AsyncIterator[EngineEvent]:
    """Of the owner's containers, for ever: an engine that ends is asked again once it answers."""
    query = {"filters": json.dumps({"type": ["container"]})}
    while True:
        try:
            async with engine.stream("GET", "events", query=query) as answer:
                yield EngineEvent()
                async for line in answer.content:
                    if event := _read(line, owner):
                        yield event
        except (Problem, EngineRefusedError) as error:
            _log.warning("the engine's events are not to be had: %s", error)
        await asyncio.sleep(_AGAIN)


def _read(line: bytes, owner: str) -> EngineEvent | None:
    try:
        event = json.loads(line)
    except ValueError:
        return None
    actor = event.get("Actor") or {}
    labels = actor.get("Attributes") or {}
    action = str(event.get("Action") or event.get("status") or "").partition(":")[0]
    if labels.get(OWNER) != owner or action not in _TOLD:
        return None
    return EngineEvent(str(labels.get(MODULE) or ""), str(actor.get("ID") or ""), action)
