"""`hotori job`: one change or one method for many devices."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from hotori.cli.context import open_cloud
from hotori.cli.device import service_client
from hotori.cli.options import answers, cloud_option, run
from hotori.cli.terminal import Terminal
from hotori.cli.twin import JsonObjectText, JsonText
from hotori.model.json import Json, JsonObject
from hotori.problems import Words
from hotori.sdk.jobs import OVER, JobClient

_Found = TypeVar("_Found")
_LOOK_SECONDS = 0.5
_STANDS = Words(
    "{job}: {status}, {good} of {all} done, {bad} failed", "{job}: {status}、{all} 台中 {good} 台が完了、{bad} 台が失敗"
)


@click.group()
def job() -> None:
    """Change or call many devices at once, and see what became of each."""


@job.command()
@click.argument("name")
@click.option("--where", default="*", show_default=True, help="The condition that devices must fulfil.")
@click.option("--desired", type=JsonObjectText(), help="Merge this into the desired properties; null removes.")
@click.option("--tags", type=JsonObjectText(), help="Merge this into the tags; null removes.")
@click.option("--method", help="Call this method instead.")
@click.option("--payload", type=JsonText(), help="What the method is given.")
@click.option("--start", help="When to begin, in ISO 8601; else at once.")
@click.option("--limit", type=click.IntRange(1, 604800), default=3600, show_default=True, help="Seconds it may take.")
@click.option("--wait", is_flag=True, help="Show the progress until it is over.")
@cloud_option
@answers
def create(
    terminal: Terminal,
    name: str,
    where: str,
    desired: JsonObject | None,
    tags: JsonObject | None,
    method: str | None,
    payload: Json,
    start: str | None,
    limit: int,
    wait: bool,
    cloud: str | None,
) -> int:
    """Write twins, or call a method, on every device that fulfils a condition.

    With --wait the exit status is 0 only if it succeeded on every device.

    \b
    Example:  hotori job create slower --where "tags.room = 'kitchen'" --desired '{"interval": 60}' --wait
              hotori job create blink-all --method blink --payload '{"times": 2}'
    """
    if (method is None) == (desired is None and tags is None):
        raise click.UsageError("either --method, or --desired or --tags, is needed")
    work: JsonObject = {"type": "scheduleUpdateTwin", "updateTwin": _twin(desired, tags)}
    if method is not None:
        work = {"type": "scheduleDeviceMethod", "cloudToDeviceMethod": {"methodName": method, "payload": payload}}
    request: JsonObject = {**work, "queryCondition": where, "maxExecutionTimeInSeconds": limit}
    if start is not None:
        request["startTime"] = start

    async def schedule(client: JobClient) -> JsonObject:
        created = await client.create(name, request)
        return await _follow(terminal, client, created) if wait else created

    found = _ask(cloud, schedule)
    _tell(terminal, found)
    return 0 if not wait or (found["status"] == "completed" and not _number(found, "failedCount")) else 1


@job.command(name="list")
@cloud_option
@answers
def list_jobs(terminal: Terminal, cloud: str | None) -> None:
    """List the jobs of the last 30 days.

    \b
    Example:  hotori job list --json
    """
    columns = {
        "jobId": Words("job", "ジョブ"),
        "type": Words("type", "種類"),
        "status": Words("status", "状態"),
        "queryCondition": Words("devices", "対象"),
        "createdTime": Words("created", "作成"),
    }
    terminal.rows(columns, _ask(cloud, lambda client: client.all()))


@job.command()
@click.argument("name")
@click.option("--wait", is_flag=True, help="Show the progress until it is over.")
@cloud_option
@answers
def show(terminal: Terminal, name: str, wait: bool, cloud: str | None) -> None:
    """Show how a job stands, and what became of it on every device.

    \b
    Example:  hotori job show slower --wait
    """

    async def look(client: JobClient) -> tuple[JsonObject, list[JsonObject]]:
        found = await client.get(name)
        found = await _follow(terminal, client, found) if wait else found
        return found, await client.devices(name)

    found, devices = _ask(cloud, look)
    if terminal.as_json:
        terminal.json({**found, "devices": [*devices]})
        return
    _tell(terminal, found)
    columns = {
        "deviceId": Words("device", "デバイス"),
        "status": Words("status", "状態"),
        "endTimeUtc": Words("ended", "終了"),
        "result": Words("result", "結果"),
    }
    terminal.rows(columns, [{**row, "result": _result(row)} for row in devices])


@job.command()
@click.argument("name")
@cloud_option
@answers
def cancel(terminal: Terminal, name: str, cloud: str | None) -> None:
    """End a job: what was not begun is not done.

    \b
    Example:  hotori job cancel slower
    """
    _tell(terminal, _ask(cloud, lambda client: client.cancel(name)))


async def _follow(terminal: Terminal, client: JobClient, found: JsonObject) -> JsonObject:
    """Show the progress of a job until it is over."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=terminal.err, disable=terminal.as_json) as progress:
        task = progress.add_task(str(found["jobId"]), total=None)
        while found["status"] not in OVER:
            await asyncio.sleep(_LOOK_SECONDS)
            found = await client.get(str(found["jobId"]))
            done = _number(found, "succeededCount") + _number(found, "failedCount")
            progress.update(task, completed=done, total=_number(found, "deviceCount") or None)
    return found


def _tell(terminal: Terminal, found: JsonObject) -> None:
    terminal.result(
        found,
        _STANDS,
        job=found["jobId"],
        status=found["status"],
        good=_number(found, "succeededCount"),
        all=_number(found, "deviceCount"),
        bad=_number(found, "failedCount"),
    )


def _number(found: JsonObject, name: str) -> int:
    statistics = found.get("deviceJobStatistics")
    value = statistics.get(name) if isinstance(statistics, dict) else None
    return value if isinstance(value, int) else 0


def _result(row: JsonObject) -> Json:
    outcome, error = row.get("outcome"), row.get("error")
    if isinstance(error, dict):
        return error.get("description")
    return outcome.get("deviceMethodResponse") if isinstance(outcome, dict) else None


def _twin(desired: JsonObject | None, tags: JsonObject | None) -> JsonObject:
    twin: JsonObject = {"etag": "*"}
    if tags is not None:
        twin["tags"] = tags
    return twin if desired is None else {**twin, "properties": {"desired": desired}}


def _ask(cloud: str | None, question: Callable[[JobClient], Awaitable[_Found]]) -> _Found:
    connection = open_cloud(cloud)

    async def work() -> _Found:
        async with service_client(connection) as client:
            return await question(JobClient(client))

    return run(work())
