"""A module runtime whose modules do what a test says: run until told to end, write what they are told to."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

from hotori.model.image_reference import ImageReference
from hotori.model.manifest import RegistryCredential
from hotori.problems import Problem
from hotori.problems.images import IMAGE_ABSENT, IMAGE_NOT_FOUND
from hotori.problems.modules import MODULE_UNKNOWN
from hotori.runtimes.changes import Changes
from hotori.runtimes.held_image import HeldImage
from hotori.runtimes.module_runtime import Health, ModuleLaunch, ModuleObservation, ModuleState, ModuleUsage, Progress


class ScriptedRuntime:
    """A `ModuleRuntime`. `registry` holds the images that can be pulled: reference text to digest."""

    def __init__(self, registry: dict[str, str], clock: Callable[[], float] = time.time) -> None:
        self.registry = registry
        self.launches: dict[str, ModuleLaunch] = {}
        self.verbs: list[str] = []
        """What was done, as `verb name`, in order."""
        self.gates: dict[str, asyncio.Event] = {}
        """Pulls of these references, and verbs by their words (`start camera`), wait until their event is set.

        `started camera` holds a start that has happened.
        """
        self.checked: set[str] = set()
        """Modules with a health check: they start as `starting`."""
        self._clock = clock
        self._images: dict[str, str] = {}
        self._modules: dict[str, ModuleObservation] = {}
        self._logs: dict[str, bytes] = {}
        self._changes = Changes()

    async def pull(
        self, image: ImageReference, credential: RegistryCredential | None, progress: Progress | None = None
    ) -> str:
        text = str(image)
        self.verbs.append(f"pull {text}")
        await self._gate(text)
        if text not in self.registry:
            raise Problem(IMAGE_NOT_FOUND, image=text, name=image.name, missing=image.selector, tags="none")
        self._images[text] = self.registry[text]
        return self._images[text]

    async def create(self, launch: ModuleLaunch) -> None:
        self.verbs.append(f"create {launch.name}")
        image = str(launch.image)
        if image not in self._images:
            raise Problem(IMAGE_ABSENT, image=image)
        self.launches[launch.name] = launch
        self._logs[launch.name] = b""
        self._modules[launch.name] = ModuleObservation(
            launch.name, ModuleState.CREATED, image, launch.fingerprint, image_digest=self._images[image]
        )

    async def start(self, name: str) -> None:
        self.verbs.append(f"start {name}")
        await self._gate(f"start {name}")
        seen = self._seen(name)
        if seen.state is not ModuleState.RUNNING:
            health = Health.STARTING if name in self.checked else Health.NONE
            self._modules[name] = replace(
                seen, state=ModuleState.RUNNING, started_at=self._clock(), exit_code=0, health=health
            )
        await self._gate(f"started {name}")

    async def stop(self, name: str, grace: float = 10.0) -> None:
        self.verbs.append(f"stop {name}")
        seen = self._seen(name)
        if seen.state is ModuleState.RUNNING:
            self._modules[name] = replace(seen, state=ModuleState.STOPPED, exited_at=self._clock())

    async def remove(self, name: str) -> None:
        self.verbs.append(f"remove {name}")
        self._modules.pop(name, None)
        self.launches.pop(name, None)
        self._logs.pop(name, None)

    async def observe(self) -> list[ModuleObservation]:
        await self._gate("observe")
        return [self._modules[name] for name in sorted(self._modules)]

    async def owns(self, name: str, pid: int) -> bool:
        return name in self._modules

    def changes(self) -> AsyncIterator[str]:
        return self._changes.listen()

    async def logs(self, name: str, tail: int | None = None) -> bytes:
        self._seen(name)
        await self._gate(f"logs {name}")
        lines = self._logs[name].splitlines(keepends=True)
        return b"".join(lines if tail is None else lines[-tail:] if tail else [])

    async def follow(self, name: str, tail: int | None = None, since: float = 0.0) -> AsyncIterator[bytes]:
        yield await self.logs(name, tail)

    async def usage(self, name: str) -> ModuleUsage:
        return ModuleUsage()

    async def images(self) -> list[HeldImage]:
        """Each 100 bytes large."""
        used = {seen.image_digest for seen in self._modules.values()}
        return [
            HeldImage(
                digest, tuple(name for name, at in self._images.items() if at == digest), 100, 0.0, digest in used
            )
            for digest in dict.fromkeys(self._images.values())
        ]

    async def remove_image(self, identifier: str) -> None:
        self.verbs.append(f"remove image {identifier}")
        self._images = {name: digest for name, digest in self._images.items() if digest != identifier}

    async def close(self) -> None:
        return None

    def feel(self, name: str, health: Health, words: str = "") -> None:
        """Let the module's health check say so."""
        self._modules[name] = replace(self._seen(name), health=health, health_output=words)
        self._changes.tell(name)

    async def _gate(self, words: str) -> None:
        if gate := self.gates.get(words):
            await gate.wait()

    def write(self, name: str, text: str) -> None:
        """Let the module write."""
        self._logs[name] += text.encode()

    def end(self, name: str, exit_code: int) -> None:
        """Let the module end by itself."""
        state = ModuleState.FAILED if exit_code else ModuleState.STOPPED
        self._modules[name] = replace(self._seen(name), state=state, exit_code=exit_code, exited_at=self._clock())
        self._changes.tell(name)

    def _seen(self, name: str) -> ModuleObservation:
        if name not in self._modules:
            raise Problem(MODULE_UNKNOWN, module=name, modules=", ".join(self._modules) or "none")
        return self._modules[name]
