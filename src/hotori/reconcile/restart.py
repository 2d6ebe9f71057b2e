"""When a module that ended is started again, and when a step that failed is tried again (contract 7.2)."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hotori.reconcile.modules import ObservedModule, ObservedState


@dataclass(frozen=True, slots=True)
class RestartRules:
    """How patient the agent is. Times are in seconds.

    The wait before restart n (from 0) is `unit` times 2^n, `longest` at most. Running for `proven` makes the
    past forgotten. After `many` restarts the module is reported as failed, and is still tried every
    `longest`: a device in the field must not give up in silence. `healthy` is how long modules of later startup
    groups wait for the health checks of earlier ones.
    """

    unit: float = 10.0
    longest: float = 300.0
    proven: float = 600.0
    many: int = 20
    healthy: float = 120.0

    def wait(self, count: int) -> float:
        """Seconds to wait after the end, or the failure, number `count`."""
        return min(self.unit * 2.0 ** min(count, 64), self.longest)


@dataclass(frozen=True, slots=True)
class RestartState:
    """What is remembered of one module between looks.

    `count` restarts, the last at `restarted_at`; `failures` steps failed in a row, the last at `failed_at`.
    `fresh` where the agent was started since: its first attempt waits for nothing.
    """

    count: int = 0
    restarted_at: float = 0.0
    failures: int = 0
    failed_at: float = 0.0
    fresh: bool = False

    def restarted(self, now: float) -> RestartState:
        return replace(self, count=self.count + 1, restarted_at=now, fresh=False)

    def step_failed(self, now: float) -> RestartState:
        return replace(self, failures=self.failures + 1, failed_at=now, fresh=False)

    def step_succeeded(self) -> RestartState:
        return replace(self, failures=0, failed_at=0.0)

    def seen(self, observed: ObservedModule, now: float, rules: RestartRules) -> RestartState:
        """Forget the restarts of a module that has been running well for long enough."""
        if self.fresh and observed.state.alive:
            return replace(self, fresh=False).seen(observed, now, rules)
        well = observed.state is ObservedState.RUNNING and now - observed.started_at >= rules.proven
        return replace(self, count=0, restarted_at=0.0) if well and self.count else self

    def next_step(self, rules: RestartRules) -> float:
        """When a step may be tried again; 0.0 for at once."""
        return self.failed_at + rules.wait(self.failures - 1) if self.failures and not self.fresh else 0.0

    def next_restart(self, observed: ObservedModule, rules: RestartRules) -> float:
        """When a module that is not well may be started again.

        One that ended with status 0 for the first time is simply started. One that is unhealthy gets its wait
        counted from its start.
        """
        if self.fresh:
            return 0.0
        if observed.state is ObservedState.UNHEALTHY:
            return observed.started_at + rules.wait(self.count)
        if observed.state is ObservedState.STOPPED and not self.count:
            return 0.0
        return observed.exited_at + rules.wait(self.count)


def is_due(at: float, since: float, now: float) -> bool:
    """Whether the moment `at` has come. A clock that was set back to before `since` must not make anyone wait."""
    return now >= at or now < since
