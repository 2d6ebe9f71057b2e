"""The runtime that needs no engine: each module is a process of this machine, started from an unpacked image.

It is real and instant, and it is not a jail: a module sees the machine's files and network as the agent does.
Modules end with the agent. After an agent that died, modules that still run are ended when the next agent looks.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import shutil
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

from hotori.model.image_reference import ImageReference
from hotori.model.manifest import RegistryCredential
from hotori.model.platform import Platform
from hotori.problems import Problem
from hotori.problems.engines import ENGINE_REFUSED
from hotori.problems.images import IMAGE_ABSENT, IMAGE_WRONG_PLATFORM, IMAGE_WRONG_PYTHON
from hotori.problems.modules import MODULE_UNKNOWN, MODULE_WITHOUT_COMMAND
from hotori.runtimes.changes import Changes
from hotori.runtimes.create_options import ProcessOptions
from hotori.runtimes.disk import disk_problems
from hotori.runtimes.held_image import HeldImage
from hotori.runtimes.host import PYTHON_VERSION, host_platform
from hotori.runtimes.local_image import PYTHON_LABEL, ImageFetcher, LocalImage
from hotori.runtimes.module_record import ModuleRecord
from hotori.runtimes.module_runtime import ModuleLaunch, ModuleObservation, ModuleState, ModuleUsage, Progress
from hotori.runtimes.process_module import ProcessModule
from hotori.runtimes.process_shell import ProcessShell
from hotori.runtimes.process_tree import belongs
from hotori.runtimes.process_usage import group_usage
from hotori.runtimes.rotated_log import LogLimits
from hotori.runtimes.shell import ShellRequest

_GRACE = 10.0
_log = logging.getLogger(__name__)


class ProcessRuntime:
    """The port `ModuleRuntime` over plain processes. One agent on a folder at a time.

    Modules from before are found at the first call. `clock` gives Unix seconds.
    """

    def __init__(
        self,
        folder: Path,
        images: ImageFetcher,
        *,
        clock: Callable[[], float] = time.time,
        host: Platform | None = None,
    ) -> None:
        self._folder = folder
        self._images = images
        self._clock = clock
        self._host = host or host_platform()
        self._modules: dict[str, ProcessModule] = {}
        self._opening = asyncio.Lock()
        self._opened = False
        self._changes = Changes()

    async def pull(
        self, image: ImageReference, credential: RegistryCredential | None, progress: Progress | None = None
    ) -> str:
        """Bring the image here, unpacked; its digest."""
        return (await self._images.fetch(image, credential, progress)).digest

    async def create(self, launch: ModuleLaunch) -> None:
        """Make the module; one of that name that was made from another spec is ended and replaced.

        Raises `image-absent`, `image-wrong-platform`, `image-wrong-python`, `create-options-invalid`,
        `module-without-command`.
        """
        modules = await self._open()
        image = await self._images.find(launch.image)
        if image is None:
            raise Problem(IMAGE_ABSENT, image=launch.image)
        record = self._record(launch, image)
        if launch.name in modules:
            if _same(modules[launch.name].record, record):
                return
            await self.remove(launch.name)
        folder = self._folder / "modules" / launch.name
        with disk_problems(self._folder):
            await asyncio.to_thread(_furnish, folder, image.rootfs, record)
        self._changes.tell(launch.name)
        modules[launch.name] = ProcessModule(folder, record, self._host, self._clock, self._changes.tell)

    async def start(self, name: str) -> None:
        """Start a module; nothing where it runs. Raises `module-unknown`, or what keeps its program from starting."""
        await (await self._known(name)).start()

    async def stop(self, name: str, grace: float = _GRACE) -> None:
        if module := (await self._open()).get(name):
            await module.stop(grace)

    async def remove(self, name: str) -> None:
        modules = await self._open()
        if module := modules.get(name):
            await module.remove(_GRACE)
            modules.pop(name, None)
            self._changes.tell(name)

    async def observe(self) -> list[ModuleObservation]:
        modules = await self._open()
        return [modules[name].record.observation() for name in sorted(modules)]

    async def owns(self, name: str, pid: int) -> bool:
        """What is in the session of the module's program or of a shell in it, or was started by one that is."""
        module = (await self._open()).get(name)
        return module is not None and any(belongs(pid, root) for root in await module.roots())

    def changes(self) -> AsyncIterator[str]:
        return self._changes.listen()

    async def logs(self, name: str, tail: int | None = None) -> bytes:
        return await (await self._known(name)).logs(tail)

    async def follow(self, name: str, tail: int | None = None, since: float = 0.0) -> AsyncIterator[bytes]:
        async for piece in (await self._known(name)).follow(tail, since):
            yield piece

    async def shell(self, module: str, request: ShellRequest) -> ProcessShell:
        """In the module's environment and folder. Raises `module-unknown`, `module-not-running`, and what keeps the
        program from starting."""
        return await (await self._known(module)).shell(request)

    async def usage(self, name: str) -> ModuleUsage:
        record = (await self._known(name)).record
        if record.state is not ModuleState.RUNNING or record.process is None:
            return ModuleUsage()
        return await asyncio.to_thread(group_usage, record.process.pid)

    async def images(self) -> list[HeldImage]:
        used = {module.record.image_digest for module in (await self._open()).values()}
        return [replace(held, used=held.identifier in used) for held in await self._images.held()]

    async def remove_image(self, identifier: str) -> None:
        if any(module.record.image_digest == identifier for module in (await self._open()).values()):
            reason = f"the image {identifier} is used by a module"
            raise Problem(ENGINE_REFUSED, reason, module=identifier, action="remove the image", reason=reason)
        with disk_problems(self._folder):
            await self._images.drop(identifier)

    async def close(self) -> None:
        """End every module."""
        await asyncio.gather(*(module.stop(_GRACE) for module in self._modules.values()))

    async def _known(self, name: str) -> ProcessModule:
        modules = await self._open()
        if name not in modules:
            raise Problem(MODULE_UNKNOWN, module=name, modules=", ".join(sorted(modules)) or "-")
        return modules[name]

    async def _open(self) -> dict[str, ProcessModule]:
        """The modules by name; the first call finds those of an earlier run."""
        async with self._opening:
            if not self._opened:
                self._modules = await asyncio.to_thread(self._read)
                await asyncio.gather(*(module.recover() for module in self._modules.values()))
                self._opened = True
        return self._modules

    def _read(self) -> dict[str, ProcessModule]:
        root = self._folder / "modules"
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        found = {}
        for folder in root.iterdir():
            if record := ModuleRecord.read(folder):
                found[record.name] = ProcessModule(folder, record, self._host, self._clock, self._changes.tell)
            else:
                shutil.rmtree(folder, ignore_errors=True)
        return found

    def _record(self, launch: ModuleLaunch, image: LocalImage) -> ModuleRecord:
        self._check_image(launch.image, image)
        config, options = image.config, ProcessOptions.parse(launch.name, launch.create_options)
        if options.ignored:
            _log.warning("module %s: no engine, so createOptions %s mean nothing", launch.name, options.ignored)
        entrypoint = config.entrypoint if options.entrypoint is None else options.entrypoint
        # As in an engine: another entrypoint makes the image's own words to the old one void.
        own_command = config.command if options.entrypoint is None else ()
        argv = entrypoint + (own_command if options.command is None else options.command)
        if not argv:
            raise Problem(MODULE_WITHOUT_COMMAND, module=launch.name, image=launch.image)
        return ModuleRecord(
            name=launch.name,
            image=str(launch.image),
            image_digest=image.digest,
            fingerprint=launch.fingerprint,
            argv=argv,
            env={**config.env, **launch.env, **options.env},
            working_dir=options.working_dir or config.working_dir,
            binds={target: str(self._bind_source(source)) for target, source in options.binds.items()},
            log=LogLimits.of(options.logs),
        )

    def _check_image(self, reference: ImageReference, image: LocalImage) -> None:
        platform = image.config.platform
        if not self._host.runs(platform):
            raise Problem(IMAGE_WRONG_PLATFORM, image=reference, found=platform, wanted=self._host)
        python = image.config.labels.get(PYTHON_LABEL, PYTHON_VERSION)
        if python != PYTHON_VERSION:
            raise Problem(IMAGE_WRONG_PYTHON, image=reference, wanted=python, found=PYTHON_VERSION)

    def _bind_source(self, source: str) -> Path:
        """A path of this machine, or a named volume, which is a folder of ours."""
        return Path(source) if source.startswith("/") else self._folder / "volumes" / source


def _same(existing: ModuleRecord, wanted: ModuleRecord) -> bool:
    return _made_from(existing) == _made_from(wanted)


def _made_from(record: ModuleRecord) -> tuple[object, ...]:
    return record.fingerprint, record.image_digest, record.argv, record.env, record.binds, record.log


def _furnish(folder: Path, rootfs: Path, record: ModuleRecord) -> None:
    """Make a module's folder: its own tree of the image's files, and what it may write to. The record comes last;
    where something fails, nothing stays."""
    shutil.rmtree(folder, ignore_errors=True)
    try:
        folder.mkdir(parents=True, mode=0o700)
        for name in ("home", "tmp"):
            (folder / name).mkdir()
        _link_tree(rootfs, folder / "rootfs")
        for source in record.binds.values():
            # As engines do: what is to be bound and is not there becomes a folder.
            if not Path(source).exists():
                Path(source).mkdir(parents=True)
        record.write(folder)
    except OSError:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _link_tree(source: Path, target: Path) -> None:
    """The same folders with the same files, as hard links; copied where the image lies on another disk."""
    target.mkdir()
    with os.scandir(source) as found:
        entries = list(found)
    for entry in entries:
        path = target / entry.name
        if entry.is_dir(follow_symlinks=False):
            _link_tree(Path(entry.path), path)
            continue
        try:
            os.link(entry.path, path, follow_symlinks=False)
        except OSError as error:
            if error.errno not in (errno.EXDEV, errno.EPERM, errno.EMLINK):
                raise
            shutil.copy2(entry.path, path, follow_symlinks=False)
