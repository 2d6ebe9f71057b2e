"""A program beside a module that is a process: on a terminal of its own, or with three pipes."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import struct
import termios
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from hotori.problems import Problem
from hotori.problems.streams import SHELL_PROGRAM_MISSING
from hotori.runtimes.host import host_python
from hotori.runtimes.process_tree import end_session
from hotori.runtimes.shell import Channel, ShellRequest

_PIECE = 1 << 15
_END_OF_TEXT = b"\x04"
_TAKE_TERMINAL = "import fcntl,os,sys,termios;fcntl.ioctl(0,termios.TIOCSCTTY,0);os.execv(sys.argv[1],sys.argv[1:])"
"""A terminal is that of a session only once somebody in the session has taken it."""


class ProcessShell:
    """The protocol `Shell` over a process of this machine. `closed` is told once it is."""

    def __init__(
        self, process: asyncio.subprocess.Process, request: ShellRequest, source: int, out: Mapping[int, Channel]
    ) -> None:
        self.pid = process.pid
        self.closed: list[Callable[[ProcessShell], object]] = []
        self._process, self._terminal = process, request.terminal
        self._input: int | None = source
        self._outputs = dict(out)
        self._pending: dict[asyncio.Task[bytes], int] = {}
        self._open = {source, *out}
        self._ending = asyncio.create_task(self._end_with_leader(), name=f"shell {self.pid}")

    @classmethod
    async def open(
        cls, argv: Sequence[str], env: Mapping[str, str], folder: Path, request: ShellRequest
    ) -> ProcessShell:
        """Start a program by its absolute path. Raises `shell-program-missing`."""
        env = {**env, "TERM": request.term} if request.terminal else env
        if not request.terminal:
            return await cls._on_pipes(argv, env, folder, request)
        master, slave = os.openpty()
        _set_size(slave, request.columns, request.rows)
        # Isolated from the module's environment, which is for the program alone.
        taking = [str(host_python()), "-I", "-S", "-c", _TAKE_TERMINAL, *argv]
        process = await _start(taking, env, folder, (slave, slave, slave), (master,))
        return cls(process, request, master, {master: Channel.OUTPUT})

    @classmethod
    async def _on_pipes(
        cls, argv: Sequence[str], env: Mapping[str, str], folder: Path, request: ShellRequest
    ) -> ProcessShell:
        (theirs_in, ours_in), (ours_out, theirs_out), (ours_err, theirs_err) = os.pipe(), os.pipe(), os.pipe()
        ours = (ours_in, ours_out, ours_err)
        process = await _start(argv, env, folder, (theirs_in, theirs_out, theirs_err), ours)
        return cls(process, request, ours_in, {ours_out: Channel.OUTPUT, ours_err: Channel.ERRORS})

    async def read(self) -> tuple[Channel, bytes]:
        while self._outputs:
            waiting = set(self._pending.values())
            for output in self._outputs:
                if output not in waiting:
                    self._pending[asyncio.ensure_future(_read(output))] = output
            done, _ = await asyncio.wait(self._pending, return_when=asyncio.FIRST_COMPLETED)
            first = done.pop()
            output = self._pending.pop(first)
            if piece := first.result():
                return self._outputs[output], piece
            self._outputs.pop(output, None)
        return Channel.OUTPUT, b""

    async def write(self, text: bytes) -> None:
        if self._input is not None and not await _write(self._input, text):
            self._forget_input()

    async def write_end(self) -> None:
        if self._terminal:
            await self.write(_END_OF_TEXT)
        elif self._input is not None:
            self._forget_input()

    async def resize(self, columns: int, rows: int) -> None:
        if self._terminal and self._input is not None:
            _set_size(self._input, columns, rows)

    async def wait(self) -> int:
        await asyncio.shield(self._ending)
        code = self._process.returncode or 0
        return code if code >= 0 else 128 - code

    async def end(self) -> None:
        """End its processes; whoever reads is told so, and closes it."""
        if self._process.returncode is None:  # later its number may be that of another
            await end_session(self.pid)
        await asyncio.shield(self._ending)

    async def close(self) -> None:
        await self.end()
        for task in self._pending:
            task.cancel()
        await asyncio.gather(*self._pending, return_exceptions=True)
        self._pending.clear()
        self._input, self._outputs = None, {}
        for descriptor in self._open:
            os.close(descriptor)
        self._open.clear()
        for told in self.closed:
            told(self)

    async def _end_with_leader(self) -> None:
        """What the program leaves behind in its session goes with it, and the terminal is free."""
        await self._process.wait()
        await end_session(self.pid)

    def _forget_input(self) -> None:
        if self._input is not None and not self._terminal:
            self._open.discard(self._input)
            os.close(self._input)
        self._input = None


async def _start(
    argv: Sequence[str],
    env: Mapping[str, str],
    folder: Path,
    theirs: tuple[int, int, int],
    ours: Sequence[int],
) -> asyncio.subprocess.Process:
    """Start the program on its three descriptors, which are closed here; ours are made ready for a loop."""
    for descriptor in ours:
        os.set_blocking(descriptor, False)
    try:
        return await asyncio.create_subprocess_exec(
            *argv,
            stdin=theirs[0],
            stdout=theirs[1],
            stderr=theirs[2],
            cwd=folder,
            env=env,
            start_new_session=True,
        )
    except OSError as error:
        for descriptor in ours:
            os.close(descriptor)
        evidence = f"exec {argv[0]}: {error.strerror}"
        raise Problem(SHELL_PROGRAM_MISSING, evidence, module=folder.name, program=argv[0]) from error
    finally:
        for descriptor in set(theirs):
            os.close(descriptor)


async def _read(descriptor: int) -> bytes:
    """What comes next; nothing at the end."""
    while True:
        try:
            return os.read(descriptor, _PIECE)
        except BlockingIOError:
            await _ready(descriptor, writing=False)
        except OSError as error:
            if error.errno != errno.EIO:  # nobody has the other end of the terminal any more
                raise
            return b""


async def _write(descriptor: int, text: bytes) -> bool:
    """Write all of it; whether there was somebody to take it."""
    left = memoryview(text)
    while left:
        try:
            left = left[os.write(descriptor, left) :]
        except BlockingIOError:
            await _ready(descriptor, writing=True)
        except OSError as error:
            if error.errno not in (errno.EIO, errno.EPIPE):
                raise
            return False
    return True


async def _ready(descriptor: int, *, writing: bool) -> None:
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    watch, forget = (loop.add_writer, loop.remove_writer) if writing else (loop.add_reader, loop.remove_reader)
    watch(descriptor, _settle, ready)
    try:
        await ready
    finally:
        forget(descriptor)


def _settle(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)


def _set_size(descriptor: int, columns: int, rows: int) -> None:
    fcntl.ioctl(descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
