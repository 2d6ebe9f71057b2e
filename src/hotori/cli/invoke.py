"""`hotori invoke`: call a method and see its answer."""

from __future__ import annotations

import json

import click

from hotori.cli.context import open_cloud
from hotori.cli.device import service_client
from hotori.cli.options import answers, cloud_option, run
from hotori.cli.terminal import Terminal
from hotori.cli.twin import JsonText
from hotori.model.identity import Identity
from hotori.model.json import Json
from hotori.problems import Words


@click.command()
@click.argument("identity", metavar="DEVICE[/MODULE]")
@click.argument("method")
@click.argument("payload", type=JsonText(), required=False)
@click.option("--timeout", type=click.FloatRange(5, 300), default=30.0, show_default=True, help="Seconds to wait.")
@cloud_option
@answers
def invoke(terminal: Terminal, identity: str, method: str, payload: Json, timeout: float, cloud: str | None) -> int:
    """Call a method of a device or module; exit status 0 if it answered with a status below 400.

    \b
    Example:  hotori invoke 'edge-1/$edgeAgent' ping
              hotori invoke edge-1/camera capture '{"count": 1}'
    """
    connection = open_cloud(cloud)

    async def work() -> tuple[int, Json]:
        async with service_client(connection) as client:
            result = await client.invoke(Identity.parse(identity), method, payload, response_timeout=timeout)
            return result.status, result.payload

    status, answer = run(work())
    text = json.dumps(answer, ensure_ascii=False)
    terminal.result(
        {"status": status, "payload": answer}, Words("{status} {text}", "{status} {text}"), status=status, text=text
    )
    return 0 if status < 400 else 1
