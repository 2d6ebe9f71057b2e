"""`hotori query`: devices, modules and jobs, by what is known of them."""

from __future__ import annotations

import click

from hotori.cli.context import open_cloud
from hotori.cli.device import service_client
from hotori.cli.options import answers, cloud_option, run
from hotori.cli.terminal import Terminal
from hotori.model.json import JsonObject
from hotori.problems import Words

_COLUMNS = {
    "deviceId": Words("device", "デバイス"),
    "moduleId": Words("module", "モジュール"),
    "jobId": Words("job", "ジョブ"),
    "connectionState": Words("connection", "接続"),
    "status": Words("status", "状態"),
    "tags": Words("tags", "タグ"),
}
"""What a table shows of whole rows, if they have it."""


@click.command()
@click.argument("text", metavar="QUERY")
@cloud_option
@answers
def query(terminal: Terminal, text: str, cloud: str | None) -> None:
    """Ask for devices (FROM devices), modules (devices.modules) or what became of jobs (devices.jobs).

    \b
    Example:  hotori query "SELECT * FROM devices WHERE tags.room = 'kitchen'"
              hotori query "SELECT tags.room AS room, COUNT() AS n FROM devices GROUP BY tags.room" --json
    """
    connection = open_cloud(cloud)

    async def work() -> list[JsonObject]:
        async with service_client(connection) as client:
            return await client.query(text)

    rows = run(work())
    terminal.rows(_columns(rows), rows)


def _columns(rows: list[JsonObject]) -> dict[str, Words]:
    """Whole rows are too wide for a table: a few members stand for them. Chosen ones are all shown."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    if any("properties" in row or "jobType" in row for row in rows):
        return {name: words for name, words in _COLUMNS.items() if name in names}
    return {name: Words(name, name) for name in names}
