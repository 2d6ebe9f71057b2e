"""`hotori deployment`: one manifest for many devices, in waves, and back when they do not do well."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import click

from hotori.cli.context import open_cloud
from hotori.cli.device import service_client
from hotori.cli.options import answers, cloud_option, run
from hotori.cli.terminal import Terminal
from hotori.model.json import Json, JsonObject
from hotori.problems import Words
from hotori.sdk.configurations import ConfigurationClient

_Found = TypeVar("_Found")
_NUMBERS = {"applied": "appliedCount", "targeted": "targetedCount", "failed": "reportedFailedCount"}


@click.group()
def deployment() -> None:
    """Deploy to many devices at once, in waves, with a gate on their health."""


def _wave(_: click.Context, __: click.Parameter, text: str | None) -> list[JsonObject]:
    """`1,25%,100%` as waves."""
    try:
        return [
            {"percent": float(each[:-1])} if each.endswith("%") else {"devices": int(each)}
            for each in (text.split(",") if text else ())
        ]
    except ValueError as error:
        raise click.BadParameter("numbers of devices or percentages are needed, such as 1,25%,100%") from error


@deployment.command()
@click.argument("name")
@click.argument("manifest", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--target", default="*", show_default=True, help="The condition that devices must fulfil.")
@click.option("--priority", default=0, show_default=True, help="The larger wins.")
@click.option("--waves", callback=_wave, metavar="SIZES", help="Such as 1,25%,100%; without it everybody at once.")
@click.option("--healthy", default=60.0, show_default=True, help="Seconds of health that a wave needs.")
@click.option("--pause-on-failure", is_flag=True, help="Wait for a decision instead of rolling back.")
@cloud_option
@answers
def create(
    terminal: Terminal,
    name: str,
    manifest: Path,
    target: str,
    priority: int,
    waves: list[JsonObject],
    healthy: float,
    pause_on_failure: bool,
    cloud: str | None,
) -> None:
    """Deploy MANIFEST, or a layer of one, to every edge device that fulfils a condition.

    \b
    Example:  hotori deployment create lake-2 manifest.json --target "tags.site = 'lake'" \\
                --priority 2 --waves 1,25%,100%
    """
    document = _document(manifest) | {"targetCondition": target, "priority": priority}
    if waves:
        on_failure = "pause" if pause_on_failure else "rollback"
        document["rollout"] = {"waves": list(waves), "healthySeconds": healthy, "onFailure": on_failure}
    created = _ask(cloud, lambda client: client.create(name, document))
    words = Words("{name} targets {count} devices", "{name} の対象は {count} 台です")
    terminal.result(created, words, name=name, count=_metric(created, "targetedCount"))


@deployment.command(name="list")
@cloud_option
@answers
def list_deployments(terminal: Terminal, cloud: str | None) -> None:
    """List the deployments, those that win last.

    \b
    Example:  hotori deployment list --json
    """
    found = _ask(cloud, lambda client: client.all())
    columns = {
        "id": Words("deployment", "デプロイ"),
        "priority": Words("priority", "優先度"),
        "targetCondition": Words("target", "対象"),
        "createdTimeUtc": Words("created", "作成"),
    }
    terminal.rows(columns, sorted(found, key=lambda each: (each["priority"], each["createdTimeUtc"])))


@deployment.command()
@click.argument("name")
@cloud_option
@answers
def show(terminal: Terminal, name: str, cloud: str | None) -> None:
    """Show how a deployment stands: its numbers, its rollout device by device, tags that moved since.

    \b
    Example:  hotori deployment show lake-2
    """

    async def both(client: ConfigurationClient) -> tuple[JsonObject, JsonObject]:
        return await client.get(name), await client.rollout(name)

    found, rollout = _ask(cloud, both)
    if terminal.as_json:
        terminal.json(found | {"progress": rollout})
        return
    words = Words(
        "{name}: {phase}, applied to {applied} of {targeted}, {failed} report a failure",
        "{name}: {phase}、{targeted} 台中 {applied} 台に適用、失敗の報告 {failed} 台",
    )
    numbers = {short: _metric(found, metric) for short, metric in _NUMBERS.items()}
    terminal.result(found, words, name=name, phase=rollout["phase"], **numbers)
    _show_details(terminal, found, rollout)


@deployment.command()
@click.argument("name")
@click.option("--reason", help="Why, for those who look later.")
@cloud_option
@answers
def pause(terminal: Terminal, name: str, reason: str | None, cloud: str | None) -> None:
    """Let no further device have it.

    \b
    Example:  hotori deployment pause lake-2 --reason "waiting for the site"
    """
    _change(terminal, cloud, name, "pause", reason)


@deployment.command()
@click.argument("name")
@cloud_option
@answers
def resume(terminal: Terminal, name: str, cloud: str | None) -> None:
    """Go on with a rollout that was paused.

    \b
    Example:  hotori deployment resume lake-2
    """
    _change(terminal, cloud, name, "resume", None)


@deployment.command()
@click.argument("name")
@click.option("--reason", help="Why, for those who look later.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@cloud_option
@answers
def rollback(terminal: Terminal, name: str, reason: str | None, yes: bool, cloud: str | None) -> None:
    """Give every device back what it had before.

    \b
    Example:  hotori deployment rollback lake-2 --yes
    """
    if not yes:
        question = Words("Take {name} back from every device?", "{name} をすべてのデバイスから取り消しますか?")
        click.confirm(terminal.say(question, name=name), abort=True, err=True)
    _change(terminal, cloud, name, "rollback", reason)


@deployment.command()
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@cloud_option
@answers
def delete(terminal: Terminal, name: str, yes: bool, cloud: str | None) -> None:
    """Delete a deployment; devices get the next one that targets them, or keep what they have.

    \b
    Example:  hotori deployment delete lake-1 --yes
    """
    if not yes:
        click.confirm(terminal.say(Words("Delete {name}?", "{name} を削除しますか?"), name=name), abort=True, err=True)
    _ask(cloud, lambda client: client.delete(name))
    terminal.result({"deleted": name}, Words("deleted {name}", "{name} を削除しました"), name=name)


@deployment.command()
@click.argument("device")
@cloud_option
@answers
def effective(terminal: Terminal, device: str, cloud: str | None) -> None:
    """Show what a device should have, and the deployment that every value is from.

    \b
    Example:  hotori deployment effective edge-1
    """
    found = _ask(cloud, lambda client: client.effective(device))
    origins = found["origins"]
    assert isinstance(origins, dict)
    rows: list[JsonObject] = [
        {"module": module, "value": pointer, "deployment": origin}
        for module, places in origins.items()
        for pointer, origin in (places.items() if isinstance(places, dict) else ())
    ]
    if terminal.as_json:
        terminal.json(found)
        return
    columns = {
        "module": Words("module", "モジュール"),
        "value": Words("value", "値"),
        "deployment": Words("deployment", "デプロイ"),
    }
    terminal.rows(columns, rows)


def _change(terminal: Terminal, cloud: str | None, name: str, action: str, reason: str | None) -> None:
    rollout = _ask(cloud, lambda client: client.change_rollout(name, action, reason))
    terminal.result(rollout, Words("{name}: {phase}", "{name}: {phase}"), name=name, phase=rollout["phase"])


def _show_details(terminal: Terminal, found: JsonObject, rollout: JsonObject) -> None:
    if rollout["reason"]:
        terminal.note(Words("reason: {reason}", "理由: {reason}"), reason=rollout["reason"])
    moved = Words(
        "the tag of {image} moved since: devices keep {digest}",
        "{image} のタグはその後動きました。デバイスは {digest} のままです",
    )
    for image in _objects(found.get("images")):
        if image["moved"]:
            terminal.note(moved, image=image["image"], digest=image["digest"])
    columns = {
        "device": Words("device", "デバイス"),
        "health": Words("health", "状態"),
        "since": Words("since", "いつから"),
        "reason": Words("reason", "理由"),
    }
    devices = rollout["devices"]
    assert isinstance(devices, dict)
    if rows := [{"device": name, **each} for name, each in devices.items() if isinstance(each, dict)]:
        terminal.rows(columns, rows)


def _objects(value: Json) -> list[JsonObject]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _metric(document: JsonObject, name: str) -> Json:
    metrics = document["systemMetrics"]
    results = metrics.get("results") if isinstance(metrics, dict) else None
    return results.get(name, 0) if isinstance(results, dict) else 0


def _document(path: Path) -> JsonObject:
    """A manifest file, or a whole configuration, as what is PUT."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise click.BadParameter(f"{path} is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise click.BadParameter(f"{path} is not a JSON object")
    return value if "content" in value else {"content": value}


def _ask(cloud: str | None, question: Callable[[ConfigurationClient], Awaitable[_Found]]) -> _Found:
    connection = open_cloud(cloud)

    async def work() -> _Found:
        async with service_client(connection) as client:
            return await question(ConfigurationClient(client))

    return run(work())
