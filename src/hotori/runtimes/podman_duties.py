"""What dockerd does and podman leaves to others: running health checks, saying who was ended for memory, keeping
limits that nobody changed."""

from __future__ import annotations

import asyncio
import logging
import resource
from collections.abc import Callable
from datetime import datetime
from typing import Any

from hotori.problems import Problem
from hotori.runtimes.engine import Engine, EngineRefusedError
from hotori.runtimes.kernel_log import ended_for_memory

_log = logging.getLogger(__name__)
_KILLED = 137
_INTERVAL = 30.0


class PodmanDuties:
    """Called with each look at the containers. Without systemd podman never runs a health check by itself; where it
    does, none is due here."""

    def __init__(self, engine: Engine, clock: Callable[[], float]) -> None:
        self._engine, self._clock = engine, clock
        self._checking: dict[str, asyncio.Task[None]] = {}
        self._checked: dict[str, float] = {}

    def check_health(self, document: Any) -> None:
        """Begin the health check of a running container where it is due."""
        identifier, check = document["Id"], document["Config"].get("Healthcheck") or {}
        if not document["State"].get("Running") or (check.get("Test") or ["NONE"])[0] == "NONE":
            self._checked.pop(identifier, None)
            return
        interval = (check.get("Interval") or _INTERVAL * 1e9) / 1e9
        due = max(self._checked.get(identifier, 0.0), _last(document)) + interval
        if identifier not in self._checking and self._clock() >= due:
            self._checked[identifier] = self._clock()
            task = asyncio.create_task(self._check(identifier), name=f"health check of {identifier[:12]}")
            self._checking[identifier] = task
            task.add_done_callback(lambda _: self._checking.pop(identifier, None))

    async def was_out_of_memory(self, document: Any) -> bool:
        """Whether the kernel ended a container that was killed in its last life."""
        state = document["State"]
        if state.get("Running") or state.get("ExitCode") != _KILLED:
            return False
        return await asyncio.to_thread(ended_for_memory, document["Id"], _moment(state.get("StartedAt")))

    async def close(self) -> None:
        tasks = list(self._checking.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _check(self, identifier: str) -> None:
        try:
            await self._engine.get(f"/v4.0.0/libpod/containers/{identifier}/healthcheck")
        except (EngineRefusedError, Problem) as error:
            _log.warning("the health check of container %s was not run: %s", identifier[:12], error)


def complete_limits(body: Any) -> None:
    """Add to `HostConfig.Ulimits` the one of `nofile` and `nproc` that is not there, as high as it may be: podman
    forgets its own defaults where one is given, and may then not start the container."""
    limits = body["HostConfig"].get("Ulimits")
    if not limits:
        return
    named = {limit.get("Name") for limit in limits}
    for name, (number, most) in _LIMITS.items():
        if name not in named:
            hard = resource.getrlimit(number)[1]
            value = most if hard == resource.RLIM_INFINITY else min(hard, most)
            limits.append({"Name": name, "Soft": value, "Hard": value})


_LIMITS = {"nofile": (resource.RLIMIT_NOFILE, 16384), "nproc": (resource.RLIMIT_NPROC, 32768)}


def _last(document: Any) -> float:
    log = (document["State"].get("Health") or {}).get("Log") or []
    return _moment(log[-1].get("End")) if log else _moment(document["State"].get("StartedAt"))


def _moment(text: Any) -> float:
    return datetime.fromisoformat(str(text)).timestamp() if text and not str(text).startswith("0001") else 0.0
