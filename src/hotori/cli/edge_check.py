"""`hotori edge check`: what is wrong with a device, why, and what to do, with or without a cloud."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hotori.cli.edge_control import data_option
from hotori.cli.options import answers, run
from hotori.cli.terminal import Terminal
from hotori.diagnosis.checks import Check, Outcome, Result, count
from hotori.model.json import JsonObject
from hotori.problems import Words

if TYPE_CHECKING:
    from hotori.edge.check.probes import Probes

_MARKS = {Result.OK: "√", Result.WARNING: "‼", Result.ERROR: "×", Result.SKIPPED: "‼"}
_SAID = {
    Result.OK: Words("OK", "OK"),
    Result.WARNING: Words("Warning", "警告"),
    Result.ERROR: Words("Error", "エラー"),
    Result.SKIPPED: Words("skipped because of previous failures", "前の失敗のため省略"),
}


@click.command()
@click.option("--dont-run", multiple=True, metavar="ID", help="Leave a check out; `--list` shows them.")
@click.option("--list", "only_list", is_flag=True, help="Show which checks there are.")
@click.option("--warnings-as-errors", is_flag=True, help="Exit with 1 for warnings, too.")
@click.option(
    "--docker-host",
    envvar="DOCKER_HOST",
    help="The container engine to look at; unless given, the one that the device was last started with.",
)
@data_option
@answers
def check(
    terminal: Terminal,
    dont_run: tuple[str, ...],
    only_list: bool,
    warnings_as_errors: bool,
    docker_host: str | None,
    data: Path,
) -> None:
    """Look at everything that a device needs; each failure comes with its cause and what to do.

    \b
    Example:  hotori edge check --data edge-1
    """
    from hotori.edge.check.device_checks import CHECKS

    if only_list:
        _show_list(terminal, CHECKS)
        return
    if unknown := set(dont_run) - {each.id for each in CHECKS}:
        raise click.BadParameter(f"there is no check {', '.join(sorted(unknown))}", param_hint="--dont-run")
    outcomes = run(_run_checks(terminal, _probes(data.resolve(), docker_host), frozenset(dont_run)))
    counts = count(outcomes)
    if terminal.as_json:
        checks: JsonObject = {outcome.check.id: outcome.document() for outcome in outcomes}
        terminal.json({"additional_info": {"data": str(data)}, "checks": checks})
    else:
        terminal.result({}, _SUMMARY, **{result.value: number for result, number in counts.items()})
    bad = counts[Result.ERROR] + (counts[Result.WARNING] if warnings_as_errors else 0)
    if bad:
        raise click.exceptions.Exit(1)


_SUMMARY = Words(
    "{ok} checks are well, {warning} warn, {error} fail, {skipped} were skipped.",
    "正常 {ok}、警告 {warning}、エラー {error}、省略 {skipped}。",
)


async def _run_checks(terminal: Terminal, probes: Probes, left_out: frozenset[str]) -> list[Outcome]:
    from hotori.edge.check.device_checks import run_checks

    outcomes: list[Outcome] = []
    async for outcome in run_checks(probes, left_out):
        if not terminal.as_json:
            _show(terminal, outcome, outcomes[-1].check.section if outcomes else None)
        outcomes.append(outcome)
    return outcomes


def _show(terminal: Terminal, outcome: Outcome, before: Words | None) -> None:
    section = outcome.check.section
    if section != before:
        heading = terminal.say(section)
        terminal.out.print(f"\n{heading}\n{'-' * len(heading)}")
    line = Words("{mark} {title} - {said}{seen}", "{mark} {title} - {said}{seen}")
    terminal.result(
        {},
        line,
        mark=_MARKS[outcome.result],
        title=terminal.say(outcome.check.title),
        said=terminal.say(_SAID[outcome.result]),
        seen=f" ({outcome.seen})" if outcome.seen else "",
    )
    for problem in outcome.problems:
        terminal.problem(problem)


def _show_list(terminal: Terminal, checks: Sequence[Check]) -> None:
    columns = {
        "category": Words("CATEGORY", "分類"),
        "id": Words("ID", "ID"),
        "description": Words("DESCRIPTION", "説明"),
    }
    rows = [
        {"category": terminal.say(each.section), "id": each.id, "description": terminal.say(each.title)}
        for each in checks
    ]
    terminal.rows(columns, rows)


def _probes(data: Path, docker_host: str | None) -> Probes:
    from hotori.edge.check.device_folder import DeviceFolder
    from hotori.edge.check.probes import Probes
    from hotori.edge.module_engine import ModuleEngine

    return Probes(DeviceFolder(data), ModuleEngine(docker_host) if docker_host else None)
