"""A module's log on the terminal as it is written, for `hotori logs --follow`."""

from __future__ import annotations

import codecs
import os
import sys

from hotori.cli.device import service_client
from hotori.cli.terminal import Terminal
from hotori.edge.log_request import line_document
from hotori.model.identity import Identity
from hotori.model.json import JsonObject
from hotori.net.tls import client_context
from hotori.problems import Words
from hotori.sdk.connection_file import CloudConnection
from hotori.sdk.stream_client import ModuleStream
from hotori.sdk.stream_frames import FrameKind

_WAITING = Words(
    "--- {module} does not run ({state}, exit code {code}); waiting for it to start",
    "--- {module} は動いていません（{state}、終了コード {code}）。起動を待っています",
)
_STARTED = Words("--- {module} has started", "--- {module} が起動しました")


async def follow(terminal: Terminal, cloud: CloudConnection, module: Identity, chosen: JsonObject) -> None:
    """Until Ctrl-C, or until the module is removed. Raises the problem that ends it."""
    async with (
        service_client(cloud) as client,
        await ModuleStream.follow(client, cloud.hub, client_context(cloud.ca), module, chosen) as stream,
    ):
        try:
            await _show(terminal, _Lines(terminal, cloud.hub.host, module), stream)
        except BrokenPipeError:
            # Whoever read it has seen enough; nothing is left to be flushed to them at the end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


async def _show(terminal: Terminal, lines: _Lines, stream: ModuleStream) -> None:
    async for frame in stream.frames():
        if frame.kind is FrameKind.DATA:
            lines.add(frame.payload)
        elif frame.kind is FrameKind.NOTE:
            lines.end()
            _tell(terminal, frame.document())


class _Lines:
    """Writes what comes as it is; for a script one JSON object a line, as `GetModuleLogs` gives it."""

    def __init__(self, terminal: Terminal, hub: str, module: Identity) -> None:
        self._terminal, self._hub, self._module = terminal, hub, module
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._part = ""

    def add(self, text: bytes) -> None:
        if not self._terminal.as_json:
            sys.stdout.write(self._decoder.decode(text))
            sys.stdout.flush()
            return
        *lines, self._part = (self._part + self._decoder.decode(text)).split("\n")
        for line in lines:
            self._write(line)

    def end(self) -> None:
        """A run of the module is over: what it did not end is a line, too."""
        if part := self._part:
            self._part = ""
            self._write(part)

    def _write(self, line: str) -> None:
        self._terminal.json(line_document(line, str(self._module.module), self._hub, self._module.device))


def _tell(terminal: Terminal, note: JsonObject) -> None:
    if terminal.as_json:
        terminal.json(note)
    elif note.get("event") == "started":
        terminal.note(_STARTED, module=note.get("module"))
    else:
        terminal.note(_WAITING, module=note.get("module"), state=note.get("state"), code=note.get("exitCode", "-"))
