"""`hotori device`: the registry, for people."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hotori.cli.context import open_cloud
from hotori.cli.options import answers, cloud_option, run
from hotori.cli.terminal import Terminal
from hotori.model.connection_string import ServiceConnection
from hotori.model.identity import check_name
from hotori.model.json import JsonObject
from hotori.problems import Words
from hotori.sdk.connection_file import CloudConnection, write_private
from hotori.sdk.service import DeviceView, ServiceClient

if TYPE_CHECKING:
    from hotori.net.own_certificate import OwnCertificate


@click.group()
def device() -> None:
    """Add, list, show and remove devices."""


def service_client(cloud: CloudConnection) -> ServiceClient:
    """A client for the cloud's registry, twins and methods, with its owner's rights."""
    return ServiceClient(ServiceConnection.parse(cloud.service.reveal()), cloud.ca)


def enrolment(cloud: CloudConnection, view: DeviceView) -> JsonObject:
    """What `hotori edge run --enrolment` reads: all that a device must know of its cloud."""
    return {
        "connectionString": view.connection_string.reveal(),
        "ca": cloud.ca.read_text(encoding="ascii"),
        "hub": cloud.hub.document(),
        "registry": {
            "address": cloud.registry_address,
            "username": cloud.registry_username,
            "password": cloud.registry_password.reveal(),
        },
    }


@device.command()
@click.argument("name")
@click.option("--edge", is_flag=True, help="The device runs modules (hotori edge run).")
@click.option("--parent", metavar="EDGE", help="The edge device it stands behind, for a device without modules.")
@click.option("--write", type=click.Path(path_type=Path, dir_okay=False), help="Write an edge device's enrolment file.")
@click.option(
    "--auth",
    type=click.Choice(["key", "x509", "x509-ca"]),
    default="key",
    show_default=True,
    help="How it shows who it is: a key, its own certificate, or one of an authority: the cloud's own, or one that is "
    "registered (hotori ca). With x509-ca, --write has the cloud issue one.",
)
@click.option(
    "--certificate",
    type=click.Path(path_type=Path, dir_okay=False),
    help="With --auth x509: its certificate (PEM). Without it, NAME.pem and NAME.key are made here.",
)
@cloud_option
@answers
def add(
    terminal: Terminal,
    name: str,
    edge: bool,
    parent: str | None,
    write: Path | None,
    auth: str,
    certificate: Path | None,
    cloud: str | None,
) -> None:
    """Register a device and show its connection string.

    \b
    Example:  hotori device add edge-1 --edge --write edge-1.json
              hotori edge run --data edge-1 --enrolment edge-1.json
    """
    connection = open_cloud(cloud)
    authentication = _authentication(terminal, check_name(name), auth, certificate)

    async def work() -> DeviceView:
        async with service_client(connection) as client:
            return await client.add_device(name, edge=edge, parent=parent, authentication=authentication)

    view = run(work())
    if write is not None:
        shown = _made_here(name) if auth == "x509" and certificate is None else None
        _write(terminal, write, connection, view, _issued(connection, name) if auth == "x509-ca" else shown)
    _show(terminal, view, with_key=True)


@device.command()
@click.argument("name")
@click.option(
    "--write", type=click.Path(path_type=Path, dir_okay=False), required=True, help="Where the enrolment file goes."
)
@cloud_option
@answers
def certificate(terminal: Terminal, name: str, write: Path, cloud: str | None) -> None:
    """Issue a certificate of the cloud's authority to an edge device, and write an enrolment file with it.

    The device must be registered for certificates. Give it the file: `hotori edge run --enrolment FILE`.

    \b
    Example:  hotori device certificate edge-1 --write edge-1.json
    """
    connection = open_cloud(cloud)

    async def work() -> DeviceView:
        async with service_client(connection) as client:
            return await client.device(name)

    view, issued = run(work()), _issued(connection, name)
    _write(terminal, write, connection, view, issued)
    end = datetime.fromtimestamp(issued.ends, UTC).isoformat()
    words = Words("{name} has a certificate until {end}", "{name} の証明書の期限は {end} です")
    terminal.result({"device": name, "expires": end, "enrolment": str(write)}, words, name=name, end=end)


@device.command(name="list")
@cloud_option
@answers
def list_devices(terminal: Terminal, cloud: str | None) -> None:
    """List the devices.

    \b
    Example:  hotori device list --json
    """
    connection = open_cloud(cloud)

    async def work() -> list[DeviceView]:
        async with service_client(connection) as client:
            return await client.devices()

    columns = {
        "deviceId": Words("device", "デバイス"),
        "kind": Words("kind", "種類"),
        "connectionState": Words("connection", "接続"),
        "status": Words("status", "状態"),
    }
    terminal.rows(columns, [_row(view) for view in run(work())])


@device.command()
@click.argument("name")
@click.option(
    "--connection-string", "only_string", is_flag=True, help="Show the connection string alone, with its key."
)
@cloud_option
@answers
def show(terminal: Terminal, name: str, only_string: bool, cloud: str | None) -> None:
    """Show one device; its key only when asked for.

    \b
    Example:  hotori device show edge-1 --connection-string
    """
    connection = open_cloud(cloud)

    async def work() -> DeviceView:
        async with service_client(connection) as client:
            return await client.device(name)

    view = run(work())
    if only_string:
        line = view.connection_string.reveal()
        terminal.result({"connectionString": line}, Words("{line}", "{line}"), line=line)
    else:
        _show(terminal, view, with_key=False)


@device.command()
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@cloud_option
@answers
def remove(terminal: Terminal, name: str, yes: bool, cloud: str | None) -> None:
    """Remove a device with its modules and twins.

    \b
    Example:  hotori device remove edge-1 --yes
    """
    connection = open_cloud(cloud)
    question = Words("Remove {name} with its modules and twins?", "{name} をモジュールとツインごと削除しますか?")
    if not yes:
        click.confirm(terminal.say(question, name=name), abort=True, err=True)

    async def work() -> None:
        async with service_client(connection) as client:
            await client.remove_device(name)

    run(work())
    terminal.result({"removed": name}, Words("removed {name}", "{name} を削除しました"), name=name)


def _issued(connection: CloudConnection, name: str) -> OwnCertificate:
    """A certificate of the cloud's authority, for a key that is made here."""
    from hotori.net.own_certificate import CertificateRequest

    request = CertificateRequest.make(name)

    async def work() -> str:
        async with service_client(connection) as client:
            return await client.device_certificate(name, request.text)

    return request.answered(run(work()))


def _made_here(name: str) -> OwnCertificate:
    from hotori.net.own_certificate import OwnCertificate

    return OwnCertificate.read(Path(f"{name}.pem"), Path(f"{name}.key"))


def _write(
    terminal: Terminal, path: Path, connection: CloudConnection, view: DeviceView, shown: OwnCertificate | None
) -> None:
    """The enrolment file."""
    document = enrolment(connection, view)
    if shown is not None:
        document["certificate"] = shown.document()
    write_private(path, document)
    terminal.note(Words("wrote {path}", "{path} に書き込みました"), path=path)


def _authentication(terminal: Terminal, name: str, auth: str, certificate: Path | None) -> JsonObject | None:
    """The contract's words for it; makes a certificate where the device has none."""
    from hotori.net.authority import read_thumbprint, write_self_signed

    if auth == "key":
        return None
    if auth == "x509-ca":
        return {"type": "certificateAuthority"}
    if certificate is None:
        thumbprint = write_self_signed(Path(), name)
        terminal.note(Words("wrote {name}.pem and {name}.key", "{name}.pem と {name}.key に書き込みました"), name=name)
    else:
        thumbprint = read_thumbprint(certificate)
    prints: JsonObject = {"primaryThumbprint": thumbprint, "secondaryThumbprint": None}
    return {"type": "selfSigned", "x509Thumbprint": prints}


def _row(view: DeviceView) -> JsonObject:
    return {**view.document, "kind": "edge" if view.edge else "device"}


def _show(terminal: Terminal, view: DeviceView, *, with_key: bool) -> None:
    line = view.connection_string.reveal() if with_key else ""
    value: JsonObject = _row(view) | ({"connectionString": line} if with_key else {})
    value.pop("authentication", None)
    words = Words("{name}: {kind}, {state}", "{name}: {kind}、{state}")
    terminal.result(
        value, words, name=view.name, kind="edge" if view.edge else "device", state=view.document["connectionState"]
    )
    if with_key and not terminal.as_json:
        terminal.result(None, Words("{line}", "{line}"), line=line)
