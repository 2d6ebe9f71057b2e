"""The runtime with an end to every call: what does not return is given up, named, and may be tried again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from hotori.model.image_reference import ImageReference
from hotori.model.manifest import RegistryCredential
from hotori.problems import Problem
from hotori.problems.upkeep import AGENT_STUCK
from hotori.runtimes.module_runtime import ModuleLaunch, ModuleObservation, ModuleRuntime, ModuleUsage, Progress


@dataclass(frozen=True, slots=True)
class CallLimits:
    """How long a call may take, in seconds: looking at modules, changing one, fetching an image without any progress.

    `own` is for what the agent does by itself. An engine that copies large images to make a container takes minutes.
    """

    look: float = 30.0
    change: float = 300.0
    pull: float = 1800.0
    own: float = 60.0


@asynccontextmanager
async def bounded(call: str, seconds: float) -> AsyncIterator[asyncio.Timeout]:
    """Cancel what is done inside after `seconds`, and raise `agent-stuck` for it."""
    scope = asyncio.timeout(seconds)
    try:
        async with scope:
            yield scope
    except TimeoutError:
        if not scope.expired():
            raise
        raise Problem(AGENT_STUCK, call=call, seconds=f"{seconds:g}") from None


class WatchedRuntime:
    """The port `ModuleRuntime`; whatever somebody waits for raises `agent-stuck` where it takes too long."""

    def __init__(self, runtime: ModuleRuntime, limits: CallLimits) -> None:
        self._runtime, self._limits = runtime, limits

    async def pull(
        self, image: ImageReference, credential: RegistryCredential | None, progress: Progress | None = None
    ) -> str:
        seconds, loop = self._limits.pull, asyncio.get_running_loop()
        async with bounded(f"pull {image}", seconds) as scope:

            def heard(done: int, total: int) -> None:
                scope.reschedule(loop.time() + seconds)
                if progress:
                    progress(done, total)

            return await self._runtime.pull(image, credential, heard)

    async def create(self, launch: ModuleLaunch) -> None:
        async with bounded(f"create {launch.name}", self._limits.change):
            await self._runtime.create(launch)

    async def start(self, name: str) -> None:
        async with bounded(f"start {name}", self._limits.change):
            await self._runtime.start(name)

    async def stop(self, name: str, grace: float = 10.0) -> None:
        async with bounded(f"stop {name}", self._limits.change + grace):
            await self._runtime.stop(name, grace)

    async def remove(self, name: str) -> None:
        async with bounded(f"remove {name}", self._limits.change):
            await self._runtime.remove(name)

    async def observe(self) -> list[ModuleObservation]:
        async with bounded("observe", self._limits.look):
            return await self._runtime.observe()

    def changes(self) -> AsyncIterator[str]:
        return self._runtime.changes()

    async def logs(self, name: str, tail: int | None = None) -> bytes:
        async with bounded(f"logs of {name}", self._limits.look):
            return await self._runtime.logs(name, tail)

    def follow(self, name: str, tail: int | None = None, since: float = 0.0) -> AsyncIterator[bytes]:
        return self._runtime.follow(name, tail, since)

    async def usage(self, name: str) -> ModuleUsage:
        async with bounded(f"usage of {name}", self._limits.look):
            return await self._runtime.usage(name)

    async def owns(self, name: str, pid: int) -> bool:
        async with bounded(f"owner of process {pid}", self._limits.look):
            return await self._runtime.owns(name, pid)

    async def close(self) -> None:
        await self._runtime.close()
