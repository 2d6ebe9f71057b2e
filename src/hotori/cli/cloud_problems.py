"""`hotori cloud problems`: what is wrong with the cloud itself."""

from __future__ import annotations

import click

from hotori.cli.context import open_cloud
from hotori.cli.device import service_client
from hotori.cli.options import answers, cloud_option, run
from hotori.cli.terminal import Terminal
from hotori.model.json import JsonObject
from hotori.problems import Problem, Words

_COLUMNS = {
    "code": Words("code", "コード"),
    "title": Words("problem", "問題"),
    "cause": Words("cause", "原因"),
    "remedy": Words("what to do", "対処"),
}


@click.command()
@cloud_option
@answers
def problems(terminal: Terminal, cloud: str | None) -> None:
    """Show what is wrong with the cloud's hub itself: damaged logs, full queues, clients that share an identity.

    \b
    Example:  hotori cloud problems --json
    """
    connection = open_cloud(cloud)

    async def work() -> list[Problem]:
        async with service_client(connection) as client:
            return await client.problems()

    terminal.rows(_COLUMNS, [_row(terminal, problem) for problem in run(work())])


def _row(terminal: Terminal, problem: Problem) -> JsonObject:
    language = terminal.language
    return {
        "code": problem.code,
        "severity": problem.severity.value,
        "title": problem.title(language),
        "cause": problem.cause(language),
        "remedy": problem.remedy(language),
    }
