"""Performs plans: each module's steps are a chain that holds up no other module."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hotori.edge.pull_gate import PullGate
from hotori.edge.step_table import PERFORM, Orders
from hotori.problems import Problem
from hotori.problems.module_ends import MODULE_FAULT
from hotori.reconcile.plan import Plan
from hotori.reconcile.steps import AwaitHealth, PullImage, StartModule, Step
from hotori.runtimes.module_runtime import ModuleRuntime

_log = logging.getLogger(__name__)
_IDLE = (PullImage, AwaitHealth, type(None))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one step, and how long it took; `problem` where it failed. `last` ends its module's chain."""

    step: Step
    problem: Problem | None
    last: bool
    seconds: float = 0.0


class Performer:
    """Runs plans. A module whose chain is under way is `busy` and must be left out of the next plan."""

    def __init__(self, runtime: ModuleRuntime, tell: Callable[[Outcome], None]) -> None:
        self._runtime, self._tell = runtime, tell
        self._chains: dict[str, asyncio.Task[None]] = {}
        self._at: dict[str, Step] = {}

    @property
    def busy(self) -> frozenset[str]:
        return frozenset(self._chains)

    @property
    def restarting(self) -> frozenset[str]:
        """Modules that are at a restart: they may run already, and it has not been told yet."""
        steps = self._at.items()
        return frozenset(module for module, step in steps if isinstance(step, StartModule) and step.restart)

    def doing(self, module: str) -> Step | None:
        """The step that the module is at."""
        return self._at.get(module)

    def begin(self, plan: Plan, orders: Orders) -> None:
        """Start the plan's chains. A startup group begins when the chains of the group before it have ended."""
        before: tuple[asyncio.Task[None], ...] = ()
        gate = PullGate(plan.to_pull) if orders.pulls_first else PullGate(())
        for group in plan.groups:
            chains = {step.module: tuple(s for s in group if s.module == step.module) for step in group}
            tasks = {
                module: asyncio.create_task(self._chain(module, steps, orders, before, gate), name=f"perform {module}")
                for module, steps in chains.items()
            }
            self._chains |= tasks
            before = tuple(tasks.values())

    async def idle(self) -> None:
        """Wait until no chain is under way."""
        while self._chains:
            await asyncio.wait(list(self._chains.values()))

    async def abandon_pulls(self) -> None:
        """End the chains that wait or fetch: a new deployment may want another image. Half a step is never left."""
        ended = [chain for module, chain in self._chains.items() if isinstance(self._at.get(module), _IDLE)]
        await _cancel(ended)

    async def close(self) -> None:
        """End every chain, wherever it is: planning finds its way from any point."""
        await _cancel(list(self._chains.values()))

    async def _chain(
        self, module: str, steps: Sequence[Step], orders: Orders, before: Sequence[asyncio.Task[None]], gate: PullGate
    ) -> None:
        gated = gate.holds(module)
        try:
            if before and not gated:
                await asyncio.wait(before)
            for index, step in enumerate(steps):
                self._at[module] = step
                began = time.monotonic()
                problem = await self._take(step, orders)
                last = problem is not None or index == len(steps) - 1
                self._tell(Outcome(step, problem, last, time.monotonic() - began))
                if problem:
                    return
                if gated and isinstance(step, PullImage):
                    del self._at[module]
                    if not await gate.passed(module):
                        return
                    if before:
                        await asyncio.wait(before)
        finally:
            gate.left(module)
            self._at.pop(module, None)
            if self._chains.get(module) is asyncio.current_task():
                del self._chains[module]

    async def _take(self, step: Step, orders: Orders) -> Problem | None:
        """Perform one step; the guard of the chains: whatever goes wrong with one module stays with it."""
        _log.info("%s %s: %s", type(step).__name__, step.module, step.why)
        try:
            await PERFORM[type(step)](self._runtime, step, orders)
        except Problem as problem:
            _log.warning("%s %s failed: %s: %s", type(step).__name__, step.module, problem.title(), problem.cause())
            return problem
        except Exception as error:  # noqa: BLE001 - a fault of the runtime must not end the agent
            _log.exception("%s %s failed", type(step).__name__, step.module)
            reason = f"{type(error).__name__}: {error}"
            return Problem(MODULE_FAULT, reason, module=step.module, step=type(step).__name__, reason=reason)
        return None


async def _cancel(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)
