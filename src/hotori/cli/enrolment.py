"""`hotori enrolment`: who may provision devices."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from hotori.cli.context import open_cloud
from hotori.cli.device import service_client
from hotori.cli.options import answers, cloud_option, run
from hotori.cli.terminal import Terminal
from hotori.model.json import JsonObject
from hotori.problems import Problem, Words
from hotori.problems.provisioning import ENROLMENT_MALFORMED
from hotori.sdk.connection_file import read_text
from hotori.sdk.enrolments import EnrolmentClient

_Found = TypeVar("_Found")
_group_option = click.option("--group", is_flag=True, help="A group's, not a single device's.")


@click.group()
def enrolment() -> None:
    """Let devices provision themselves: each by its own enrolment, or many by a group's."""


@enrolment.command()
@click.argument("name")
@_group_option
@click.option("--device", help="The name of the device; else the enrolment's own.")
@click.option("--edge", is_flag=True, help="The devices run modules.")
@click.option(
    "--certificate",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The device's certificate, or for a group its authority's (PEM), instead of keys.",
)
@click.option("--ca", metavar="NAME", help="For a group: a registered authority, instead of keys (hotori ca list).")
@click.option("--tags", help="JSON of the first twin.")
@click.option("--desired", help="JSON of the first twin.")
@click.option(
    "--again",
    type=click.Choice(["migrate", "reset", "never"]),
    default="migrate",
    show_default=True,
    help="What becomes of a device's twin when it provisions itself again.",
)
@click.option("--disabled", is_flag=True, help="Not yet.")
@cloud_option
@answers
def create(
    terminal: Terminal,
    name: str,
    group: bool,
    device: str | None,
    edge: bool,
    certificate: Path | None,
    ca: str | None,
    tags: str | None,
    desired: str | None,
    again: str,
    disabled: bool,
    cloud: str | None,
) -> None:
    """Enrol a device by the name that it registers with, or a group.

    \b
    Example:  hotori enrolment create line-7 --group --edge --tags '{"site": "north"}'
    """
    document: JsonObject = {
        "attestation": _attestation(certificate, ca, group),
        "capabilities": {"iotEdge": edge},
        "provisioningStatus": "disabled" if disabled else "enabled",
        "reprovisionPolicy": {"updateHubAssignment": again != "never", "migrateDeviceData": again == "migrate"},
        "initialTwin": {
            "tags": _json(tags, "--tags"),
            "properties": {"desired": _json(desired, "--desired")},
        },
        **({"deviceId": device} if device else {}),
    }
    _show(terminal, _ask(cloud, group, lambda client: client.create(name, document)), name, cloud)


@enrolment.command(name="list")
@_group_option
@cloud_option
@answers
def list_enrolments(terminal: Terminal, group: bool, cloud: str | None) -> None:
    """List the enrolments, without their keys.

    \b
    Example:  hotori enrolment list --group
    """
    columns = {
        "name": Words("enrolment", "登録枠"),
        "kind": Words("shown by", "認証"),
        "provisioningStatus": Words("status", "状態"),
        "deviceId": Words("device", "デバイス"),
    }
    found = _ask(cloud, group, lambda client: client.all())
    terminal.rows(columns, [_without_keys(document) for document in found])


@enrolment.command()
@click.argument("name")
@_group_option
@cloud_option
@answers
def show(terminal: Terminal, name: str, group: bool, cloud: str | None) -> None:
    """Show an enrolment with its keys and the id scope: all that a device needs.

    \b
    Example:  hotori enrolment show line-7 --group --json
    """
    _show(terminal, _ask(cloud, group, lambda client: client.get(name)), name, cloud)


@enrolment.command()
@click.argument("name")
@_group_option
@click.option("--yes", is_flag=True, help="Do not ask.")
@cloud_option
@answers
def delete(terminal: Terminal, name: str, group: bool, yes: bool, cloud: str | None) -> None:
    """Delete an enrolment; devices that came by it stay.

    \b
    Example:  hotori enrolment delete line-7 --group --yes
    """
    if not yes:
        question = Words("Delete the enrolment {name}?", "登録枠 {name} を削除しますか?")
        click.confirm(terminal.say(question, name=name), abort=True, err=True)
    _ask(cloud, group, lambda client: client.delete(name))
    terminal.result({"deleted": name}, Words("deleted {name}", "{name} を削除しました"), name=name)


@enrolment.command()
@cloud_option
@answers
def scope(terminal: Terminal, cloud: str | None) -> None:
    """Show the id scope: what devices call this cloud by.

    \b
    Example:  hotori enrolment scope
    """
    found = _ask(cloud, False, lambda client: client.scope())
    terminal.result({"idScope": found}, Words("{scope}", "{scope}"), scope=found)


def _ask(cloud: str | None, group: bool, ask: Callable[[EnrolmentClient], Awaitable[_Found]]) -> _Found:
    connection = open_cloud(cloud)

    async def work() -> _Found:
        async with service_client(connection) as service:
            return await ask(EnrolmentClient(service, group=group))

    return run(work())


def _attestation(certificate: Path | None, ca: str | None, group: bool) -> JsonObject:
    if ca is not None:
        return {"type": "x509", "x509": {"caReferences": {"primary": ca}}}
    if certificate is not None:
        member = "signingCertificates" if group else "clientCertificates"
        return {"type": "x509", "x509": {member: {"primary": {"certificate": read_text(certificate)}}}}
    return {"type": "symmetricKey"}


def _json(text: str | None, option: str) -> JsonObject:
    try:
        value = json.loads(text or "{}")
    except ValueError as error:
        raise Problem(ENROLMENT_MALFORMED, str(error), reason=f"{option} is not JSON") from error
    if not isinstance(value, dict):
        raise Problem(ENROLMENT_MALFORMED, reason=f"{option} is not a JSON object")
    return value


def _without_keys(document: JsonObject) -> JsonObject:
    attestation: Any = document["attestation"]
    name = document.get("registrationId") or document.get("enrollmentGroupId")
    return {**document, "name": name, "kind": attestation["type"], "attestation": {"type": attestation["type"]}}


def _show(terminal: Terminal, document: JsonObject, name: str, cloud: str | None) -> None:
    connection = open_cloud(cloud)
    attestation: Any = document["attestation"]
    keys = attestation.get("symmetricKey") or {}
    words = Words(
        "{name}: {status}\n  host      {host}\n  id scope  {scope}\n  key       {key}",
        "{name}: {status}\n  ホスト       {host}\n  ID スコープ  {scope}\n  キー         {key}",
    )
    value: JsonObject = {**document, "idScope": connection.id_scope, "host": connection.hub.host}
    terminal.result(
        value,
        words,
        name=name,
        status=document["provisioningStatus"],
        host=connection.hub.host,
        scope=connection.id_scope,
        key=keys.get("primaryKey") or attestation["type"],
    )
