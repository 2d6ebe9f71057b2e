"""The caller's side: a module's log as it is written, and a shell in a module, through a cloud."""

from __future__ import annotations

import ssl
from collections.abc import AsyncGenerator
from types import TracebackType
from urllib.parse import quote

from hotori.model.identity import Identity
from hotori.model.json import JsonObject
from hotori.problems import Problem
from hotori.problems.streams import STREAM_CUT
from hotori.sdk.connection_file import HubAddress
from hotori.sdk.service import ServiceClient
from hotori.sdk.stream import StreamConnection
from hotori.sdk.stream_frames import Frame, FrameKind, MalformedStreamError, data_frames

_PATIENCE = 90.0
"""Seconds for a device to come: longer than the cloud gives it."""


class ModuleStream:
    """`async with ModuleStream.open(...) as stream`, then `frames`. Problems of the stream are raised there."""

    def __init__(self, connection: StreamConnection, device: str) -> None:
        self._connection, self._device = connection, device

    @classmethod
    async def follow(
        cls, client: ServiceClient, hub: HubAddress, context: ssl.SSLContext, module: Identity, chosen: JsonObject
    ) -> ModuleStream:
        """A log; `chosen` are the filters of `GetModuleLogs`.

        Raises what the cloud and the device say: `device-offline`, `module-unknown`, `streams-full`, `right-missing`.
        """
        return await cls._open(client, hub, context, module, "logs", {"filter": chosen})

    @classmethod
    async def shell(
        cls, client: ServiceClient, hub: HubAddress, context: ssl.SSLContext, module: Identity, wanted: JsonObject
    ) -> ModuleStream:
        """A program; `wanted` has its `command`, and of a terminal `terminal`, `columns`, `rows` and `term`.

        Raises as `follow`, and `shell-refused`, `module-not-running`.
        """
        return await cls._open(client, hub, context, module, "shell", wanted)

    @classmethod
    async def _open(
        cls,
        client: ServiceClient,
        hub: HubAddress,
        context: ssl.SSLContext,
        module: Identity,
        kind: str,
        body: JsonObject,
    ) -> ModuleStream:
        path = f"/devices/{quote(module.device, safe='')}/modules/{quote(module.module or '', safe='')}/{kind}"
        opened = await client.ask("POST", path, body, timeout=_PATIENCE)
        return cls(await StreamConnection.dial(hub, context, {"ticket": opened["ticket"]}), module.device)

    async def __aenter__(self) -> ModuleStream:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._connection.close()

    async def frames(self) -> AsyncGenerator[Frame, None]:
        """What the device says, up to the program's exit. Raises the problem that ends it, else `stream-cut`."""
        try:
            async for frame in self._connection.frames():
                if frame.kind is FrameKind.PROBLEM:
                    raise frame.problem()
                yield frame
                if frame.kind is FrameKind.EXIT:
                    return
        except MalformedStreamError as error:
            raise Problem(STREAM_CUT, str(error), device=self._device) from error
        raise Problem(STREAM_CUT, device=self._device)

    async def type(self, text: bytes) -> bool:
        """Hand it what somebody typed: whether there was somebody to take it."""
        for frame in data_frames(FrameKind.DATA, text):
            if not await self._connection.send(frame):
                return False
        return True

    async def end_input(self) -> None:
        await self._connection.send(Frame(FrameKind.END_OF_INPUT))

    async def resize(self, columns: int, rows: int) -> None:
        await self._connection.send(Frame.of(FrameKind.SIZE, {"columns": columns, "rows": rows}))
