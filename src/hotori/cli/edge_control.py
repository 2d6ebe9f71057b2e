"""`hotori edge list`, `logs`, `restart`, `support-bundle`: for people on the device itself, with or without a cloud."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import click

from hotori.cli.options import answers, run
from hotori.cli.terminal import Terminal
from hotori.model.json import Json, JsonObject
from hotori.problems import Words
from hotori.sdk.control import ControlClient

SYSTEM_DATA = Path("/var/lib/hotori-edge")
"""Where an installed device keeps everything."""
_Found = TypeVar("_Found")

data_option = click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="HOTORI_EDGE_DATA",
    default=SYSTEM_DATA,
    show_default=True,
    help="The data folder of the device.",
)


@click.command(name="list")
@data_option
@answers
def list_modules(terminal: Terminal, data: Path) -> None:
    """List the modules of this device, asked of the device itself.

    \b
    Example:  hotori edge list --data edge-1
    """
    modules = _ask(data, lambda device: device.modules())
    columns = {
        "name": Words("NAME", "名前"),
        "runtimeStatus": Words("STATUS", "状態"),
        "description": Words("DESCRIPTION", "説明"),
        "config": Words("Config", "イメージ"),
    }
    now = datetime.now(UTC)
    terminal.rows(columns, [module | _described(module, now) for module in modules])


@click.command()
@click.argument("module")
@click.option("--tail", metavar="N", help="The last N lines.")
@click.option("--since", metavar="TIME", help="A time, or a duration such as 10m or 1 day.")
@click.option("--until", metavar="TIME", help="As --since.")
@data_option
@answers
def logs(terminal: Terminal, module: str, tail: str | None, since: str | None, until: str | None, data: Path) -> None:
    """Show what a module of this device wrote.

    \b
    Example:  hotori edge logs camera --tail 20 --data edge-1
    """
    chosen = {name: value for name, value in (("tail", tail), ("since", since), ("until", until)) if value}
    text = _ask(data, lambda device: device.logs(module, **chosen))
    if terminal.as_json:
        terminal.json({"module": module, "lines": list(text.splitlines())})
    else:
        click.echo(text, nl=False)


@click.command()
@click.argument("module")
@data_option
@answers
def restart(terminal: Terminal, module: str, data: Path) -> None:
    """Stop and start a module of this device.

    \b
    Example:  hotori edge restart camera --data edge-1
    """
    _ask(data, lambda device: device.restart(module))
    terminal.result({"restarted": module}, Words("Restarted {module}", "{module} を再起動しました"), module=module)


@click.command(name="support-bundle")
@click.option(
    "--output", "-o", type=click.Path(path_type=Path, dir_okay=False), default=Path("support_bundle.zip"),
    show_default=True, help="The file to write.",
)  # fmt: skip
@click.option("--since", default="1 day", show_default=True, help="How far the logs go back.")
@click.option("--edge-runtime-only", "-e", is_flag=True, help="Leave the modules' logs out.")
@data_option
@answers
def bundle(terminal: Terminal, output: Path, since: str, edge_runtime_only: bool, data: Path) -> None:
    """Collect reports and logs in one zip file; keys are blotted out.

    \b
    Example:  hotori edge support-bundle -o bundle.zip --data edge-1
    """
    chosen = {"since": since, **({"runtimeOnly": "true"} if edge_runtime_only else {})}
    content = _ask(data, lambda device: device.support_bundle(**chosen))
    output.write_bytes(content)
    words = Words("wrote {path} ({size} bytes)", "{path} に書き込みました（{size} バイト）")
    terminal.result({"path": str(output), "bytes": len(content)}, words, path=output, size=len(content))


def _ask(data: Path, question: Callable[[ControlClient], Awaitable[_Found]]) -> _Found:
    from hotori.edge.control import SOCKET
    from hotori.edge.workload_sockets import socket_path

    socket = socket_path(data.resolve()) / SOCKET

    async def work() -> _Found:
        async with ControlClient(socket) as device:
            return await question(device)

    return run(work())


def _described(module: JsonObject, now: datetime) -> JsonObject:
    """The columns of the contract's table (8.1)."""
    settings = module.get("settings")
    return {
        "description": describe(module, now),
        "config": settings.get("image") if isinstance(settings, dict) else "",
    }


def describe(module: JsonObject, now: datetime) -> str:
    """`Up 5 minutes`, `Stopped 2 hours ago`, `Failed (1) 3 minutes ago`, `Unknown` (contract 8.1)."""
    status = module.get("runtimeStatus")
    if status == "running":
        return f"Up {_span(module.get('lastStartTimeUtc'), now)}"
    if status == "stopped":
        return f"Stopped {_span(module.get('lastExitTimeUtc'), now)} ago"
    if status in ("failed", "backoff"):
        return f"Failed ({module.get('exitCode')}) {_span(module.get('lastExitTimeUtc'), now)} ago"
    return "Unknown"


def _span(time: Json, now: datetime) -> str:
    then = datetime.fromisoformat(str(time))
    seconds = max(0, int((now - then).total_seconds()))
    for name, size in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= size:
            count = seconds // size
            return f"{count} {name}{'s' if count > 1 else ''}"
    return f"{seconds} seconds"


COMMANDS = (list_modules, logs, restart, bundle)
