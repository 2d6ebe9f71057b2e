"""The port for running modules from images."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from hotori.model.image_reference import ImageReference
from hotori.model.json import JsonObject
from hotori.model.manifest import RegistryCredential


class ModuleState(StrEnum):
    """What a runtime sees of a module; the words of the agent's report (contract 4.1)."""

    CREATED = "created"
    RUNNING = "running"
    STOPPED = "stopped"
    """Ended with exit status 0, or was stopped on purpose."""
    FAILED = "failed"
    """Ended by itself with another exit status."""


class Health(StrEnum):
    """What a module's own health check says; only a container engine runs one."""

    NONE = "none"
    STARTING = "starting"
    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"


@dataclass(frozen=True, slots=True)
class ModuleLaunch:
    """All that is needed to create a module. `env` is complete; `fingerprint` identifies the spec it came from.

    `folders` are folders of this machine that the module finds under the same path.
    """

    name: str
    image: ImageReference
    env: Mapping[str, str]
    create_options: JsonObject = field(default_factory=dict)
    fingerprint: str = ""
    folders: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ModuleObservation:
    """A module as it stands. Times are Unix seconds, 0.0 for never. `error` is the runtime's own words.

    `out_of_memory`: the system ended it, or a part of it, for its memory. `health_output` is what its health check
    wrote last.
    """

    name: str
    state: ModuleState
    image: str
    fingerprint: str
    exit_code: int = 0
    started_at: float = 0.0
    exited_at: float = 0.0
    error: str = ""
    image_digest: str = ""
    health: Health = Health.NONE
    health_output: str = ""
    out_of_memory: bool = False


@dataclass(frozen=True, slots=True)
class ModuleUsage:
    """What a module takes now: bytes of memory and its limit (0 for none), seconds of processor time since its start,
    processes; bytes received and sent, read from disk and written (0 where nobody counts them)."""

    memory: int = 0
    memory_limit: int = 0
    processor: float = 0.0
    received: int = 0
    sent: int = 0
    processes: int = 0
    read: int = 0
    written: int = 0


Progress = Callable[[int, int], None]
"""Called with bytes done and bytes in all (0 when unknown)."""


class ModuleRuntime(Protocol):
    """Create, start, stop and look at modules. Every verb may be repeated without harm.

    Faults a person can mend are raised as problems with the runtime's own words as evidence.
    """

    async def pull(
        self, image: ImageReference, credential: RegistryCredential | None, progress: Progress | None = None
    ) -> str:
        """Bring the image here; its manifest digest. An image that is here already is not fetched again."""
        ...

    async def create(self, launch: ModuleLaunch) -> None:
        """Make the module from an image that was pulled; it does not run yet."""
        ...

    async def start(self, name: str) -> None: ...

    async def stop(self, name: str, grace: float = 10.0) -> None:
        """Ask the module to end, and end it after `grace` seconds."""
        ...

    async def remove(self, name: str) -> None:
        """Remove a stopped module; its logs go with it, its image stays."""
        ...

    async def observe(self) -> list[ModuleObservation]:
        """Every module of this runtime, by name."""
        ...

    async def owns(self, name: str, pid: int) -> bool:
        """Whether a process of this machine is the module's. `pid` 0 is one that cannot be seen from here."""
        ...

    def changes(self) -> AsyncIterator[str]:
        """Names of modules as something happens to them, for ever.

        An empty name comes first, and whenever some may have been missed: then all are to be looked at.
        """
        ...

    async def logs(self, name: str, tail: int | None = None) -> bytes:
        """What the module wrote (both streams), the last `tail` lines of it."""
        ...

    def follow(self, name: str, tail: int | None = None, since: float = 0.0) -> AsyncIterator[bytes]:
        """The last `tail` lines of what there is, then what the module writes, until it ends.

        With `since`, the end of an earlier run (Unix seconds), only what later runs wrote. Whoever is slow to take
        it holds up nobody and fills no memory.
        """
        ...

    async def usage(self, name: str) -> ModuleUsage:
        """What the module takes of the machine; all zero where it does not run."""
        ...

    async def close(self) -> None: ...
