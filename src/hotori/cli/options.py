"""Options that every command shares, and how a command's coroutine is run."""

from __future__ import annotations

import asyncio
import functools
import signal
from collections.abc import Callable, Coroutine
from typing import Any, Concatenate, ParamSpec, TypeVar

import click

from hotori.cli.terminal import Terminal
from hotori.problems import Language, Problem

P = ParamSpec("P")
R = TypeVar("R")


def _language(_: click.Context, __: click.Parameter, value: str | None) -> Language | None:
    return Language(value) if value else None


def answers(command: Callable[Concatenate[Terminal, P], R]) -> Callable[..., R]:
    """Give a command `--json` and `--lang`, and hand it the terminal to answer on as its first argument."""

    @click.option("--json", "as_json", is_flag=True, help="Answer with JSON instead of words.")
    @click.option(
        "--lang",
        type=click.Choice([language.value for language in Language]),
        callback=_language,
        help="Answer in English or Japanese.",
    )
    @functools.wraps(command)
    def wrapped(as_json: bool, lang: Language | None, *args: P.args, **kwargs: P.kwargs) -> R:
        terminal = Terminal.open(lang, as_json)
        try:
            return command(terminal, *args, **kwargs)
        except Problem as problem:
            terminal.problem(problem)
            raise click.exceptions.Exit(1) from problem
        except ExceptionGroup as group:
            for one in _only_problems(group):
                terminal.problem(one)
            raise click.exceptions.Exit(1) from group

    return wrapped


def _only_problems(group: ExceptionGroup[Exception]) -> list[Problem]:
    """The problems that tasks ran into together; anything else is a fault of ours and goes on as it is."""
    problems, others = group.split(Problem)
    if others is not None:
        raise others
    leaves: list[Problem] = []
    waiting: list[Exception] = list(problems.exceptions) if problems else []
    while waiting:
        error = waiting.pop(0)
        if isinstance(error, ExceptionGroup):
            waiting.extend(error.exceptions)
        elif isinstance(error, Problem):
            leaves.append(error)
    return leaves


def cloud_option(command: Callable[P, R]) -> Callable[P, R]:
    """`--cloud`: which cloud is meant."""
    return click.option(
        "--cloud",
        metavar="PATH",
        help="The cloud's data folder or connect.json. Else HOTORI_CLOUD, else the last one used.",
    )(command)


def run(work: Coroutine[Any, Any, R]) -> R:
    """Run a command's coroutine on the fast event loop; Ctrl-C and SIGTERM cancel it, so that it cleans up."""
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_cancelled_by_sigterm(work))


async def _cancelled_by_sigterm(work: Coroutine[Any, Any, R]) -> R:
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await work
