"""One of Hotori's programs as a child process: started, awaited until it is ready, ended."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from hotori.problems import Problem
from hotori.problems.solution import PROGRAM_ENDED, PROGRAM_SLOW
from hotori.sdk.connection_file import FILE_NAME

_LOG_LINES = 20
_POLL = 0.05


class Program:
    """`hotori ARGUMENTS --data FOLDER` in a process of its own, its words in FOLDER.log.

    Ready means that it wrote FOLDER/connect.json. A context manager (`running` in coroutines) that ends it on leaving.
    """

    def __init__(
        self,
        folder: Path,
        *arguments: str,
        ready_within: float = 60.0,
        grace: float = 20.0,
        wrapper: Sequence[str] = (),
    ) -> None:
        """Times in seconds. `wrapper` is a command that runs ours, such as one that enters a network namespace."""
        self.folder = folder
        self.log = folder.with_name(f"{folder.name}.log")
        self._arguments = arguments
        self._command = [*wrapper, sys.executable, "-m", "hotori.cli", *arguments, "--data", str(folder)]
        self._ready_within = ready_within
        self._grace = grace
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def connect_file(self) -> Path:
        return self.folder / FILE_NAME

    @property
    def pid(self) -> int:
        """The process id. Only while it runs."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start and wait until ready. Raises `program-ended` or `program-slow` with its last words."""
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        self.connect_file.unlink(missing_ok=True)
        with self.log.open("ab") as log:
            # In a session of its own: Ctrl-C in the terminal is for us, and we end our programs in order.
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        deadline = time.monotonic() + self._ready_within
        while not self.connect_file.exists():
            status = self._process.poll()
            if status is not None:
                raise Problem(PROGRAM_ENDED, *self._last_words(), program=self._name(), status=status, log=self.log)
            if time.monotonic() > deadline:
                self.stop()
                raise Problem(PROGRAM_SLOW, *self._last_words(), program=self._name(), log=self.log)
            time.sleep(_POLL)

    def status(self) -> int | None:
        """Its exit status; None while it runs."""
        assert self._process is not None
        return self._process.poll()

    def stop(self, sign: signal.Signals = signal.SIGTERM) -> int | None:
        """End it: ask, and after the grace time insist. Its exit status; harmless where it has ended already."""
        process, self._process = self._process, None
        if process is None:
            return None
        if process.poll() is None:
            process.send_signal(sign)
            try:
                process.wait(self._grace)
            except subprocess.TimeoutExpired:
                process.kill()
        return process.wait()

    def __enter__(self) -> Program:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _name(self) -> str:
        return " ".join(("hotori", *self._arguments[:2]))

    def _last_words(self) -> Sequence[str]:
        with self.log.open(encoding="utf-8", errors="replace") as log:
            return [line.rstrip() for line in deque(log, _LOG_LINES)]


@asynccontextmanager
async def running(program: Program) -> AsyncIterator[Program]:
    """The program while the block runs; the loop goes on while it starts and ends."""
    try:
        await asyncio.to_thread(program.start)
        yield program
    finally:
        await asyncio.to_thread(program.stop)


def cpu_seconds(pid: int) -> float:
    """Processor time that a process has used so far, in seconds (proc(5), stat fields 14 and 15)."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
