"""`hotori cloud`: run the cloud."""

from __future__ import annotations

from pathlib import Path

import click

from hotori.cli.cloud_problems import problems
from hotori.cli.options import answers, run
from hotori.cli.serving import PORT, until_asked_to_stop
from hotori.cli.terminal import Terminal
from hotori.problems import Words

_READY = Words(
    "The cloud is ready.\n  portal    {portal}   user {user}, password in {file}\n  hub       {host}:{mqtt} (MQTT), "
    "{host}:{https} (HTTPS)\n  connect   {file}",
    "クラウドの準備ができました。\n  ポータル  {portal}   ユーザー {user}、パスワードは {file} にあります\n"
    "  ハブ      {host}:{mqtt} (MQTT)、{host}:{https} (HTTPS)\n  接続情報  {file}",
)
_OTHER_PORT = Words(
    "Port 443 is not to be had here: HTTPS is on {https}. Clients name it as HOST:{https}.",
    "ポート 443 が使えないため、HTTPS は {https} で待ち受けます。クライアントには HOST:{https} と指定してください。",
)


@click.group()
def cloud() -> None:
    """Run the cloud, and ask one what is wrong with it."""


cloud.add_command(problems)


@cloud.command()
@click.option("--data", type=click.Path(path_type=Path, file_okay=False), required=True, help="Where all is kept.")
@click.option("--listen", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--name", help="The name that clients dial; else the address.")
@click.option("--mqtt-port", type=PORT, default=8883, show_default=True)
@click.option("--https-port", type=PORT, help="443 where allowed, else 8443, unless given.")
@click.option("--storage-port", type=PORT, default=10000, show_default=True)
@click.option("--registry-port", type=PORT, default=5000, show_default=True)
@click.option("--portal-port", type=PORT, default=8080, show_default=True)
@click.option(
    "--hub-event",
    "hub_events",
    multiple=True,
    type=click.Choice(["twinChangeEvents", "deviceLifecycleEvents", "deviceConnectionStateEvents"]),
    help="Put this into the event log beside what devices say; may be given several times.",
)
@click.option("--client-messages", type=click.IntRange(0), default=0, help="That an identity may send in a second.")
@click.option("--client-bytes", type=click.IntRange(0), default=0, help="That an identity may send in a second.")
@answers
def serve(
    terminal: Terminal,
    data: Path,
    listen: str,
    name: str | None,
    mqtt_port: int,
    https_port: int | None,
    storage_port: int,
    registry_port: int,
    portal_port: int,
    hub_events: tuple[str, ...],
    client_messages: int,
    client_bytes: int,
) -> None:
    """Run hub, object store, image registry and portal in one process until Ctrl-C.

    Writes DATA/connect.json, readable by you alone, once everything is ready.

    \b
    Example:  hotori cloud serve --data cloud
    """
    from hotori.cloud.main import CloudConfig, run_cloud
    from hotori.hub.hub_events import EventSource
    from hotori.hub.rates import ClientRates
    from hotori.portal.app import portal_app
    from hotori.sdk.connection_file import FILE_NAME, CloudConnection

    config = CloudConfig(
        data=data.resolve(),
        listen=listen,
        name=name or listen,
        mqtt_port=mqtt_port,
        https_port=https_port,
        storage_port=storage_port,
        registry_port=registry_port,
        portal_port=portal_port,
        hub_events=frozenset(map(EventSource, hub_events)),
        client_rates=ClientRates(client_messages, client_bytes),
    )

    def ready(connection: CloudConnection) -> None:
        if https_port is None and connection.hub.https_port != 443:
            terminal.note(_OTHER_PORT, https=connection.hub.https_port)
        terminal.result(
            {"ready": True, "connect": str(config.data / FILE_NAME), "portal": connection.portal_url},
            _READY,
            portal=connection.portal_url,
            user=connection.portal_username,
            file=config.data / FILE_NAME,
            host=connection.hub.host,
            mqtt=connection.hub.mqtt_port,
            https=connection.hub.https_port,
        )

    run(until_asked_to_stop(lambda stop: run_cloud(config, stop, portal_app, ready)))
