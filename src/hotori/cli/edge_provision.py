"""`hotori edge provision`: an edge device fetches its own identity."""

from __future__ import annotations

from pathlib import Path

import click

from hotori.cli.options import answers
from hotori.cli.provisioning_options import Provisioning, ShownCertificate, certificate_options
from hotori.cli.serving import PORT
from hotori.cli.terminal import Terminal
from hotori.model.sas import derived_key
from hotori.model.secret import Secret
from hotori.problems import Words


@click.command()
@click.argument("registration", required=False)
@click.option("--host", required=True, help="The cloud's name or address.")
@click.option("--id-scope", required=True, help="What the cloud is called by (hotori enrolment scope).")
@click.option(
    "--key", envvar="HOTORI_PROVISIONING_KEY", help="The enrolment's key, or the one derived for this device."
)
@click.option("--group-key", envvar="HOTORI_PROVISIONING_GROUP_KEY", help="The group's key, to derive it here.")
@certificate_options
@click.option(
    "--ca", type=click.Path(path_type=Path, dir_okay=False), required=True, help="The cloud's authority (PEM)."
)
@click.option("--hub-mqtt-port", type=PORT, default=8883, show_default=True)
@click.option("--hub-https-port", type=PORT, default=443, show_default=True)
@click.option(
    "--write", type=click.Path(path_type=Path, dir_okay=False), required=True, help="Where the enrolment file goes."
)
@answers
def provision(
    terminal: Terminal,
    registration: str | None,
    host: str,
    id_scope: str,
    key: str | None,
    group_key: str | None,
    shown: ShownCertificate | None,
    ca: Path,
    hub_mqtt_port: int,
    hub_https_port: int,
    write: Path,
) -> None:
    """Register with a cloud by an enrolment, and write what `hotori edge run --enrolment` reads.

    With a certificate REGISTRATION may be left out: it is the certificate's common name then.

    \b
    Example:  hotori edge provision robot-1 --host cloud.example --id-scope 0ne12345678 --ca root.pem \\
                --write robot-1.json
              hotori edge provision --certificate robot-1.pem --private-key robot-1.key \\
                --host cloud.example --id-scope 0ne12345678 --ca root.pem --write robot-1.json
              hotori edge run --data robot-1 --enrolment robot-1.json
    """
    asked = Provisioning(host, id_scope, registration, _key(registration, key, group_key, shown), shown)
    ticket = asked.fetch(ca, hub_mqtt_port, hub_https_port)
    ticket.write(write)
    connection = ticket.connection
    device = connection.identity.device
    terminal.result(
        {"device": device, "hub": connection.host, "enrolment": str(write)},
        Words("{device} of {hub}: wrote {path}", "{hub} の {device}: {path} に書き込みました"),
        device=device,
        hub=connection.host,
        path=write,
    )


def _key(registration: str | None, key: str | None, group_key: str | None, shown: ShownCertificate | None) -> Secret:
    """The device's own key; none where it shows a certificate."""
    if shown is not None:
        return Secret("")
    if registration is None or not (key or group_key):
        raise click.UsageError("REGISTRATION with --key or --group-key is needed, or --certificate with --private-key")
    return Secret(key) if key else derived_key(Secret(group_key or ""), registration)
