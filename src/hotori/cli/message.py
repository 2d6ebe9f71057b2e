"""`hotori message`: messages from the cloud to devices."""

from __future__ import annotations

import click

from hotori.cli.context import open_cloud
from hotori.cli.device import service_client
from hotori.cli.options import answers, cloud_option, run
from hotori.cli.terminal import Terminal
from hotori.model.json import JsonObject
from hotori.problems import Words


@click.group()
def message() -> None:
    """Send messages to devices, and see what became of them."""


def _properties(_: click.Context, __: click.Parameter, texts: tuple[str, ...]) -> dict[str, str]:
    pairs = [text.partition("=") for text in texts]
    if any(not name or not equals for name, equals, _ in pairs):
        raise click.BadParameter("NAME=VALUE is needed, such as colour=blue")
    return {name: value for name, _, value in pairs}


@message.command()
@click.argument("device")
@click.argument("text")
@click.option("--property", "properties", multiple=True, callback=_properties, metavar="NAME=VALUE", help="May repeat.")
@click.option("--id", "message_id", help="What feedback calls the message.")
@click.option(
    "--ack", type=click.Choice(["positive", "negative", "full"]), help="Ask for feedback on good ends or bad."
)
@click.option("--expires", type=click.FloatRange(1, 172800), help="Seconds that it waits; else an hour.")
@cloud_option
@answers
def send(
    terminal: Terminal,
    device: str,
    text: str,
    properties: dict[str, str],
    message_id: str | None,
    ack: str | None,
    expires: float | None,
    cloud: str | None,
) -> None:
    """Queue a message, which the device gets when it is connected.

    \b
    Example:  hotori message send shelf-7 "lights on" --id m-1 --ack full
    """
    connection = open_cloud(cloud)

    async def work() -> None:
        async with service_client(connection) as client:
            body = text.encode()
            await client.send_to_device(device, body, properties, message_id=message_id, ack=ack, time_to_live=expires)

    run(work())
    terminal.result(
        {"queued": device}, Words("queued for {device}", "{device} 宛てに送信待ちに入れました"), device=device
    )


@message.command()
@cloud_option
@answers
def feedback(terminal: Terminal, cloud: str | None) -> None:
    """Show what became of messages that asked for feedback; each is told once.

    \b
    Example:  hotori message feedback --json
    """
    connection = open_cloud(cloud)

    async def work() -> list[JsonObject]:
        async with service_client(connection) as client:
            return await client.feedback()

    columns = {
        "originalMessageId": Words("message", "メッセージ"),
        "deviceId": Words("device", "デバイス"),
        "statusCode": Words("outcome", "結果"),
        "enqueuedTimeUtc": Words("time", "時刻"),
    }
    terminal.rows(columns, run(work()))


@message.command()
@click.argument("device")
@click.option("--yes", is_flag=True, help="Do not ask.")
@cloud_option
@answers
def purge(terminal: Terminal, device: str, yes: bool, cloud: str | None) -> None:
    """Let go of the messages that wait for a device.

    \b
    Example:  hotori message purge shelf-7 --yes
    """
    connection = open_cloud(cloud)
    question = Words("Drop everything that waits for {device}?", "{device} 宛ての送信待ちをすべて破棄しますか?")
    if not yes:
        click.confirm(terminal.say(question, device=device), abort=True, err=True)

    async def work() -> int:
        async with service_client(connection) as client:
            return await client.purge_messages(device)

    count = run(work())
    terminal.result({"purged": count}, Words("dropped {count} messages", "{count} 件を破棄しました"), count=count)
