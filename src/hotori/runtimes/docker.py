"""The runtime over a container engine: dockerd is the reference, podman the second.

Where an engine misreports, what it says is mended here, so that both keep the one contract. It touches only what
carries its owner's label.
"""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from hotori.diagnosis.evidence import EngineEvidence
from hotori.diagnosis.findings import findings
from hotori.model.image_reference import ImageReference
from hotori.model.manifest import RegistryCredential
from hotori.problems import Problem, Words
from hotori.problems.engines import ENGINE_REFUSED, MODULE_BIND_MISSING
from hotori.problems.images import IMAGE_ABSENT, IMAGE_WRONG_PLATFORM
from hotori.problems.module_ends import MODULE_PORT_IN_USE
from hotori.problems.modules import (
    MODULE_PROGRAM_MISSING,
    MODULE_PROGRAM_NOT_EXECUTABLE,
    MODULE_UNKNOWN,
    MODULE_WITHOUT_COMMAND,
)
from hotori.problems.streams import MODULE_NOT_RUNNING
from hotori.runtimes.container_spec import MODULE, OWNER, SPEC, ContainerHost, ContainerSpec, container_spec
from hotori.runtimes.container_state import held_images, in_container, observation, usage
from hotori.runtimes.engine import Engine, EngineRefusedError
from hotori.runtimes.engine_events import engine_events
from hotori.runtimes.engine_logs import cut_short, frames
from hotori.runtimes.engine_network import check_network, ensure_network
from hotori.runtimes.engine_notes import EngineNotes
from hotori.runtimes.engine_options import check_options
from hotori.runtimes.engine_pull import EngineImage, find_image, pull_image
from hotori.runtimes.engine_shell import EngineShell, shell_problem
from hotori.runtimes.held_image import HeldImage
from hotori.runtimes.module_runtime import ModuleLaunch, ModuleObservation, ModuleUsage, Progress
from hotori.runtimes.podman_duties import PodmanDuties, complete_limits
from hotori.runtimes.shell import ShellRequest

DEFAULT_NETWORK = "azure-iot-edge"
_GRACE = 10.0
_EXIT_CODES = {MODULE_PROGRAM_MISSING: 127, MODULE_PROGRAM_NOT_EXECUTABLE: 126}
_NOT_STARTED = 128
_ENDED_LOOK = 2.0
_LAST_WORDS = 0.15
"""Seconds that a container's last lines take to come; a restart takes longer."""


def _unknown_owner(address: str, port: int) -> str:
    return "unknown"


@dataclass(frozen=True, slots=True)
class DockerSettings:
    """`owner` marks this device's containers. Modules find `hub_names` at `hub_address`, which is the gateway of
    their network where it is empty. `port_owner` names the process that listens on an address and port."""

    owner: str
    folder: Path
    network: str = DEFAULT_NETWORK
    hub_names: tuple[str, ...] = ("edgeHub",)
    hub_address: str = ""
    port_owner: Callable[[str, int], str] = field(default=_unknown_owner)


class DockerRuntime:
    """The port `ModuleRuntime` over the Docker Engine API. `clock` gives Unix seconds."""

    def __init__(self, engine: Engine, settings: DockerSettings, *, clock: Callable[[], float] = time.time) -> None:
        self._engine, self._settings, self._clock = engine, settings, clock
        self._notes = EngineNotes(settings.folder / "notes.json")
        self._podman = PodmanDuties(engine, clock)

    async def gateway(self) -> str:
        """This machine's address in the modules' network, which is made where it is missing."""
        return await ensure_network(self._engine, self._settings.network, self._settings.owner)

    async def pull(
        self, image: ImageReference, credential: RegistryCredential | None, progress: Progress | None = None
    ) -> str:
        """Let the engine fetch the image; its digest. What a digest names is not asked for again."""
        if image.digest and await find_image(self._engine, str(image)):
            return image.digest
        digest = await pull_image(self._engine, image, credential, progress)
        await self._notes.pulled(str(image), digest)
        return digest

    async def create(self, launch: ModuleLaunch) -> None:
        """Make the module; one of that name that was made from another spec is ended and replaced.

        Raises `image-absent`, `image-wrong-platform`, `create-options-invalid`, `module-without-command`,
        `module-network-missing`, `module-bind-missing`, `module-name-taken` and what the engine's words mean.
        """
        check_options(launch.name, launch.create_options)
        image = await find_image(self._engine, str(launch.image))
        if image is None:
            raise Problem(IMAGE_ABSENT, image=launch.image)
        await self._check_image(launch, image)
        if self._engine.local:
            await asyncio.to_thread(_check_mounts, launch)
        spec = await self._spec(launch, image)
        existing = await self._find(launch.name)
        if existing and existing["Labels"].get(SPEC) == spec.mark and existing["ImageID"] == image.identifier:
            return
        if existing:
            await self.remove(launch.name)
        await self._make(launch.name, spec)

    async def start(self, name: str) -> None:
        """Start a module; nothing where it runs. Raises `module-unknown`, or what keeps it from starting."""
        container = await self._known(name)
        identifier = container["Id"]
        await self._notes.change(identifier, stopped=False, error="", exit_code=0, failed_at=0.0, out_of_memory=None)
        try:
            await self._engine.post(f"containers/{identifier}/start")
        except EngineRefusedError as error:
            problem = await self._explain(name, "start", error)
            code = _EXIT_CODES.get(problem.kind, _NOT_STARTED)
            await self._notes.change(identifier, error=error.text, exit_code=code, failed_at=self._clock())
            raise problem from error

    async def stop(self, name: str, grace: float = _GRACE) -> None:
        """Engines take whole seconds of grace: fractions are rounded up."""
        if (container := await self._find(name)) and container["State"] != "created":
            await self._end(container["Id"], grace)

    async def remove(self, name: str) -> None:
        if container := await self._find(name):
            identifier = container["Id"]
            if container["State"] == "running":
                await self._end(identifier, _GRACE)
            try:
                await self._engine.call("DELETE", f"containers/{identifier}", query={"v": "true", "force": "true"})
            except EngineRefusedError as error:
                if error.status != 404:
                    raise await self._explain(name, "remove", error) from error
            await self._notes.forget(identifier)

    async def observe(self) -> list[ModuleObservation]:
        found = await asyncio.gather(*(self._inspect(found["Id"]) for found in await self._list()))
        documents = [document for document in found if document]
        if documents and (await self._engine.identity()).podman:
            for document in documents:
                await self._make_up(document)
        seen = [observation(document, self._notes.note(document["Id"])) for document in documents]
        return sorted(seen, key=lambda module: module.name)

    async def owns(self, name: str, pid: int) -> bool:
        """A process that cannot be seen came through the module's own mount: nobody else has it."""
        if not pid or not self._engine.local:
            return True
        container = await self._find(name)
        return container is not None and await asyncio.to_thread(in_container, pid, container["Id"])

    async def changes(self) -> AsyncIterator[str]:
        async for event in engine_events(self._engine, self._settings.owner):
            if event.action == "oom":
                # The only word of it where a child of the container's program was ended.
                await self._notes.change(event.container, out_of_memory=True)
            yield event.module

    async def logs(self, name: str, tail: int | None = None) -> bytes:
        if tail == 0:
            await self._known(name)
            return b""
        return b"".join([piece async for piece in self._output(name, tail, follow=False)])

    def follow(self, name: str, tail: int | None = None, since: float = 0.0) -> AsyncIterator[bytes]:
        return self._output(name, tail, follow=True, since=since)

    async def usage(self, name: str) -> ModuleUsage:
        container = await self._known(name)
        if container["State"] != "running":
            return ModuleUsage()
        query = {"stream": "false", "one-shot": "true"}
        try:
            return usage(await self._engine.call("GET", f"containers/{container['Id']}/stats", query=query))
        except EngineRefusedError as error:
            if error.status != 404:
                raise
            return ModuleUsage()

    async def shell(self, module: str, request: ShellRequest) -> EngineShell:
        """`shell-program-missing` comes with the engine's words, or as late as when the shell is read."""
        container = await self._known(module)
        if container["State"] != "running":
            raise Problem(MODULE_NOT_RUNNING, module=module, state=container["State"])
        try:
            return await EngineShell.open(self._engine, container["Id"], module, request)
        except EngineRefusedError as error:
            raise shell_problem(module, request, error.text) or await self._explain(
                module, "open a shell in", error
            ) from error

    async def images(self) -> list[HeldImage]:
        found, containers = await asyncio.gather(
            self._engine.get("images/json"), self._engine.get("containers/json", all="true")
        )
        return held_images(found, containers)

    async def remove_image(self, identifier: str) -> None:
        # Several names need force, and with force podman removes the containers that use the image, too.
        if any(held.identifier == identifier and held.used for held in await self.images()):
            reason = f"the image {identifier} is used by a container"
            raise Problem(ENGINE_REFUSED, reason, module=identifier, action="remove the image", reason=reason)
        try:
            await self._engine.call("DELETE", f"images/{identifier}", query={"force": "true"})
        except EngineRefusedError as error:
            if error.status != 404:
                raise await self._explain(identifier, "remove the image", error) from error

    async def close(self, *, keep: bool = False) -> None:
        """End every module, and the connection; with `keep` modules go on, and whoever comes next finds them."""
        await self._podman.close()
        try:
            running = [] if keep else [found for found in await self._list() if found["State"] == "running"]
            await asyncio.gather(*(self._end(found["Id"], _GRACE) for found in running))
        finally:
            await self._engine.close()

    async def _output(self, name: str, tail: int | None, *, follow: bool, since: float = 0.0) -> AsyncIterator[bytes]:
        identifier = (await self._known(name))["Id"]
        document = await self._inspect(identifier)
        terminal = bool(document and document["Config"].get("Tty"))
        query = {"stdout": "true", "stderr": "true", "tail": "all" if tail is None else str(tail)}
        query["follow"] = "true" if follow else "false"
        if since:
            query["since"] = f"{since:.6f}"
        async with self._engine.stream("GET", f"containers/{identifier}/logs", query=query) as answer:
            endings = await self._endings(identifier, answer) if follow else []
            try:
                async for piece in frames(answer, terminal=terminal):
                    yield piece
            finally:
                for ending in endings:
                    ending.cancel()

    async def _endings(self, identifier: str, answer: aiohttp.ClientResponse) -> list[asyncio.Task[None]]:
        """What ends a log that is followed once its container has."""
        ways = [self._end_with(identifier, answer)]
        if (await self._engine.identity()).podman:
            ways.append(self._end_at_death(identifier, answer))
        return [asyncio.create_task(way) for way in ways]

    async def _end_with(self, identifier: str, answer: aiohttp.ClientResponse) -> None:
        """Podman on a busy machine forgets to end it now and then."""
        while (document := await self._inspect(identifier)) and document["State"].get("Running"):  # noqa: ASYNC110
            await asyncio.sleep(_ENDED_LOOK)
        await asyncio.sleep(_ENDED_LOOK)
        cut_short(answer)

    async def _end_at_death(self, identifier: str, answer: aiohttp.ClientResponse) -> None:
        """Podman looks now and then whether the container runs: one that was started anew meanwhile is followed on."""
        async for event in engine_events(self._engine, self._settings.owner):
            if event.container == identifier and event.action in ("die", "died"):
                await asyncio.sleep(_LAST_WORDS)
                cut_short(answer)
                return

    async def _make_up(self, document: Any) -> None:
        self._podman.check_health(document)
        if self._notes.note(document["Id"]).out_of_memory is None and not document["State"].get("Running"):
            ended = await self._podman.was_out_of_memory(document)
            await self._notes.change(document["Id"], out_of_memory=ended)

    async def _spec(self, launch: ModuleLaunch, image: EngineImage) -> ContainerSpec:
        settings = self._settings
        address = settings.hub_address or await self.gateway()
        host = ContainerHost(settings.owner, settings.network, dict.fromkeys(settings.hub_names, address))
        digest = image.digest(launch.image, self._notes.digest(str(launch.image)))
        known = digest != image.identifier
        spec = container_spec(launch, str(launch.image.pinned(digest)) if known else str(launch.image), digest, host)
        mode = str(spec.body["HostConfig"]["NetworkMode"])  # type: ignore[index,call-overload]
        for network in (mode, *spec.more_networks):
            await check_network(self._engine, launch.name, network)
        return spec

    async def _make(self, module: str, spec: ContainerSpec) -> None:
        identity = await self._engine.identity()
        if identity.podman:
            complete_limits(spec.body)
        query = {"name": spec.name, "platform": str(identity.platform)}
        try:
            made = await self._engine.post("containers/create", spec.body, **query)
            for network, endpoint in spec.more_networks.items():
                await self._engine.post(
                    f"networks/{network}/connect", {"Container": made["Id"], "EndpointConfig": endpoint}
                )
        except EngineRefusedError as error:
            await self.remove(module)
            raise await self._explain(module, "create", error) from error

    async def _check_image(self, launch: ModuleLaunch, image: EngineImage) -> None:
        host = (await self._engine.identity()).platform
        if not host.runs(image.platform):
            raise Problem(IMAGE_WRONG_PLATFORM, image=launch.image, found=image.platform, wanted=host)
        options = launch.create_options
        entrypoint, command = options.get("Entrypoint"), options.get("Cmd")
        own_command = image.command if entrypoint is None else ()
        if not (entrypoint if entrypoint is not None else image.entrypoint) and not (command or own_command):
            raise Problem(MODULE_WITHOUT_COMMAND, module=launch.name, image=launch.image)

    async def _end(self, identifier: str, grace: float) -> None:
        await self._notes.change(identifier, stopped=True)
        try:
            await self._engine.post(f"containers/{identifier}/stop", t=str(math.ceil(grace)))
        except EngineRefusedError as error:
            if error.status != 404:
                raise

    async def _list(self, module: str | None = None) -> list[Any]:
        labels = [f"{OWNER}={self._settings.owner}", *([f"{MODULE}={module}"] if module else [])]
        found = await self._engine.get("containers/json", all="true", filters=json.dumps({"label": labels}))
        return list(found or ())

    async def _find(self, module: str) -> Any:
        return next(iter(await self._list(module)), None)

    async def _known(self, module: str) -> Any:
        if found := await self._find(module):
            return found
        names = ", ".join(sorted(found["Labels"][MODULE] for found in await self._list()))
        raise Problem(MODULE_UNKNOWN, module=module, modules=names or "-")

    async def _inspect(self, identifier: str) -> Any:
        """The container's document; None where it has gone meanwhile."""
        try:
            return await self._engine.get(f"containers/{identifier}/json")
        except EngineRefusedError as error:
            if error.status == 404:
                return None
            raise

    async def _explain(self, module: str, action: str, error: EngineRefusedError) -> Problem:
        """What the engine's words mean; a port that is taken is traced to whoever has it."""
        (problem,) = findings(EngineEvidence(module, action, error.text))
        if problem.kind is not MODULE_PORT_IN_USE:
            return problem
        port = problem.values["port"]
        holder = await self._holder(int(port))
        return Problem(MODULE_PORT_IN_USE, *problem.evidence, module=module, port=port, holder=holder)

    async def _holder(self, port: int) -> Words:
        for found in await self._engine.get("containers/json"):
            if any(published.get("PublicPort") == port for published in found.get("Ports") or ()):
                name = found["Names"][0].lstrip("/")
                return Words(f"The container {name}", f"コンテナー {name}")
        owner = await asyncio.to_thread(self._settings.port_owner, "0.0.0.0", port)  # noqa: S104 - it is looked for
        return Words(f"A program ({owner})", f"プログラム（{owner}）")


def _check_mounts(launch: ModuleLaunch) -> None:
    """Raise `module-bind-missing`: podman makes such a container and says nothing."""
    host = launch.create_options.get("HostConfig")
    for mount in _objects(host.get("Mounts") if isinstance(host, Mapping) else None):
        source = str(mount.get("Source") or "")
        if mount.get("Type") == "bind" and source and not Path(source).exists():
            evidence = f"bind source path does not exist: {source}"
            raise Problem(MODULE_BIND_MISSING, evidence, module=launch.name, path=source)


def _objects(value: Any) -> Iterable[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else ()
