"""`hotori ca`: authorities whose certificates let devices in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from hotori.cli.context import open_cloud
from hotori.cli.device import service_client
from hotori.cli.options import answers, cloud_option, run
from hotori.cli.terminal import Terminal
from hotori.model.json import JsonObject
from hotori.problems import Words
from hotori.sdk.connection_file import read_text
from hotori.sdk.enrolments import AuthorityClient

_Found = TypeVar("_Found")


@click.group()
def ca() -> None:
    """Authorities whose certificates let devices in."""


@ca.command()
@click.argument("name")
@click.argument("certificate", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--unverified", is_flag=True, help="It counts only once the possession of its key is shown (verify).")
@cloud_option
@answers
def add(terminal: Terminal, name: str, certificate: Path, unverified: bool, cloud: str | None) -> None:
    """Register an authority (PEM): devices with a certificate of it, in their own name, may connect.

    \b
    Example:  hotori ca add factory factory-root.pem
    """
    text = read_text(certificate)
    added = _ask(cloud, lambda client: client.add(name, text, verified=not unverified))
    terminal.result(added, Words("added {name}", "{name} を追加しました"), name=name)


@ca.command(name="list")
@cloud_option
@answers
def list_authorities(terminal: Terminal, cloud: str | None) -> None:
    """List the authorities.

    \b
    Example:  hotori ca list
    """
    columns = {
        "name": Words("name", "名前"),
        "subject": Words("subject", "サブジェクト"),
        "expiry": Words("expires", "有効期限"),
        "isVerified": Words("counts", "有効"),
    }
    rows: list[JsonObject] = []
    for document in _ask(cloud, lambda client: client.all()):
        properties: Any = document["properties"]
        rows.append({"name": document["name"], **properties})
    terminal.rows(columns, rows)


@ca.command()
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@cloud_option
@answers
def remove(terminal: Terminal, name: str, yes: bool, cloud: str | None) -> None:
    """Remove an authority; its certificates let nobody in any more.

    \b
    Example:  hotori ca remove factory --yes
    """
    if not yes:
        question = Words("Remove the authority {name}?", "認証局 {name} を削除しますか?")
        click.confirm(terminal.say(question, name=name), abort=True, err=True)
    _ask(cloud, lambda client: client.remove(name))
    terminal.result({"removed": name}, Words("removed {name}", "{name} を削除しました"), name=name)


@ca.command()
@click.argument("name")
@click.option("--proof", type=click.Path(path_type=Path, dir_okay=False), help="The certificate issued to the code.")
@cloud_option
@answers
def verify(terminal: Terminal, name: str, proof: Path | None, cloud: str | None) -> None:
    """Ask for a code; then show a certificate that the authority issued with it as its common name.

    \b
    Example:  hotori ca verify factory
              hotori ca verify factory --proof proof.pem
    """
    if proof is None:
        code = _ask(cloud, lambda client: client.new_code(name))
        terminal.result({"verificationCode": code}, Words("{code}", "{code}"), code=code)
        return
    text = read_text(proof)
    verified = _ask(cloud, lambda client: client.verify(name, text))
    terminal.result(verified, Words("{name} counts from now on", "{name} が有効になりました"), name=name)


def _ask(cloud: str | None, ask: Callable[[AuthorityClient], Awaitable[_Found]]) -> _Found:
    connection = open_cloud(cloud)

    async def work() -> _Found:
        async with service_client(connection) as service:
            return await ask(AuthorityClient(service))

    return run(work())
