"""What a runtime saw of a module, in the planner's words, and what its health check means to people."""

from __future__ import annotations

from collections.abc import Iterator

from hotori.diagnosis.evidence import blot
from hotori.problems import Problem
from hotori.problems.upkeep import MODULE_HEALTH_LATE, MODULE_UNHEALTHY
from hotori.reconcile.modules import ObservedModule, ObservedState
from hotori.reconcile.restart import RestartRules
from hotori.runtimes.module_runtime import Health, ModuleObservation, ModuleState

_STATES = {Health.STARTING: ObservedState.STARTING, Health.UNHEALTHY: ObservedState.UNHEALTHY}


def observe(seen: ModuleObservation) -> ObservedModule:
    """A runtime's observation in the planner's words."""
    running = seen.state is ModuleState.RUNNING
    return ObservedModule(
        seen.name,
        _STATES.get(seen.health, ObservedState.RUNNING) if running else ObservedState(seen.state.value),
        seen.fingerprint,
        started_at=seen.started_at,
        exited_at=seen.exited_at,
        exit_code=seen.exit_code,
    )


def health_problems(seen: ModuleObservation, now: float, rules: RestartRules) -> Iterator[Problem]:
    """A check that fails, or one that has not passed in the time that later modules wait for it."""
    if seen.state is not ModuleState.RUNNING:
        return
    words = [blot(seen.health_output)] if seen.health_output else []
    if seen.health is Health.UNHEALTHY:
        yield Problem(MODULE_UNHEALTHY, *words, module=seen.name)
    elif seen.health is Health.STARTING and now - seen.started_at >= rules.healthy:
        yield Problem(MODULE_HEALTH_LATE, *words, module=seen.name, seconds=f"{rules.healthy:g}")
