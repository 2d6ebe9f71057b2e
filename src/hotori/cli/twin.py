"""`hotori twin`: what a device or module should be, and says it is."""

from __future__ import annotations

import json

import click

from hotori.cli.context import open_cloud
from hotori.cli.device import service_client
from hotori.cli.options import answers, cloud_option, run
from hotori.cli.terminal import Terminal
from hotori.model.identity import Identity
from hotori.model.json import Json, JsonObject
from hotori.problems import Words


class JsonText(click.ParamType[Json]):
    """A command-line value that is JSON."""

    name = "JSON"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> Json:
        try:
            decoded: Json = json.loads(value)
        except ValueError as error:
            self.fail(f"not JSON: {error}", param, ctx)
        return decoded


class JsonObjectText(JsonText):
    """A command-line value that is a JSON object."""

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> Json:
        decoded = super().convert(value, param, ctx)
        if not isinstance(decoded, dict):
            self.fail("a JSON object is needed, such as '{\"interval\": 2}'", param, ctx)
        return decoded


@click.command()
@click.argument("identity", metavar="DEVICE[/MODULE]")
@click.option("--desired", type=JsonObjectText(), help="Merge this into the desired properties; null removes.")
@click.option("--tags", type=JsonObjectText(), help="Merge this into the tags; null removes.")
@cloud_option
@answers
def twin(
    terminal: Terminal, identity: str, desired: JsonObject | None, tags: JsonObject | None, cloud: str | None
) -> None:
    """Show a twin, or change it.

    \b
    Example:  hotori twin edge-1/camera
              hotori twin edge-1/camera --desired '{"interval": 2}'
    """
    connection = open_cloud(cloud)
    whom = Identity.parse(identity)

    async def work() -> JsonObject:
        async with service_client(connection) as client:
            if desired is None and tags is None:
                return await client.twin(whom)
            return await client.patch_twin(whom, desired=desired, tags=tags)

    document = run(work())
    text = json.dumps(document, indent=2, ensure_ascii=False)
    terminal.result(document, Words("{text}", "{text}"), text=text)
