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
from hotori.sdk.connection_file import CloudConnection


@click.command()
@click.argument("device")
@click.argument("module", default="all")
@click.option("--follow", "-f", is_flag=True, help="Go on with what is written, until Ctrl-C; over restarts, too.")
@click.option("--tail", type=click.IntRange(0), default=100, show_default=True, help="Lines from the end.")
@click.option("--since", help="How far back, such as 10m or 2h.")
@click.option("--regex", help="Only lines in which this is found.")
@click.option("--level", type=click.IntRange(0, 7), help="Only lines of this level: <6> in a line is level 6.")
@cloud_option
@answers
def logs(
    terminal: Terminal,
    device: str,
    module: str,
    follow: bool,
    tail: int,
    since: str | None,
    regex: str | None,
    level: int | None,
    cloud: str | None,
) -> None:
    """Show what the modules of a device write.

    \b
    Example:  hotori logs edge-1 classifier --tail 20
              hotori logs edge-1 classifier --follow --regex 'label: [0-9]+'
    """
    connection = open_cloud(cloud)
    chosen: JsonObject = {"tail": tail}
    given: JsonObject = {"since": since, "regex": regex, "loglevel": level}
    chosen |= {name: value for name, value in given.items() if value is not None}
    if follow:
        _follow(terminal, connection, device, module, chosen)
        return
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


def _follow(terminal: Terminal, cloud: CloudConnection, device: str, module: str, chosen: JsonObject) -> None:
    # Few follow, and streams are large to load.
    from hotori.cli.follow import follow

    if module == "all":
        raise click.UsageError("--follow needs the name of one module")
    run(follow(terminal, cloud, Identity(device, module), chosen))
