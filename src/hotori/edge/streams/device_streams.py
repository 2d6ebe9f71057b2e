"""The streams of one device: fetched with a ticket, checked, counted, and ended with the device."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from hotori.edge.log_request import BadRequestError, LogFilter
from hotori.edge.streams.log_session import LogSession
from hotori.edge.streams.shell_session import ShellSession
from hotori.edge.streams.way_up import WayUp
from hotori.hub.streams.order import StreamKind, StreamOrder
from hotori.model.json import JsonObject
from hotori.problems import Problem
from hotori.problems.modules import MODULE_UNKNOWN
from hotori.problems.service import REQUEST_MALFORMED
from hotori.problems.streams import MODULE_NOT_RUNNING, SHELL_REFUSED, STREAMS_FULL
from hotori.runtimes.module_runtime import ModuleRuntime, ModuleState
from hotori.runtimes.shell import ShellOpener
from hotori.sdk.stream import StreamConnection
from hotori.sdk.stream_frames import Frame, FrameKind

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StreamRules:
    """Whether shells may be opened, how many streams there may be at a time, and after how many seconds without a
    sign of life a shell, or a log that nobody takes, is ended."""

    shells: bool = True
    most: int = 10
    idle: float = 900.0


class _Session(Protocol):
    async def run(self, connection: StreamConnection) -> None:
        """Until it is over, or its caller has gone. Raises the problem that ends it."""
        ...


class DeviceStreams:
    """`modules` are those of the deployment. Without `shells` the runtime has none."""

    def __init__(
        self,
        device: str,
        runtime: ModuleRuntime,
        shells: ShellOpener | None,
        modules: Callable[[], Iterable[str]],
        way: WayUp,
        clock: Callable[[], float],
        rules: StreamRules,
    ) -> None:
        self._device, self._runtime, self._shells, self._modules = device, runtime, shells, modules
        self._way, self._clock, self._rules = way, clock, rules
        self._coming = 0
        self._running: set[asyncio.Task[None]] = set()

    async def open(self, ticket: str) -> None:
        """Fetch the order that the ticket is for and begin with it.

        Raises `streams-full`, `cloud-unreachable`, `stream-ticket-refused`, `module-unknown`, `module-not-running`,
        `shell-refused`, `request-malformed`.
        """
        if len(self._running) + self._coming >= self._rules.most:
            raise Problem(STREAMS_FULL, device=self._device, most=self._rules.most)
        self._coming += 1
        try:
            await self._fetch(ticket)
        finally:
            self._coming -= 1

    async def close(self) -> None:
        """End all of them."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def _fetch(self, ticket: str) -> None:
        connection = await self._way.dial(ticket)
        try:
            session = await self._session(_order(connection.answer))
        except BaseException:
            await connection.close()
            raise
        task = asyncio.create_task(self._run(session, connection), name="stream")
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _session(self, order: StreamOrder) -> _Session:
        seen = {module.name: module for module in await self._runtime.observe()}
        names = {*seen, *self._modules()}
        if order.module not in names:
            raise Problem(MODULE_UNKNOWN, module=order.module, modules=", ".join(sorted(names)) or "-")
        if order.kind is StreamKind.LOGS:
            return LogSession(
                self._runtime, order.module, self._chosen(order), self._modules, self._clock, self._rules.idle
            )
        if self._shells is None or not self._rules.shells:
            raise Problem(SHELL_REFUSED, device=self._device, module=order.module)
        module = seen.get(order.module)
        if module is None or module.state is not ModuleState.RUNNING:
            raise Problem(MODULE_NOT_RUNNING, module=order.module, state=module.state if module else "-")
        _log.info("%s opens a shell in %s", order.by or "somebody", order.module)
        return ShellSession(self._shells, order, self._rules.idle)

    def _chosen(self, order: StreamOrder) -> LogFilter:
        try:
            return LogFilter.parse(order.chosen, self._clock())
        except BadRequestError as error:
            raise Problem(REQUEST_MALFORMED, reason=str(error)) from error

    async def _run(self, session: _Session, connection: StreamConnection) -> None:
        try:
            await session.run(connection)
        except Problem as problem:
            await connection.send(Frame.of(FrameKind.PROBLEM, problem.document()))
        finally:
            await connection.close()


def _order(answer: JsonObject) -> StreamOrder:
    document = answer.get("order")
    return StreamOrder.read(document if isinstance(document, dict) else {})
