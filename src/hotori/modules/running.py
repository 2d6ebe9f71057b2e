"""How a module runs: its log, its loop, and how it ends."""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import json
import logging
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Mapping
from datetime import UTC, datetime
from typing import Any, TypeAlias

from hotori.problems import Problem

Program: TypeAlias = Callable[[Mapping[str, str]], Coroutine[Any, Any, None]]
"""A module's work, given its environment. It runs until it is cancelled, or ends by itself."""

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
_log = logging.getLogger(__name__)


class LogLines(logging.Formatter):
    """One line a record: time, level and words; a problem is a line of JSON, for whoever reads logs for causes.

    A record carries a problem as `extra={"problem": problem}`.
    """

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        problem = getattr(record, "problem", None)
        if isinstance(problem, Problem):
            return problem_line(problem, at, record.levelname.lower())
        line = f"{at} {record.levelname} {record.name}: {record.getMessage()}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def problem_line(problem: Problem, at: str, level: str) -> str:
    """A problem in one line. `values` and the code are enough to say it again in either language."""
    document = {
        "time": at,
        "level": level,
        "code": problem.code,
        "title": problem.title(),
        "cause": problem.cause(),
        "remedy": problem.remedy(),
        "values": dict(problem.values),
        "evidence": list(problem.evidence),
    }
    return json.dumps(document, ensure_ascii=False)


def log_problem(logger: logging.Logger, problem: Problem, level: int = logging.WARNING) -> None:
    """Write a problem to the log, as one line of JSON."""
    logger.log(level, "%s", problem, extra={"problem": problem})


def run(program: Program) -> int:
    """Run a module until SIGTERM or SIGINT; the exit status: 0 when asked to end, 1 after a problem.

    A bug ends it with a traceback, which the log then shows.
    """
    _set_up_log(os.environ)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(_until_ended(program(os.environ)))


async def _until_ended(work: Coroutine[Any, Any, None]) -> int:
    task = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()
    for sign in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sign, task.cancel)
    try:
        await task
    except asyncio.CancelledError:
        _log.info("asked to end")
    except Problem as problem:
        log_problem(_log, problem, logging.ERROR)
        return 1
    return 0


def _set_up_log(environ: Mapping[str, str]) -> None:
    """To standard error; RuntimeLogLevel is the name that the agent passes on (contract 6.1)."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LogLines())
    level = _LEVELS.get(environ.get("RuntimeLogLevel", "info").lower(), logging.INFO)
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for chatty in ("httpx", "httpcore"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop's, where the image has it."""
    if importlib.util.find_spec("uvloop") is None:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = importlib.import_module("uvloop").new_event_loop
    return factory
