"""What goes on after a method was answered: uploads, by their correlation ids (contract 7.1)."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Awaitable
from dataclasses import dataclass
from enum import StrEnum

from hotori.model.json import JsonObject
from hotori.problems import Problem

_KEPT = 100
_log = logging.getLogger(__name__)


class TaskState(StrEnum):
    RUNNING = "Running"
    COMPLETED = "Completed"
    FAILED = "Failed"
    CANCELLED = "Cancelled"
    UNKNOWN = "Unknown"


@dataclass(frozen=True, slots=True)
class TaskStatus:
    """As `GetTaskStatus` answers."""

    correlation: str
    state: TaskState = TaskState.UNKNOWN
    message: str = ""

    def document(self) -> JsonObject:
        return {"status": self.state.value, "message": self.message, "correlationId": self.correlation}


class Tasks:
    """The last hundred tasks of this life of the device."""

    def __init__(self) -> None:
        self._statuses: dict[str, TaskStatus] = {}
        self._running: set[asyncio.Task[None]] = set()

    def begin(self, what: str, work: Awaitable[str]) -> TaskStatus:
        """Start the work, whose result is the message of its success. Problems are its failure, told in words."""
        correlation = str(uuid.uuid4())
        while len(self._statuses) >= _KEPT:
            del self._statuses[next(iter(self._statuses))]
        status = self._statuses[correlation] = TaskStatus(correlation, TaskState.RUNNING)
        task = asyncio.create_task(self._follow(correlation, what, work), name=f"{what} {correlation}")
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return status

    def status(self, correlation: str) -> TaskStatus:
        """Unknown where there is no such task, or it is long over."""
        return self._statuses.get(correlation, TaskStatus(correlation, message="there is no such task"))

    async def close(self) -> None:
        """End what is under way."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def _follow(self, correlation: str, what: str, work: Awaitable[str]) -> None:
        try:
            message = await work
            self._statuses[correlation] = TaskStatus(correlation, TaskState.COMPLETED, message)
        except Problem as problem:
            _log.error("%s failed: %s", what, problem)
            words = f"{problem.title()}. {problem.cause()} {problem.remedy()}"
            self._statuses[correlation] = TaskStatus(correlation, TaskState.FAILED, words)
        except asyncio.CancelledError:
            self._statuses[correlation] = TaskStatus(correlation, TaskState.CANCELLED)
            raise
