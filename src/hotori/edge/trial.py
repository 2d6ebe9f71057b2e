"""The side of the program that is on trial: it tells its launcher when it is healthy, and ends when that is gone."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable

from hotori.edge import launched
from hotori.hub.upstream import Upstream
from hotori.problems.network import CLOUD_UNREACHABLE
from hotori.reconcile.release import Link, TrialRules, is_healthy

_log = logging.getLogger(__name__)
_LOOK = 0.25


class TrialReport:
    """`link` and `looked` say how the program stands; `passed` is called when the launcher has noted it."""

    def __init__(
        self,
        trial: launched.Trial,
        link: Callable[[], Link],
        looked: Callable[[], bool],
        passed: Callable[[], None],
    ) -> None:
        self._trial, self._link, self._looked, self._passed = trial, link, looked, passed

    async def run(self) -> None:
        """Ends when the launcher is gone: then nobody would start this program again, or take it back."""
        loop = asyncio.get_running_loop()
        with socket.socket(fileno=self._trial.socket) as line:
            line.setblocking(False)
            telling = asyncio.create_task(self._tell(loop, line), name="telling the launcher")
            try:
                while await loop.sock_recv(line, 64) == launched.NOTED:
                    _log.info("this version is in force now")
                    self._passed()
            except OSError as error:
                _log.warning("the launcher does not answer: %s", error)
            finally:
                telling.cancel()
                await asyncio.gather(telling, return_exceptions=True)
        _log.warning("the launcher is gone; this program ends, too")

    async def _tell(self, loop: asyncio.AbstractEventLoop, line: socket.socket) -> None:
        began, rules = loop.time(), TrialRules(offline_after=self._trial.offline_after)
        while not is_healthy(self._link(), self._looked(), loop.time() - began, rules):  # noqa: ASYNC110
            await asyncio.sleep(_LOOK)  # how long nothing happened counts, too
        with contextlib.suppress(OSError):  # who reads is told of it
            await loop.sock_sendall(line, launched.HEALTHY)


def link_of(upstream: Upstream) -> Link:
    """How this program stands to the hub above."""
    if upstream.connected:
        return Link.CONNECTED
    problem = upstream.problem
    return Link.UNREACHABLE if problem and problem.kind is CLOUD_UNREACHABLE else Link.REFUSED
