"""`hotori shell`: a terminal, or a program with its pipes, in a module of a device far away."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import termios
import threading
import tty
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import click

from hotori.cli.context import open_cloud
from hotori.cli.device import service_client
from hotori.cli.options import answers, cloud_option, run
from hotori.cli.terminal import Terminal
from hotori.model.identity import Identity
from hotori.model.json import JsonObject
from hotori.net.tls import client_context
from hotori.sdk.connection_file import CloudConnection
from hotori.sdk.stream_client import ModuleStream
from hotori.sdk.stream_frames import FrameKind

_PIECE = 1 << 15
_INPUT, _OUTPUT = 0, 1
_NO_WINDOW = 80, 24


@click.command()
@click.argument("device")
@click.argument("module")
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
@click.option(
    "--tty/--no-tty",
    "terminal_wanted",
    default=None,
    help="With a terminal in the module, or with pipes. Unless given: a terminal if both ends here are one.",
)
@cloud_option
@answers
def shell(
    terminal: Terminal,
    device: str,
    module: str,
    command: tuple[str, ...],
    terminal_wanted: bool | None,
    cloud: str | None,
) -> int:
    """Run a program in a module: a shell, unless COMMAND names another. Its exit status is that of this command.

    Needs the right ModuleShell, and a device that allows shells. Every shell is on record, without what is typed.

    \b
    Example:  hotori shell edge-1 camera
              hotori shell edge-1 camera -- ls -l /app
              hotori shell edge-1 camera -- cat /app/settings.json > settings.json
    """
    on_terminal = _both_terminals() if terminal_wanted is None else terminal_wanted
    wanted: JsonObject = {"command": list(command), "terminal": on_terminal}
    if on_terminal:
        columns, rows = _size()
        wanted |= {"columns": columns, "rows": rows, "term": os.environ.get("TERM") or "xterm"}
    return run(_attend(open_cloud(cloud), Identity(device, module), wanted))


async def _attend(cloud: CloudConnection, module: Identity, wanted: JsonObject) -> int:
    """Both directions until the program has ended; its exit status."""
    async with (
        service_client(cloud) as client,
        await ModuleStream.shell(client, cloud.hub, client_context(cloud.ca), module, wanted) as stream,
    ):
        with _raw(bool(wanted["terminal"]) and os.isatty(_INPUT)), _sizes(stream):
            typing = asyncio.create_task(_pass_typed(stream))
            try:
                return await _show(stream)
            finally:
                typing.cancel()
                await asyncio.gather(typing, return_exceptions=True)


async def _show(stream: ModuleStream) -> int:
    async for frame in stream.frames():
        match frame.kind:
            case FrameKind.DATA:
                _write(sys.stdout.fileno(), frame.payload)
            case FrameKind.ERRORS:
                _write(sys.stderr.fileno(), frame.payload)
            case FrameKind.EXIT:
                return int(str(frame.document().get("status", 1)))
    raise AssertionError("a stream of frames ends with an exit or raises")


def _write(descriptor: int, text: bytes) -> None:
    """All of it, waiting for the reader here: the program in the module waits as well then."""
    left = memoryview(text)
    while left:
        left = left[os.write(descriptor, left) :]


async def _pass_typed(stream: ModuleStream) -> None:
    """Standard input, to its end. A thread of its own reads it: a terminal that a loop reads would not block for
    those any more who share it, and a file cannot be waited for."""
    loop, typed, taken = asyncio.get_running_loop(), asyncio.Queue[bytes](), threading.Semaphore()

    def read() -> None:
        text = b"?"
        while text and taken.acquire():
            try:
                text = os.read(_INPUT, _PIECE)
            except OSError:
                text = b""  # nobody gave us one
            with suppress(RuntimeError):  # the program in the module has ended, and this one is about to
                loop.call_soon_threadsafe(typed.put_nowait, text)

    threading.Thread(target=read, name="standard input", daemon=True).start()
    while text := await typed.get():
        if not await stream.type(text):
            return
        taken.release()
    await stream.end_input()


@contextmanager
def _raw(wanted: bool) -> Iterator[None]:
    """Every key goes to the module, Ctrl-C too; the terminal is as it was afterwards."""
    if not wanted:
        yield
        return
    before = termios.tcgetattr(_INPUT)
    tty.setraw(_INPUT, termios.TCSADRAIN)  # what was typed ahead is for the module
    try:
        yield
    finally:
        termios.tcsetattr(_INPUT, termios.TCSADRAIN, before)


def _size() -> tuple[int, int]:
    """Columns and rows of the window itself: the environment may tell those of another."""
    return os.get_terminal_size(_OUTPUT) if os.isatty(_OUTPUT) else _NO_WINDOW


@contextmanager
def _sizes(stream: ModuleStream) -> Iterator[None]:
    """Pass on new sizes of the window."""
    loop, telling = asyncio.get_running_loop(), set[asyncio.Task[None]]()

    def tell() -> None:
        columns, rows = _size()
        task = asyncio.create_task(stream.resize(columns, rows))
        telling.add(task)
        task.add_done_callback(telling.discard)

    if not os.isatty(_OUTPUT):
        yield
        return
    loop.add_signal_handler(signal.SIGWINCH, tell)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGWINCH)


def _both_terminals() -> bool:
    return os.isatty(_INPUT) and os.isatty(_OUTPUT)
