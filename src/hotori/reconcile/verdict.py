"""What should be done about one module: a bucket and a reason."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from hotori.model.manifest import RestartPolicy, Status
from hotori.reconcile.modules import DesiredModule, ObservedModule, ObservedState
from hotori.reconcile.restart import RestartRules, RestartState, is_due


class Bucket(StrEnum):
    """The decisions there are. The last two leave the module alone."""

    REMOVE = "remove"
    CREATE = "create"
    REPLACE = "replace"
    START = "start"
    RESTART = "restart"
    STOP = "stop"
    BACKING_OFF = "backing-off"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True)
class Verdict:
    """`next_attempt` (Unix seconds) is set for a module that is backing off."""

    bucket: Bucket
    why: str
    next_attempt: float = 0.0


def judge(
    desired: DesiredModule | None,
    observed: ObservedModule | None,
    memory: RestartState,
    now: float,
    rules: RestartRules,
) -> Verdict:
    """Decide about one module, at least one of whose sides is there."""
    wanted = _wanted(desired, observed, memory, now, rules)
    retry = memory.next_step(rules)
    if wanted.bucket in _LEFT_ALONE or is_due(retry, memory.failed_at, now):
        return wanted
    why = f"the last attempt to {wanted.bucket} it failed, {memory.failures} in a row"
    return Verdict(Bucket.BACKING_OFF, why, retry)


_LEFT_ALONE = (Bucket.BACKING_OFF, Bucket.UNCHANGED)


def _wanted(
    desired: DesiredModule | None,
    observed: ObservedModule | None,
    memory: RestartState,
    now: float,
    rules: RestartRules,
) -> Verdict:
    if desired is None:
        return Verdict(Bucket.REMOVE, "it is not in the deployment")
    if observed is None:
        return Verdict(Bucket.CREATE, "it is in the deployment and not on this device")
    if observed.fingerprint != desired.fingerprint:
        return Verdict(Bucket.REPLACE, "its image, environment, options or version changed")
    if desired.status is Status.STOPPED:
        if observed.state.alive:
            return Verdict(Bucket.STOP, "it is desired stopped")
        return Verdict(Bucket.UNCHANGED, "stopped, as desired")
    return _wanted_running(desired, observed, memory, now, rules)


def _wanted_running(
    desired: DesiredModule, observed: ObservedModule, memory: RestartState, now: float, rules: RestartRules
) -> Verdict:
    if observed.state is ObservedState.RUNNING:
        return Verdict(Bucket.UNCHANGED, "running, as desired")
    if observed.state is ObservedState.STARTING:
        return Verdict(Bucket.UNCHANGED, "running, and its health check is still to pass")
    if observed.state is ObservedState.CREATED:
        return Verdict(Bucket.START, "it is desired running and was never started")
    if not _policy_restarts(desired.restart_policy, observed.state):
        return Verdict(Bucket.UNCHANGED, f"it ended, and its restart policy is {desired.restart_policy}")
    at = memory.next_restart(observed, rules)
    end = f"it {_HOW[observed.state]}" + (f" with status {observed.exit_code}" if not observed.state.alive else "")
    if is_due(at, max(observed.exited_at, observed.started_at), now):
        return Verdict(Bucket.RESTART, f"{end}, and its restart policy is {desired.restart_policy}")
    return Verdict(Bucket.BACKING_OFF, f"{end}, after {memory.count} restarts", at)


_HOW = {
    ObservedState.STOPPED: "ended",
    ObservedState.FAILED: "failed",
    ObservedState.UNHEALTHY: "is unhealthy",
}


def _policy_restarts(policy: RestartPolicy, state: ObservedState) -> bool:
    """Contract 7.2: on-failure and on-unhealthy mean the same; a health check counts for each but `never`."""
    return policy is not RestartPolicy.NEVER and state in _HOW
