"""A program beside a module's own in its container."""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
from aiodocker.exceptions import DockerError
from aiodocker.execs import Exec
from aiodocker.stream import Stream

from hotori.problems import Problem
from hotori.problems.streams import SHELL_PROGRAM_MISSING
from hotori.runtimes.container_state import in_container
from hotori.runtimes.engine import Engine, EngineRefusedError
from hotori.runtimes.process_tree import end_session, session_members
from hotori.runtimes.shell import Channel, ShellRequest

_END_OF_TEXT = b"\x04"
_NOT_STARTED = (126, 127)
_SETTLE = 0.05
_LOOKS = 40
_MISSING = re.compile(r"executable file .* not found|no such file or directory|permission denied|not found in \$PATH")
_FAILED = re.compile(rb"(?:Error: )?(?:OCI runtime|runc|crun)\b.*exec", re.IGNORECASE)


class EngineShell:
    """The protocol `Shell` over the engine's exec. An engine lets what it runs go on when its reader leaves, so that
    it is ended here by its process, from this machine or, where that is not allowed, from inside the container."""

    def __init__(
        self, program: Exec, stream: Stream, engine: Engine, container: str, module: str, request: ShellRequest
    ) -> None:
        self._program, self._stream, self._engine = program, stream, engine
        self._container, self._module, self._request = container, module, request
        self._pid = 0
        self._silent = True
        self._closed = False

    @classmethod
    async def open(cls, engine: Engine, container: str, module: str, request: ShellRequest) -> EngineShell:
        """Raises EngineRefusedError."""
        terminal = request.terminal
        body = {
            "AttachStdin": True,
            "AttachStdout": True,
            "AttachStderr": True,
            "Tty": terminal,
            "Cmd": list(request.command),
            **({"Env": [f"TERM={request.term}"]} if terminal else {}),
        }
        made = await engine.post(f"containers/{container}/exec", body)
        program = engine.docker.containers.exec(made["Id"])
        stream = program.start(detach=False)
        try:
            await stream.__aenter__()
        except DockerError as error:
            raise EngineRefusedError(error.status, str(error.message)) from error
        shell = cls(program, stream, engine, container, module, request)
        await shell.resize(request.columns, request.rows)
        await shell._inspect()
        return shell

    async def read(self) -> tuple[Channel, bytes]:
        try:
            message = await self._stream.read_out()
        except (aiohttp.ClientError, OSError):
            message = None  # the engine has gone: `wait` tells
        if message is None:
            return Channel.OUTPUT, b""
        if self._silent and _FAILED.match(message.data):
            await self._check_started(message.data)
        self._silent = False
        return Channel.ERRORS if message.stream == Channel.ERRORS else Channel.OUTPUT, message.data

    async def write(self, text: bytes) -> None:
        try:
            await self._stream.write_in(text)
        except (RuntimeError, AssertionError, ConnectionError):
            return  # the program has ended: the library asserts that there is a connection

    async def write_end(self) -> None:
        if self._request.terminal:
            await self.write(_END_OF_TEXT)
            return
        answer: Any = self._stream._resp  # noqa: SLF001 - the library can end both directions only
        transport = answer.connection.transport if answer is not None and answer.connection else None
        if transport is not None and transport.can_write_eof():
            transport.write_eof()

    async def resize(self, columns: int, rows: int) -> None:
        if not self._request.terminal:
            return
        try:
            await self._engine.post(f"exec/{self._program.id}/resize", h=str(rows), w=str(columns))
        except EngineRefusedError:
            return  # it has ended, or was not begun yet: a size is worth nothing then

    async def wait(self) -> int:
        return int((await self._ended()).get("ExitCode") or 0)

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        try:
            state = await self._inspect() or {}
            pid = self._pid if self._engine.local else 0
            if pid and (state.get("Running") or await asyncio.to_thread(self._left, pid)):
                await self._end(pid)
        finally:
            await self._stream.close()

    async def _check_started(self, words: bytes) -> None:
        """Engines tell it as if the program had written it. Raises `shell-program-missing`."""
        state = await self._ended()
        if int(state.get("ExitCode") or 0) in _NOT_STARTED:
            raise self._missing(words.decode(errors="replace").strip())

    async def _ended(self) -> Any:
        """The engine's word of it once it has ended: the end of the stream may come before."""
        state: Any = None
        for _ in range(_LOOKS):
            state = await self._inspect()
            if not state or not state.get("Running"):
                break
            await asyncio.sleep(_SETTLE)
        return state or {}

    async def _inspect(self) -> Any:
        """None where the engine has forgotten it, as with a container that was removed."""
        try:
            state = await self._engine.get(f"exec/{self._program.id}/json")
        except EngineRefusedError:
            return None
        # Podman does not tell it any more once the program has ended.
        self._pid = int(state.get("Pid") or 0) or self._pid
        return state

    def _left(self, pid: int) -> bool:
        """Whether a program that has ended left something in its session; the number may be another's by now."""
        members = session_members(pid)
        return bool(members) and all(in_container(member, self._container) for member in members)

    async def _end(self, pid: int) -> None:
        if await end_session(pid):
            return
        inside = [number for member in session_members(pid) if (number := _number_inside(member))]
        if inside:
            await self._run_inside(["kill", "-KILL", *inside])

    async def _run_inside(self, command: list[str]) -> None:
        with suppress(EngineRefusedError):  # the container has just ended, or has no such program
            made = await self._engine.post(f"containers/{self._container}/exec", {"Cmd": command})
            await self._engine.post(f"exec/{made['Id']}/start", {"Detach": True})

    def _missing(self, words: str) -> Problem:
        return Problem(SHELL_PROGRAM_MISSING, words, module=self._module, program=self._request.command[0])


def shell_problem(module: str, request: ShellRequest, words: str) -> Problem | None:
    """What an engine means that does not start a program; None where it means something else."""
    if _MISSING.search(words):
        return Problem(SHELL_PROGRAM_MISSING, words, module=module, program=request.command[0])
    return None


def _number_inside(pid: int) -> str | None:
    """The process's id as the container has it: proc(5), NSpid, innermost last."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    return next((line.split()[-1] for line in status.splitlines() if line.startswith("NSpid:")), None)
