"""`hotori routes`: where messages go, and why."""

from __future__ import annotations

from pathlib import Path

import click

from hotori.cli.context import open_cloud
from hotori.cli.device import service_client
from hotori.cli.message_options import MessageOptions, message_options
from hotori.cli.options import answers, cloud_option, run
from hotori.cli.route_file import read_routes
from hotori.cli.routes_view import ROUTE_COLUMNS, show_explanation
from hotori.cli.terminal import Terminal
from hotori.model.json import JsonObject
from hotori.model.message import Message
from hotori.model.message_document import message_document, read_message
from hotori.problems import Words
from hotori.routing.endpoint import Sinks
from hotori.routing.explanation import explain as explain_routes
from hotori.routing.router import Router
from hotori.sdk.connection_file import CloudConnection
from hotori.sdk.routing import RoutingClient

_FALLBACK = Words(
    "What no route takes goes to the event log ($events).",
    "どのルートにも合わないメッセージはイベントログ ($events) に届きます。",
)
_NO_FALLBACK = Words(
    "What no route takes is dropped: {count} until now.",
    "どのルートにも合わないメッセージは破棄されます（これまで {count} 件）。",
)


@click.group()
def routes() -> None:
    """See, check, explain and change where messages go."""


@routes.command(name="list")
@click.option("--device", help="The routes that are in force on this edge device; else the cloud's.")
@cloud_option
@answers
def list_routes(terminal: Terminal, device: str | None, cloud: str | None) -> None:
    """List the routes with what they did: accepted = delivered + expired + dropped + pending.

    \b
    Example:  hotori routes list --device edge-1
    """
    connection = open_cloud(cloud)

    async def work() -> list[JsonObject]:
        async with service_client(connection) as service:
            client = RoutingClient(service)
            return await (client.edge_routes(device) if device else _cloud_routes(client, terminal))

    terminal.rows(ROUTE_COLUMNS, run(work()))


async def _cloud_routes(client: RoutingClient, terminal: Terminal) -> list[JsonObject]:
    routing = await client.routing()
    if routing["fallback"]:
        terminal.note(_FALLBACK)
    else:
        terminal.note(_NO_FALLBACK, count=routing["unrouted"])
    found = routing["routes"]
    return [route for route in found if isinstance(route, dict)] if isinstance(found, list) else []


@routes.command()
@click.argument("name")
@click.argument("text", metavar="ROUTE")
@click.option("--priority", type=click.IntRange(0), help="0 goes first; the default is last.")
@cloud_option
@answers
def create(terminal: Terminal, name: str, text: str, priority: int | None, cloud: str | None) -> None:
    """Add a route to the cloud, or replace the one of that name. Routes of devices stand in their manifests.

    \b
    Example:  hotori routes create cats "FROM /messages/* WHERE label = 'cat' INTO Endpoint('archive')"
              hotori routes create all 'FROM /messages/* INTO $events'
    """
    connection = open_cloud(cloud)

    async def work() -> JsonObject:
        async with service_client(connection) as service:
            return await RoutingClient(service).put_route(name, text, priority)

    terminal.result(run(work()), Words("route {name} is in force", "ルート {name} が有効になりました"), name=name)


@routes.command()
@click.argument("name")
@cloud_option
@answers
def delete(terminal: Terminal, name: str, cloud: str | None) -> None:
    """Delete a route of the cloud; what it brought somewhere is still delivered.

    \b
    Example:  hotori routes delete cats
    """
    connection = open_cloud(cloud)

    async def work() -> None:
        async with service_client(connection) as service:
            await RoutingClient(service).delete_route(name)

    run(work())
    terminal.result({"deleted": name}, Words("deleted {name}", "{name} を削除しました"), name=name)


@routes.command()
@click.argument("state", type=click.Choice(["on", "off"]))
@cloud_option
@answers
def fallback(terminal: Terminal, state: str, cloud: str | None) -> None:
    """Say whether messages that no route of the cloud takes go to its event log.

    \b
    Example:  hotori routes fallback off
    """
    connection = open_cloud(cloud)

    async def work() -> None:
        async with service_client(connection) as service:
            await RoutingClient(service).set_fallback(state == "on")

    run(work())
    terminal.result({"fallback": state == "on"}, Words("fallback {state}", "フォールバック {state}"), state=state)


@routes.command()
@click.argument("path", metavar="FILE", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--cloud-routes", is_flag=True, help="The file has routes of the cloud, not of an edge device.")
@answers
def check(terminal: Terminal, path: Path, cloud_routes: bool) -> None:
    """Look for faults in routes; nothing is sent anywhere.

    FILE is a manifest, a template, a JSON object with routes, or a text with one route.

    \b
    Example:  hotori routes check deployment.template.json
    """
    config, at = read_routes(path)
    router, problems = Router.compile_each(config, at, _sinks(cloud_routes))
    for problem in problems:
        terminal.problem(problem)
    names: JsonObject = {
        "right": [compiled.spec.name for compiled in router.routes],
        "wrong": [problem.values["name"] for problem in problems],
    }
    if problems:
        if terminal.as_json:
            terminal.json(names)
        raise click.exceptions.Exit(1)
    words = Words("{count} routes, no fault found", "ルート {count} 件、誤りはありません")
    terminal.result(names, words, count=len(router.routes))


@routes.command()
@message_options
@click.option("--manifest", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="Ask these routes.")
@click.option("--device", help="Ask the routes that are in force on this edge device.")
@cloud_option
@answers
def explain(
    terminal: Terminal, wanted: MessageOptions, manifest: Path | None, device: str | None, cloud: str | None
) -> None:
    """Say which routes a message takes, and why: each condition with the value of its parts.

    MESSAGE is a JSON file, or - for standard input; or describe the message by options. Without --manifest and
    --device, the cloud's own routes are asked.

    \b
    Example:  hotori routes explain --manifest deployment.json --sender edge-1/camera --output pictures \\
                --property label=cat --body '{"temp": 21}'
              hotori routes explain --device edge-1 --offset 1041
              hotori routes explain message.json
    """
    offline = manifest is not None and wanted.offset is None
    connection = None if offline else open_cloud(cloud)
    if connection is None:
        assert manifest is not None
        document = _explain_here(manifest, wanted.message())
    else:
        document = run(_explain_there(connection, wanted, manifest, device))
    show_explanation(terminal, document)


def _explain_here(manifest: Path, message: Message) -> JsonObject:
    config, at = read_routes(manifest)
    return explain_routes(Router.compile(config, at), message).document()


async def _explain_there(
    connection: CloudConnection, wanted: MessageOptions, manifest: Path | None, device: str | None
) -> JsonObject:
    async with service_client(connection) as service:
        client = RoutingClient(service)
        message = wanted.message() if wanted.offset is None else read_message(await service.event(wanted.offset))
        if manifest is not None:
            return _explain_here(manifest, message)
        document = message_document(message)
        return await (client.explain_on_edge(device, document) if device else client.explain(document))


def _sinks(cloud: bool) -> Sinks:
    return Sinks.CLOUD if cloud else Sinks.EDGE
