"""`hotori logs`: what a module wrote, fetched from its device through the agent."""

from __future__ import annotations

import click

from hotori.cli.context import open_cloud
from hotori.cli.device import service_client
from hotori.cli.options import answers, cloud_option, run
from hotori.cli.terminal import Terminal
from hotori.model.identity import EDGE_AGENT, Identity
from hotori.model.json import Json, JsonObject
from hotori.problems import Problem, Words
from hotori.problems.modules import LOGS_REFUSED


@click.command()
@click.argument("device")
@click.argument("module", default="all")
@click.option("--tail", type=click.IntRange(1), default=100, show_default=True, help="Lines from the end.")
@click.option("--since", help="How far back, such as 10m or 2h.")
@click.option("--regex", help="Only lines in which this is found.")
@cloud_option
@answers
def logs(
    terminal: Terminal, device: str, module: str, tail: int, since: str | None, regex: str | None, cloud: str | None
) -> None:
    """Show what the modules of a device write.

    \b
    Example:  hotori logs edge-1 classifier --tail 20
    """
    connection = open_cloud(cloud)
    chosen: JsonObject = {"tail": tail}
    chosen |= {name: value for name, value in (("since", since), ("regex", regex)) if value}
    request: JsonObject = {
        "schemaVersion": "1.0",
        "items": [{"id": module, "filter": chosen}],
        "encoding": "none",
        "contentType": "text",
    }

    async def work() -> Json:
        async with service_client(connection) as client:
            result = await client.invoke(Identity(device, EDGE_AGENT), "GetModuleLogs", request)
        if result.status != 200:
            raise Problem(LOGS_REFUSED, str(result.payload), device=device, status=result.status)
        return result.payload

    answer = run(work())
    if terminal.as_json or not isinstance(answer, list):
        terminal.json(answer)
        return
    for part in answer:
        if isinstance(part, dict):
            terminal.note(Words("--- {module}", "--- {module}"), module=part["id"])
            click.echo(part.get("payload", ""))
