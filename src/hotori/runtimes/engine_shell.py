"""A terminal in a container."""

from __future__ import annotations

from collections.abc import Sequence

from aiodocker.execs import Exec
from aiodocker.stream import Stream

from hotori.runtimes.engine import Engine


class EngineShell:
    """The protocol `Shell` over the engine's exec."""

    def __init__(self, program: Exec, stream: Stream, engine: Engine) -> None:
        self._program, self._stream, self._engine = program, stream, engine

    @classmethod
    async def open(cls, engine: Engine, container: str, command: Sequence[str], columns: int, rows: int) -> EngineShell:
        """Raises EngineRefusedError."""
        body = {"AttachStdin": True, "AttachStdout": True, "AttachStderr": True, "Tty": True, "Cmd": list(command)}
        made = await engine.post(f"containers/{container}/exec", body)
        program = engine.docker.containers.exec(made["Id"])
        stream = program.start(detach=False)
        await stream.__aenter__()
        shell = cls(program, stream, engine)
        await shell.resize(columns, rows)
        return shell

    async def read(self) -> bytes:
        message = await self._stream.read_out()
        return message.data if message else b""

    async def write(self, text: bytes) -> None:
        await self._stream.write_in(text)

    async def resize(self, columns: int, rows: int) -> None:
        await self._engine.post(f"exec/{self._program.id}/resize", h=str(rows), w=str(columns))

    async def close(self) -> None:
        await self._stream.close()
