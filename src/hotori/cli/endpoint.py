"""`hotori endpoint`: where the cloud's routes can lead besides its event log."""

from __future__ import annotations

import click

from hotori.cli.context import open_cloud
from hotori.cli.device import service_client
from hotori.cli.options import answers, cloud_option, run
from hotori.cli.terminal import Terminal
from hotori.model.json import JsonObject
from hotori.problems import Words
from hotori.sdk.routing import RoutingClient

_COLUMNS = {
    "name": Words("endpoint", "エンドポイント"),
    "type": Words("type", "種類"),
    "target": Words("to", "送り先"),
    "delivered": Words("delivered", "配信済"),
    "pending": Words("pending", "待ち"),
    "deadLetters": Words("not taken", "配信不能"),
    "problem": Words("problem", "問題"),
}


@click.group()
def endpoint() -> None:
    """Make, list and delete endpoints of the cloud: containers and webhooks."""


@endpoint.command()
@click.argument("name")
@click.option("--container", help="Store messages as blobs in this container of the cloud's object store.")
@click.option("--url", help="Post messages to this address.")
@click.option("--secret", help="Sign what is posted with this (header Hotori-Signature).")
@click.option("--format", "form", help="json or raw in a container; cloudevents or json to an address.")
@click.option("--template", help="Names of blobs, of {hub} {partition} {YYYY} {MM} {DD} {HH} {mm}.")
@click.option("--batch-messages", type=click.IntRange(1), help="So many messages at most at once.")
@click.option("--batch-seconds", type=click.FloatRange(0), help="Wait so long for more before it is sent.")
@click.option("--time-to-live", type=click.FloatRange(1), help="Seconds until what an address never took is put aside.")
@cloud_option
@answers
def create(
    terminal: Terminal,
    name: str,
    container: str | None,
    url: str | None,
    secret: str | None,
    form: str | None,
    template: str | None,
    batch_messages: int | None,
    batch_seconds: float | None,
    time_to_live: float | None,
    cloud: str | None,
) -> None:
    """Make an endpoint, or replace the one of that name.

    \b
    Example:  hotori endpoint create archive --container telemetry --batch-seconds 60
              hotori endpoint create alarms --url https://example.net/hook --secret s3cret
    """
    if (container is None) == (url is None):
        raise click.UsageError("--container or --url is needed, and not both")
    given: JsonObject = {
        "type": "storage" if url is None else "webhook",
        "container": container,
        "url": url,
        "secret": secret,
        "format": form,
        "nameTemplate": template,
        "batchMessages": batch_messages,
        "batchSeconds": batch_seconds,
        "timeToLiveSecs": time_to_live,
    }
    document: JsonObject = {member: value for member, value in given.items() if value is not None}
    connection = open_cloud(cloud)

    async def work() -> JsonObject:
        async with service_client(connection) as service:
            return await RoutingClient(service).put_endpoint(name, document)

    words = Words("endpoint {name} is there", "エンドポイント {name} を用意しました")
    terminal.result(run(work()), words, name=name)


@endpoint.command(name="list")
@cloud_option
@answers
def list_endpoints(terminal: Terminal, cloud: str | None) -> None:
    """List the endpoints, what waits for them, and why.

    \b
    Example:  hotori endpoint list
    """
    connection = open_cloud(cloud)

    async def work() -> list[JsonObject]:
        async with service_client(connection) as service:
            found = (await RoutingClient(service).routing())["endpoints"]
            return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []

    rows: list[JsonObject] = [{**row, "target": row.get("url") or row.get("container")} for row in run(work())]
    terminal.rows(_COLUMNS, rows)


@endpoint.command()
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@cloud_option
@answers
def delete(terminal: Terminal, name: str, yes: bool, cloud: str | None) -> None:
    """Delete an endpoint; what waits for it is dropped. What it stored stays.

    \b
    Example:  hotori endpoint delete archive --yes
    """
    connection = open_cloud(cloud)
    question = Words("Delete {name} and what waits for it?", "{name} と配信待ちのメッセージを削除しますか?")
    if not yes:
        click.confirm(terminal.say(question, name=name), abort=True, err=True)

    async def work() -> None:
        async with service_client(connection) as service:
            await RoutingClient(service).delete_endpoint(name)

    run(work())
    terminal.result({"deleted": name}, Words("deleted {name}", "{name} を削除しました"), name=name)


@endpoint.command()
@click.argument("name")
@click.option("--retry", is_flag=True, help="Send them on their way again.")
@cloud_option
@answers
def dead(terminal: Terminal, name: str, retry: bool, cloud: str | None) -> None:
    """List the messages that an endpoint never took, the oldest first; kept for a week.

    \b
    Example:  hotori endpoint dead alarms
              hotori endpoint dead alarms --retry
    """
    connection = open_cloud(cloud)

    async def work() -> list[JsonObject] | int:
        async with service_client(connection) as service:
            client = RoutingClient(service)
            return await (client.retry_dead_letters(name) if retry else client.dead_letters(name))

    found = run(work())
    if isinstance(found, int):
        terminal.result({"retried": found}, Words("{count} sent again", "{count} 件を再送します"), count=found)
    else:
        terminal.rows(
            {
                "enqueuedTime": Words("accepted", "受付"),
                "deviceId": Words("device", "デバイス"),
                "body": Words("body", "本文"),
            },
            found,
        )
