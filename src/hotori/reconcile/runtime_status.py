"""The word that the report uses for a module's state (contract 4.1)."""

from __future__ import annotations

from enum import StrEnum

from hotori.reconcile.modules import ObservedModule, ObservedState
from hotori.reconcile.restart import RestartRules, RestartState
from hotori.reconcile.verdict import Bucket, Verdict


class RuntimeStatus(StrEnum):
    RUNNING = "running"
    BACKOFF = "backoff"
    """Not running, and to be tried again."""
    STOPPED = "stopped"
    FAILED = "failed"
    UNHEALTHY = "unhealthy"
    UNKNOWN = "unknown"


_OF_STATE = {
    ObservedState.CREATED: RuntimeStatus.STOPPED,
    ObservedState.RUNNING: RuntimeStatus.RUNNING,
    ObservedState.STARTING: RuntimeStatus.RUNNING,
    ObservedState.UNHEALTHY: RuntimeStatus.UNHEALTHY,
    ObservedState.STOPPED: RuntimeStatus.STOPPED,
    ObservedState.FAILED: RuntimeStatus.FAILED,
}


def runtime_status(
    observed: ObservedModule | None, verdict: Verdict | None, memory: RestartState, rules: RestartRules
) -> RuntimeStatus:
    """A module restarted too often is `failed` to the reader, although it is still tried.

    One that runs and is unhealthy is called that while it waits for its restart, too.
    """
    if observed and observed.state in (ObservedState.RUNNING, ObservedState.STARTING):
        return RuntimeStatus.RUNNING
    if observed and observed.state is ObservedState.UNHEALTHY and memory.count < rules.many:
        return RuntimeStatus.UNHEALTHY
    if verdict and verdict.bucket is Bucket.BACKING_OFF:
        return RuntimeStatus.FAILED if memory.count >= rules.many else RuntimeStatus.BACKOFF
    return _OF_STATE[observed.state] if observed else RuntimeStatus.UNKNOWN
