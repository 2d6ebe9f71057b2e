"""Brings the version of the edge program that the deployment names, and has the launcher switch to it."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from hotori import __version__
from hotori.diagnosis.evidence import blot
from hotori.edge.launched import COMMAND, LOCK, TRIAL
from hotori.edge.release_folder import ReleaseFolder, shown_version
from hotori.edge.times import iso_time
from hotori.model.image_reference import ImageReference
from hotori.model.json import JsonObject
from hotori.model.manifest import AgentConfig, RegistryCredential
from hotori.problems import Problem, Words
from hotori.problems.images import IMAGE_WRONG_PLATFORM, IMAGE_WRONG_PYTHON
from hotori.problems.releases import RELEASE_FAILED, RELEASE_NOT_ONE, RELEASE_WITHOUT_LAUNCHER
from hotori.reconcile.release import Fetch, Outcome, Releases, Rest, Switch, Wanted, next_step
from hotori.runtimes.host import PYTHON_VERSION, host_platform
from hotori.runtimes.local_image import PYTHON_LABEL, ImageConfig, ImageFetcher
from hotori.store.disk import disk_problem

RELEASE_LABEL = "org.hotori.release"
"""Label of images that are releases of the edge program: its version."""
_log = logging.getLogger(__name__)
_FIRST_WAIT, _LONGEST_WAIT = 10.0, 600.0
_PATIENCE, _COMPILING = 120.0, 900.0
"""Seconds that a release may take to say what its options are, and that its compilation may take."""
_NO_LABEL = Words("it has no such label", "ラベルがありません")
_OUTCOMES = {
    Outcome.ENDED: Words("it ended each time that it was started", "起動するたびに終了しました"),
    Outcome.SILENT: Words("it ran, and was not healthy in time", "動きましたが、時間内に正常になりませんでした"),
    Outcome.MISSING: Words("its files are gone", "ファイルがありません"),
}


class ReleaseStore(ImageFetcher, Protocol):
    """Where releases are kept, unpacked, by their digests."""

    async def peek(self, reference: ImageReference, credential: RegistryCredential | None) -> ImageConfig: ...

    async def prune(self, keep: Collection[str]) -> int: ...


@dataclass(frozen=True, slots=True)
class Running:
    """The version that runs here; `launched` is whether a launcher can start another. `on_trial` is not over yet."""

    version: str
    launched: bool
    on_trial: bool = False


class ReleaseKeeper:
    """Takes what the deployments name (`take`) and acts on it in `run`; `switching` is set when the program is to end
    and be launched again. `changed` is called when there is something new to report."""

    def __init__(
        self,
        folder: ReleaseFolder,
        store: ReleaseStore,
        running: Running,
        own_credentials: Sequence[RegistryCredential],
        clock: Callable[[], float],
        switching: asyncio.Event,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._folder, self._store, self._running = folder, store, running
        self._own_credentials, self._clock, self.changed = tuple(own_credentials), clock, changed
        self.switching = switching
        self._state = folder.read()
        self._wanted: Wanted | None = None
        self._reference: ImageReference | None = None
        self._credentials: tuple[RegistryCredential, ...] = ()
        self._good: set[str] = set()
        self._fault: Problem | None = None
        self._failures, self._retry_at = 0, 0.0
        self._progress: tuple[int, int] | None = None
        self._wake = asyncio.Event()

    def take(self, config: AgentConfig | None) -> None:
        """The deployment in force: an image by digest is a release to run, any other name is left alone."""
        reference = _by_digest(config.agent_image) if config else None
        wanted = None
        if config is not None and reference is not None and reference.digest is not None:
            wanted = Wanted(reference.digest, f"{reference} {config.agent_version}".strip())
            self._credentials = (*config.credentials, *self._own_credentials)
        if wanted != self._wanted:
            self._wanted, self._reference = wanted, reference
            self._fault, self._failures, self._retry_at = None, 0, 0.0
            self._wake.set()

    def passed(self) -> None:
        """The trial is over: the launcher has noted that this version is good."""
        self._running = Running(self._running.version, self._running.launched)
        self._state = self._folder.read()
        self._wake.set()

    @property
    def pending(self) -> bool:
        """Whether the deployment's version is on its way: neither runs, nor is given up."""
        wanted = self._wanted
        if wanted is None or not self._running.launched or self.failed is not None:
            return False
        if self._fault is not None and self._fault.kind is RELEASE_NOT_ONE:
            return False
        return wanted.version != self._running.version or self._running.on_trial

    @property
    def failed(self) -> Problem | None:
        """Why the version that the deployment names was taken back."""
        failed, wanted = self._state.failed, self._wanted
        if failed is None or wanted is None or (failed.version, failed.request) != (wanted.version, wanted.request):
            return None
        reason, shown = _OUTCOMES[failed.outcome], shown_version(self._running.version)
        evidence = [blot(line) for line in failed.detail.splitlines() if line.strip()]
        return Problem(RELEASE_FAILED, *evidence, wanted=shown_version(failed.version), running=shown, reason=reason)

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What is wrong with the version that is wanted, or with bringing it."""
        wanted = self._wanted
        if wanted is not None and not self._running.launched and wanted.version != self._running.version:
            return (Problem(RELEASE_WITHOUT_LAUNCHER, image=self._reference),)
        return tuple(problem for problem in (self.failed, self._fault) if problem is not None)

    def document(self) -> JsonObject:
        """For the report: what runs, what is wanted, how far it is, and what failed last."""
        document: JsonObject = {
            "version": __version__,
            "running": self._running.version or "installed",
            "previous": self._state.previous or "installed",
            "wanted": self._wanted.version if self._wanted else "",
            "state": self._phase(),
        }
        if self._progress is not None:
            document["progress"] = {"done": self._progress[0], "of": self._progress[1]}
        if self._retry_at > self._clock() and self._fault is not None:
            document["nextAttemptTimeUtc"] = iso_time(self._retry_at)
        if failed := self._state.failed:
            document["lastFailure"] = {
                "version": failed.version,
                "outcome": failed.outcome.value,
                "timeUtc": iso_time(failed.at),
            }
        return document

    async def run(self) -> None:
        """For ever: what cannot be brought now is tried again, after longer and longer waits."""
        while True:
            self._wake.clear()
            try:
                until = await self._look()
            except OSError as error:
                self._refuse(disk_problem(error, self._folder.root))
                until = self._retry_at
            wait = None if until is None else max(0.0, until - self._clock())
            try:
                async with asyncio.timeout(wait):
                    await self._wake.wait()
            except TimeoutError:
                pass

    async def _look(self) -> float | None:
        """Do what is to be done next; when to look again, if not only when something changes."""
        if self._running.on_trial or not self._running.launched or self.switching.is_set():
            return None
        self._state = await asyncio.to_thread(self._folder.read)
        if self._retry_at - self._clock() > _LONGEST_WAIT:
            self._retry_at = 0.0  # the clock was set back
        wanted = self._wanted
        here = wanted is not None and wanted.version in self._good
        step = next_step(wanted, self._running.version, self._state, here, self._retry_at, self._clock())
        match step:
            case Rest():
                await self._tidy()
                self.changed()
                return step.until
            case Fetch():
                await self._fetch()
            case Switch():
                await self._switch(step.state)
        return self._clock() if self._retry_at <= self._clock() else self._retry_at

    async def _fetch(self) -> None:
        """Bring it, look at it, and try whether it can be started at all; only then is anything switched."""
        reference = self._reference
        assert reference is not None, "what is wanted has a name"
        credential = next((each for each in self._credentials if each.address == reference.registry), None)
        try:
            _check(reference, await self._store.peek(reference, credential))
            self._fault = None
            image = await self._store.fetch(reference, credential, self._advance)
            await self._rehearse(reference, image.rootfs / "packages")
        except Problem as problem:
            if reference == self._reference:  # another may have been asked for meanwhile
                self._refuse(problem)
        else:
            self._good.add(image.digest)
            self._failures, self._retry_at = 0, 0.0
        finally:
            self._progress = None
        self.changed()

    def _refuse(self, problem: Problem) -> None:
        """Remember why, and when it is tried again: never give up in silence."""
        if self._fault is None or self._fault.code != problem.code:
            _log.error("the release was not taken: %s: %s", problem.title(), problem.cause())
        self._fault = problem
        wait = min(_FIRST_WAIT * 2.0 ** min(self._failures, 16), _LONGEST_WAIT)
        self._failures += 1
        self._retry_at = self._clock() + wait

    def _advance(self, done: int, total: int) -> None:
        before = self._progress
        self._progress = (done, total)
        if before is None or (done - before[0]) * 20 >= total or done == total:
            self.changed()

    async def _rehearse(self, reference: ImageReference, packages: Path) -> None:
        """Compile it, and have it say its options: what fails already here costs the device no pause."""
        python = (sys.executable, "-S")
        compiled = await self._call((*python, "-m", "compileall", "-q", str(packages)), None, _COMPILING)
        said = await self._call((*python, "-m", "hotori.cli", "edge", "run", "--help"), packages)
        if said is not None:
            lines = said.strip().splitlines()[-12:]
            reason = lines[-1] if lines else "it said nothing"
            raise Problem(RELEASE_NOT_ONE, *map(blot, lines), image=reference, reason=blot(reason))
        if compiled is not None:
            _log.info("not everything of %s could be compiled beforehand", reference)
        await asyncio.to_thread(os.sync)  # what is compiled must be whole, also after a power cut

    async def _call(self, command: Sequence[str], packages: Path | None, patience: float = _PATIENCE) -> str | None:
        """What a program said that failed or took too long; None where it went well."""
        environment = {name: value for name, value in os.environ.items() if name not in (COMMAND, LOCK, TRIAL)}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        if packages is not None:
            environment["PYTHONPATH"] = str(packages)
        process = await asyncio.create_subprocess_exec(
            *command, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        try:
            async with asyncio.timeout(patience):
                said, _ = await process.communicate()
        except TimeoutError:
            return f"it said nothing within {patience:g} s"
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        return None if process.returncode == 0 else said.decode(errors="replace")

    async def _switch(self, state: Releases) -> None:
        """From here on the launcher decides; nothing more is done by this program."""
        try:
            await asyncio.to_thread(self._folder.write, state)
        except OSError as error:
            self._refuse(disk_problem(error, self._folder.root))
            return
        _log.info("the edge program switches to %s", shown_version(state.candidate or ""))
        self._state = state
        self.changed()
        self.switching.set()

    async def _tidy(self) -> None:
        """Remove releases that cannot be needed any more; what is on its way stays."""
        wanted = {self._wanted.version} if self._wanted else set()
        if self._folder.store.is_dir():
            await self._store.prune(self._state.needed | {self._running.version} | wanted)

    def _phase(self) -> str:
        wanted = self._wanted
        if self._running.on_trial:
            return "trying"
        if self.switching.is_set():
            return "switching"
        if wanted is None or wanted.version == self._running.version:
            return "current"
        if not self._running.launched:
            return "unmanaged"
        if self.failed is not None:
            return "failed"
        return "waiting" if self._fault is not None else "fetching"


def _by_digest(image: str) -> ImageReference | None:
    """What is named by its digest; a tag can move, and manifests of others name the agents of others by tags."""
    try:
        reference = ImageReference.parse(image)
    except Problem:
        return None
    return reference if reference.digest else None


def _check(reference: ImageReference, config: ImageConfig) -> None:
    """Raises `release-not-one`, `image-wrong-platform`, `image-wrong-python`, before its layers are fetched."""
    if RELEASE_LABEL not in config.labels:
        raise Problem(RELEASE_NOT_ONE, image=reference, reason=_NO_LABEL)
    host = host_platform()
    if not host.runs(config.platform):
        raise Problem(IMAGE_WRONG_PLATFORM, image=reference, found=config.platform, wanted=host)
    python = config.labels.get(PYTHON_LABEL, PYTHON_VERSION)
    if python != PYTHON_VERSION:
        raise Problem(IMAGE_WRONG_PYTHON, image=reference, wanted=python, found=PYTHON_VERSION)
