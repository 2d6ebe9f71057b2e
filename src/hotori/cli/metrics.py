"""`hotori metrics`: what Prometheus is told."""

from __future__ import annotations

from collections.abc import Iterator

import click

from hotori.cli.context import open_cloud
from hotori.cli.device import service_client
from hotori.cli.options import answers, cloud_option, run
from hotori.cli.terminal import Terminal
from hotori.model.json import JsonObject


@click.command()
@click.option("--url", help="A device's metrics instead of the cloud's, as http://127.0.0.1:9600/metrics.")
@click.option("--only", metavar="TEXT", default="", help="Only metrics whose name has this in it.")
@cloud_option
@answers
def metrics(terminal: Terminal, url: str | None, only: str, cloud: str | None) -> None:
    """Show metrics in Prometheus's text format, or as JSON.

    \b
    Example:  hotori metrics --only hotori_route
              hotori metrics --url http://127.0.0.1:9600/metrics --json
    """
    text = _fetch(url) if url else run(_ask(cloud))
    samples = [sample for sample in _samples(text) if only in str(sample["name"])]
    if terminal.as_json:
        terminal.json([*samples])
        return
    for line in text.splitlines():
        if only in line.removeprefix("# HELP ").removeprefix("# TYPE ").partition("{")[0].partition(" ")[0]:
            click.echo(line)


async def _ask(cloud: str | None) -> str:
    async with service_client(open_cloud(cloud)) as client:
        return await client.metrics()


def _fetch(url: str) -> str:
    import httpx

    from hotori.sdk.http_problem import transport_problem

    try:
        return httpx.get(url, trust_env=False, timeout=10).raise_for_status().text
    except httpx.TransportError as error:
        raise transport_problem(url, error) from error
    except (httpx.HTTPStatusError, httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
        raise click.UsageError(f"{url}: {error}") from error


def _samples(text: str) -> Iterator[JsonObject]:
    from prometheus_client.parser import text_string_to_metric_families

    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            yield {"name": sample.name, "labels": {**sample.labels}, "value": float(sample.value)}
