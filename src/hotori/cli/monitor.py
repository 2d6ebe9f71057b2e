"""`hotori monitor`: messages as they arrive in the cloud."""

from __future__ import annotations

import json
from datetime import datetime

import click
from rich.markup import escape

from hotori.cli.context import open_cloud
from hotori.cli.device import service_client
from hotori.cli.options import answers, cloud_option, run
from hotori.cli.terminal import Terminal
from hotori.model.json import JsonObject


@click.command()
@click.option("--device", help="Only messages of this device.")
@click.option("--from", "start", default="latest", show_default=True, help="latest, earliest, or an offset.")
@click.option("--count", type=click.IntRange(1), help="End after so many messages; else with Ctrl-C.")
@cloud_option
@answers
def monitor(terminal: Terminal, device: str | None, start: str, count: int | None, cloud: str | None) -> None:
    """Watch messages arrive in the cloud.

    \b
    Example:  hotori monitor --device edge-1
              hotori monitor --from earliest --count 10 --json
    """
    connection = open_cloud(cloud)

    async def work() -> None:
        seen = 0
        async with service_client(connection) as client:
            async for event in client.events(start, device=device):
                _show(terminal, event)
                seen += 1
                if count is not None and seen >= count:
                    return

    run(work())


def _show(terminal: Terminal, event: JsonObject) -> None:
    if terminal.as_json:
        terminal.json(event)
        return
    who = "/".join(str(part) for part in (event.get("deviceId"), event.get("moduleId")) if part)
    output = f" [dim]{escape(str(event['output']))}[/]" if event.get("output") else ""
    when = datetime.fromisoformat(str(event["enqueuedTime"])).astimezone().strftime("%H:%M:%S")
    body = json.dumps(event.get("body"), ensure_ascii=False)
    shown = body if len(body) <= 300 else f"{body[:300]}… ({len(body)})"
    terminal.out.print(f"[dim]{when}[/] [bold]{escape(who)}[/]{output} {escape(shown)}")
