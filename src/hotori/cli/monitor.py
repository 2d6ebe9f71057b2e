"""`hotori monitor`: messages as they arrive in the cloud."""

from __future__ import annotations

import json
import time
from datetime import datetime

import click
from rich.markup import escape

from hotori.cli.context import open_cloud
from hotori.cli.device import service_client
from hotori.cli.options import answers, cloud_option, run
from hotori.cli.terminal import Terminal
from hotori.model.json import JsonObject
from hotori.sdk.service import ServiceClient

_CHECKPOINT_SECONDS = 1.0


@click.command()
@click.option("--device", help="Only messages of this device.")
@click.option("--module", help="Only messages of this module.")
@click.option("--output", help="Only messages by this output.")
@click.option("--filter", "condition", metavar="CONDITION", help="Only messages for which this holds, as in a route.")
@click.option(
    "--from", "start", default="latest", show_default=True, help="latest, earliest, an offset, or a time (RFC 3339)."
)
@click.option("--group", help="Read as this consumer group: on from where it was, shared with its other readers.")
@click.option("--count", type=click.IntRange(1), help="End after so many messages; else with Ctrl-C.")
@cloud_option
@answers
def monitor(
    terminal: Terminal,
    device: str | None,
    module: str | None,
    output: str | None,
    condition: str | None,
    start: str,
    group: str | None,
    count: int | None,
    cloud: str | None,
) -> None:
    """Watch messages arrive in the cloud.

    A group remembers what it has shown, once it is shown; --from is where a new group begins.

    \b
    Example:  hotori monitor --device edge-1
              hotori monitor --from 2027-02-01T12:00:00Z --filter '$body.temp > 30' --json
              hotori monitor --group billing --from earliest
    """
    connection = open_cloud(cloud)
    given = {"module": module, "output": output, "filter": condition}
    choose = {name: value for name, value in given.items() if value is not None}

    async def work() -> None:
        seen = 0
        async with service_client(connection) as client:
            shown = _Shown(client, group)
            try:
                async for event in client.events(start, device, group=group, choose=choose):
                    _show(terminal, event)
                    await shown.add(event)
                    seen += 1
                    if count is not None and seen >= count:
                        return
            finally:
                await shown.save()

    run(work())


class _Shown:
    """How far a group came, told to the cloud now and then."""

    def __init__(self, client: ServiceClient, group: str | None) -> None:
        self._client, self._group = client, group
        self._done: dict[int, int] = {}
        self._saved = time.monotonic()

    async def add(self, event: JsonObject) -> None:
        partition, offset = event["partition"], event["offset"]
        if isinstance(partition, int) and isinstance(offset, int):
            self._done[partition] = offset
        if time.monotonic() - self._saved >= _CHECKPOINT_SECONDS:
            await self.save()

    async def save(self) -> None:
        if self._group is not None and self._done:
            done, self._done = self._done, {}
            await self._client.checkpoint(self._group, done)
        self._saved = time.monotonic()


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
