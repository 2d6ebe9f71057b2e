"""One module as a process of its own group: started, watched, ended, its words kept."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import signal
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from hotori.model.platform import Platform
from hotori.problems import Problem
from hotori.problems.modules import MODULE_PROGRAM_MISSING, MODULE_PROGRAM_NOT_EXECUTABLE
from hotori.problems.streams import MODULE_NOT_RUNNING, SHELL_PROGRAM_MISSING
from hotori.runtimes.container_paths import ContainerPaths
from hotori.runtimes.disk import disk_problems
from hotori.runtimes.host import PYTHON_VERSION, host_python
from hotori.runtimes.module_record import ModuleRecord
from hotori.runtimes.module_runtime import ModuleState
from hotori.runtimes.process_mark import ProcessMark, end_stale, signal_group
from hotori.runtimes.process_shell import ProcessShell
from hotori.runtimes.program import ProgramFinder
from hotori.runtimes.rotated_log import RotatedLog
from hotori.runtimes.shell import ShellRequest

_PIECE = 1 << 16
_STARTS = 16
"""How many starts are remembered with their places in the log."""
_PIPE_GRACE = 1.0
"""Seconds in which the last words of a module that ended are read, in case something else holds its output."""
_NOT_FOUND, _NOT_STARTED = 127, 126
_NOT_FOUND_KINDS = (MODULE_PROGRAM_MISSING,)
_STANDARD_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_log = logging.getLogger(__name__)


class _Start(NamedTuple):
    """A run by its number, when it began (Unix seconds), and where its words begin in the log."""

    run: int
    time: float
    place: int


class ProcessModule:
    """The one actor that starts and ends a module. Its folder:

    rootfs/ the image's files · home/ and tmp/ its own · log, log.1, … its words · module.json its record
    """

    def __init__(
        self,
        folder: Path,
        record: ModuleRecord,
        host: Platform,
        clock: Callable[[], float],
        changed: Callable[[str], None],
    ) -> None:
        self.record = record
        self._changed = changed
        self._followers: set[asyncio.Event] = set()
        self._shells: set[ProcessShell] = set()
        self._folder = folder
        self._host = host
        self._clock = clock
        self._log = RotatedLog(folder / "log", record.log)
        self._verb = asyncio.Lock()
        self._writing = asyncio.Lock()
        self._stopping = False
        self._pid = 0
        self._run = 0
        self._starts: deque[_Start] = deque(maxlen=_STARTS)
        self._watch: asyncio.Task[None] | None = None

    async def recover(self) -> None:
        """End what an agent that died left running. It counts as failed: it did not end by its own will."""
        mark = self.record.process
        if mark is None:
            return
        if mark.alive():
            _log.warning("module %s still runs from before the agent ended; it is ended now", self.record.name)
            await end_stale(mark)
        error = "the agent ended before the module did"
        await self._remember(self._ended(ModuleState.FAILED, 128 + signal.SIGKILL, error))

    async def start(self) -> None:
        """Start it; nothing where it runs. Raises the problem that keeps it from starting, and remembers that."""
        async with self._verb:
            if self._watch and self.record.state is ModuleState.RUNNING:
                return
            if self._watch:
                # It has ended, but the last of it may still be on its way to the disk.
                await self._watch
            try:
                self._run += 1
                self._starts.append(_Start(self._run, self._clock(), self._log.end))
                with disk_problems(self._folder):
                    command = await asyncio.to_thread(self._command, self.record.argv)
                process, output = await self._spawn(command)
            except Problem as problem:
                await self._not_started(problem)
                raise
            self._stopping, self._pid = False, process.pid
            self._watch = asyncio.create_task(self._watch_over(process, output), name=f"module {self.record.name}")
            await self._remember(self._started(process.pid))

    async def stop(self, grace: float) -> None:
        """Ask the whole group to end; after `grace` seconds, end it. Nothing where it does not run."""
        async with self._verb:
            watch = self._watch
            if watch is None:
                return
            if self.record.state is ModuleState.RUNNING:
                self._stopping = True
                signal_group(self._pid, signal.SIGTERM)
                await asyncio.wait({watch}, timeout=grace)
                if not watch.done():
                    signal_group(self._pid, signal.SIGKILL)
            await watch

    async def roots(self) -> list[int]:
        """The processes that were started: the module's own and those of shells; none where it does not run."""
        if self.record.process is None:
            async with self._verb:  # a program may run before its start is on the books
                pass
        own = [self.record.process.pid] if self.record.process else []
        return own + [shell.pid for shell in self._shells]

    async def remove(self, grace: float) -> None:
        await self.stop(grace)
        await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)

    async def logs(self, tail: int | None) -> bytes:
        return await asyncio.to_thread(self._log.read, tail)

    async def follow(self, tail: int | None, since: float) -> AsyncIterator[bytes]:
        """The log on disk is what waits for a slow reader."""
        run, place = self._run, 0
        if since:
            place = next((start.place for start in self._starts if start.time >= since), self._log.end)
        if tail is not None:
            place = max(place, self._log.end - len(self._log.read(tail)))
        news = asyncio.Event()
        self._followers.add(news)
        try:
            while True:
                news.clear()
                ended, place = self._end_of(run), max(place, self._log.begin)
                most = _PIECE if ended is None else min(_PIECE, ended - place)
                piece, place = self._log.read_from(place, most) if most > 0 else (b"", place)
                if piece:
                    yield piece
                elif ended is None:
                    await news.wait()
                else:
                    return
        finally:
            self._followers.discard(news)

    def _end_of(self, run: int) -> int | None:
        """Where a run's words end in the log; None while it may write more."""
        if self._run > run:
            return next(start.place for start in self._starts if start.run > run)
        return None if self.record.state is ModuleState.RUNNING else self._log.end

    async def shell(self, request: ShellRequest) -> ProcessShell:
        """Start a program as the module's own is started; it ends with the module at the latest."""
        name = self.record.name
        if self.record.state is not ModuleState.RUNNING:
            raise Problem(MODULE_NOT_RUNNING, module=name, state=self.record.state.value)
        try:
            argv, env, folder = await asyncio.to_thread(self._command, request.command)
        except Problem as problem:
            raise Problem(
                SHELL_PROGRAM_MISSING, *problem.evidence, module=name, program=request.command[0]
            ) from problem
        shell = await ProcessShell.open(argv, env, folder, request)
        self._shells.add(shell)
        shell.closed.append(self._shells.discard)
        return shell

    def _command(self, argv: Sequence[str]) -> tuple[list[str], dict[str, str], Path]:
        """What is really started: command line, environment and working folder on this machine."""
        record = self.record
        paths = ContainerPaths(self._folder / "rootfs", {at: Path(path) for at, path in record.binds.items()})
        env = self._environment(paths)
        working_dir = paths.locate(record.working_dir or "/")
        working_dir.mkdir(parents=True, exist_ok=True)
        finder = ProgramFinder(record.name, record.image, paths, env, working_dir, host_python(), self._host)
        program, *arguments = finder.find(argv)
        return [program, *(paths.translate_text(argument) for argument in arguments)], env, working_dir

    def _environment(self, paths: ContainerPaths) -> dict[str, str]:
        """The module's own, and no word of the agent's. Packages that the image installed for its own Python count."""
        home, temporary = self._folder / "home", self._folder / "tmp"
        own = {"PATH": _STANDARD_PATH, "HOME": str(home), "TMPDIR": str(temporary), "PYTHONUNBUFFERED": "1"}
        given = {name: paths.translate_text(value) for name, value in self.record.env.items()}
        env = {**own, **given, "PYTHONNOUSERSITE": "1"}
        # It would lead the host's interpreter to the image's standard library.
        env.pop("PYTHONHOME", None)
        installed = (f"usr/local/lib/python{PYTHON_VERSION}/site-packages", "usr/lib/python3/dist-packages")
        packages = [str(paths.rootfs / part) for part in installed if (paths.rootfs / part).is_dir()]
        if python_path := [part for part in (env.get("PYTHONPATH"), *packages) if part]:
            env["PYTHONPATH"] = ":".join(python_path)
        return env

    async def _spawn(
        self, command: tuple[list[str], dict[str, str], Path]
    ) -> tuple[asyncio.subprocess.Process, _Output]:
        argv, env, working_dir = command
        output, write_end = _Output.open()
        try:
            process = await asyncio.create_subprocess_exec(
                *argv,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=write_end,
                stderr=write_end,
                cwd=working_dir,
                env=env,
                start_new_session=True,
            )
        except OSError as error:
            output.close()
            evidence = f"exec {argv[0]}: {error.strerror}"
            name = self.record.name
            raise Problem(MODULE_PROGRAM_NOT_EXECUTABLE, evidence, module=name, program=argv[0]) from error
        finally:
            os.close(write_end)
        return process, output

    async def _watch_over(self, process: asyncio.subprocess.Process, output: _Output) -> None:
        pump = asyncio.create_task(self._pump(output.reader))
        returncode = await process.wait()
        # What it started and left behind goes with it, as in a container.
        signal_group(process.pid, signal.SIGKILL)
        await asyncio.gather(*(shell.end() for shell in self._shells))
        await asyncio.wait({pump}, timeout=_PIPE_GRACE)
        pump.cancel()
        await asyncio.gather(pump, return_exceptions=True)
        output.close()
        await self._remember(self._after(returncode))

    async def _pump(self, reader: asyncio.StreamReader) -> None:
        """Keep what the module writes. Where the disk does not take it, it is lost; the module goes on."""
        failing = False
        while piece := await reader.read(_PIECE):
            try:
                self._log.write(piece)
                failing = False
            except OSError as error:
                if not failing:
                    _log.error("the log of module %s is not kept: %s", self.record.name, error)
                failing = True
            self._tell_followers()

    def _tell_followers(self) -> None:
        """There may be more to read, or the module has ended."""
        for follower in self._followers:
            follower.set()

    def _after(self, returncode: int) -> ModuleRecord:
        exit_code, error = returncode, ""
        if returncode < 0:
            exit_code, error = 128 - returncode, f"ended by signal {-returncode} ({signal.Signals(-returncode).name})"
        if self._stopping or exit_code == 0:
            return self._ended(ModuleState.STOPPED, exit_code, "")
        return self._ended(ModuleState.FAILED, exit_code, error)

    async def _not_started(self, problem: Problem) -> None:
        error = problem.evidence[0] if problem.evidence else str(problem)
        self._log.write(f"{error}\n".encode())
        exit_code = _NOT_FOUND if problem.kind in _NOT_FOUND_KINDS else _NOT_STARTED
        started = replace(self.record, started_at=self._clock())
        self.record = started
        await self._remember(self._ended(ModuleState.FAILED, exit_code, error))

    def _started(self, pid: int) -> ModuleRecord:
        record = replace(self.record, state=ModuleState.RUNNING, exit_code=0, error="", started_at=self._clock())
        return replace(record, process=ProcessMark.of(pid))

    def _ended(self, state: ModuleState, exit_code: int, error: str) -> ModuleRecord:
        record = replace(self.record, state=state, exit_code=exit_code, error=error, exited_at=self._clock())
        return replace(record, process=None)

    async def _remember(self, record: ModuleRecord) -> None:
        """Take the record as the truth at once, then keep it; writes happen one after another."""
        self.record = record
        self._changed(record.name)
        self._tell_followers()
        async with self._writing:
            try:
                await asyncio.to_thread(self.record.write, self._folder)
            except OSError as error:
                _log.error("the state of module %s could not be kept: %s", record.name, error)


class _Output:
    """The read end of a module's output. It is no part of the process: a process that ended is then known at once,
    whoever still holds the other end.

    The descriptor is watched here, since uvloop's pipe transports close it twice: what a thread opened between the
    two was closed, too.
    """

    def __init__(self, read_end: int) -> None:
        self.reader = asyncio.StreamReader()
        self._read_end = read_end
        self._loop = asyncio.get_running_loop()
        os.set_blocking(read_end, False)
        self._loop.add_reader(read_end, self._take)

    @classmethod
    def open(cls) -> tuple[_Output, int]:
        """The output, and the descriptor that a module writes to."""
        read_end, write_end = os.pipe()
        return cls(read_end), write_end

    def close(self) -> None:
        self._loop.remove_reader(self._read_end)
        os.close(self._read_end)

    def _take(self) -> None:
        """What is there, at most a piece; whoever reads it writes it away before the loop comes here again."""
        try:
            piece = os.read(self._read_end, _PIECE)
        except BlockingIOError:
            return
        if piece:
            self.reader.feed_data(piece)
        else:
            self._loop.remove_reader(self._read_end)
            self.reader.feed_eof()
