"""`hotori edge launch`: the edge program under a launcher, which can switch to another version of it and go back."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import click

from hotori.cli.options import answers
from hotori.cli.terminal import Terminal
from hotori.problems import Words

_SAID = Words("launcher: {line}", "ランチャー: {line}")


@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.option(
    "--healthy-within",
    type=click.FloatRange(1),
    default=300.0,
    show_default=True,
    help="Seconds after which a new version that is not healthy is taken back.",
)
@click.option(
    "--attempts",
    type=click.IntRange(1, 100),
    default=3,
    show_default=True,
    help="Starts of a new version that ends before it is healthy.",
)
@click.option(
    "--offline-after",
    type=click.FloatRange(0),
    default=60.0,
    show_default=True,
    help="Seconds after which a new version is healthy though nobody answers above, if its agent works.",
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@answers
def launch(
    terminal: Terminal, healthy_within: float, attempts: int, offline_after: float, arguments: tuple[str, ...]
) -> None:
    """Run an edge device like `hotori edge run`, and let its deployments name the version of this program.

    Its own options come first, then those of `hotori edge run`.

    \b
    Example:  hotori edge launch --data edge-1 --enrolment edge-1.json
              hotori edge launch --healthy-within 120 --data edge-1
    """
    from hotori.edge.launcher import Launch, Launcher, own_command
    from hotori.edge.release_folder import ReleaseFolder
    from hotori.reconcile.release import TrialRules

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    if terminal.as_json:
        arguments = ("--json", *arguments)
    own = ("--healthy-within", str(healthy_within), "--attempts", str(attempts), "--offline-after", str(offline_after))
    rules = TrialRules(healthy_within, attempts, offline_after)
    command = Launch(arguments, own_command((*own, *arguments)), rules)
    folder = ReleaseFolder(_data(arguments))
    sys.exit(Launcher(folder, command, lambda line: terminal.note(_SAID, line=line)).run())


def _data(arguments: tuple[str, ...]) -> Path:
    """The data folder that the options or the configuration name. What only a newer version understands is let by."""
    here = click.get_current_context()
    assert here.parent is not None, "it is a command of `hotori edge`"
    assert isinstance(here.parent.command, click.Group)
    program = here.parent.command.commands["run"]
    with program.make_context(
        "hotori edge launch", list(arguments), ignore_unknown_options=True, allow_extra_args=True
    ) as context:
        data: Path = context.params["data"]
    return data.resolve()
