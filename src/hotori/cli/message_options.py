"""Options that describe a message: a file, or its parts."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

import click

from hotori.cli.route_file import read_message_file, written_message
from hotori.model.json import Json
from hotori.model.message import Message

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class MessageOptions:
    """What was written on the command line. `offset` names an event of the cloud's log instead."""

    file: str | None
    body: str | None
    properties: dict[str, str]
    system: dict[str, str]
    sender: str | None
    output: str | None
    offset: int | None

    def message(self) -> Message:
        """Raises `message-unreadable`."""
        if self.file is not None:
            return read_message_file(self.file)
        device, _, module = (self.sender or "").partition("/")
        return written_message(
            {
                "body": _value(self.body, self.system),
                "properties": dict(self.properties),
                "system": dict(self.system),
                "deviceId": device or None,
                "moduleId": module or None,
                "output": self.output,
            },
            "what the options describe",
        )


def message_options(command: Callable[P, R]) -> Callable[..., R]:
    """Give a command a MESSAGE argument and options for its parts, as one parameter `wanted`."""

    @click.argument("message", required=False)
    @click.option("--body", metavar="TEXT", help="The body; JSON unless --system says otherwise.")
    @click.option("--property", "properties", multiple=True, metavar="NAME=VALUE", callback=pairs)
    @click.option("--system", multiple=True, metavar="NAME=VALUE", callback=pairs, help="As in contentType=text/plain.")
    @click.option("--sender", metavar="DEVICE[/MODULE]", help="Who sends it.")
    @click.option("--output", metavar="NAME", help="The output that a module sends it by.")
    @click.option("--offset", type=click.IntRange(0), help="The event at this offset of the cloud's log.")
    @functools.wraps(command)
    def wrapped(
        message: str | None,
        body: str | None,
        properties: dict[str, str],
        system: dict[str, str],
        sender: str | None,
        output: str | None,
        offset: int | None,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> R:
        kwargs["wanted"] = MessageOptions(message, body, properties, system, sender, output, offset)
        return command(*args, **kwargs)

    return wrapped


def pairs(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    """`NAME=VALUE`, any number of times."""
    found = [value.partition("=") for value in values]
    if any(not equals for _, equals, _ in found):
        raise click.BadParameter("NAME=VALUE is needed")
    return {name: value for name, _, value in found}


def _value(body: str | None, system: dict[str, Any]) -> Json:
    """The body as JSON where it is; else the bytes of its text."""
    import base64

    if body is None:
        return None
    try:
        value: Json = json.loads(body)
    except ValueError:
        return {"base64": base64.b64encode(body.encode()).decode()}
    return value
