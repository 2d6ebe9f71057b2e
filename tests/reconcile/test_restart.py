"""When a module that ended is started again (contract 7.2)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotori.model.manifest import RestartPolicy, Status
from hotori.reconcile.modules import ObservedState
from hotori.reconcile.restart import RestartRules, RestartState
from hotori.reconcile.runtime_status import RuntimeStatus, runtime_status
from hotori.reconcile.verdict import Bucket, judge
from tests.reconcile.world import desired, observed

RULES = RestartRules()
NOTHING = RestartState()


@pytest.mark.parametrize(("count", "seconds"), [(0, 10), (1, 20), (4, 160), (5, 300), (20, 300), (10_000, 300)])
def test_the_wait_doubles_up_to_the_longest(count: int, seconds: float) -> None:
    assert RULES.wait(count) == seconds


def test_a_module_that_failed_waits_and_is_then_restarted() -> None:
    module = desired()
    failed = observed(module, ObservedState.FAILED, exited_at=1000.0)

    waiting = judge(module, failed, NOTHING, 1005.0, RULES)
    due = judge(module, failed, NOTHING, 1010.0, RULES)

    assert (waiting.bucket, waiting.next_attempt) == (Bucket.BACKING_OFF, 1010.0)
    assert due.bucket is Bucket.RESTART
    assert due.why == "it failed with status 1, and its restart policy is always"


def test_a_clock_set_back_makes_nobody_wait() -> None:
    module = desired()
    failed = observed(module, ObservedState.FAILED, exited_at=1000.0)

    assert judge(module, failed, NOTHING, 500.0, RULES).bucket is Bucket.RESTART


def test_a_module_that_ended_well_is_simply_started_once_and_then_waits() -> None:
    module = desired(restart=RestartPolicy.ON_UNHEALTHY)
    ended = observed(module, ObservedState.STOPPED, exited_at=1000.0)

    assert judge(module, ended, NOTHING, 1000.0, RULES).bucket is Bucket.RESTART
    assert judge(module, ended, NOTHING.restarted(999.0), 1000.0, RULES).bucket is Bucket.BACKING_OFF


@pytest.mark.parametrize("state", [ObservedState.STOPPED, ObservedState.FAILED, ObservedState.UNHEALTHY])
def test_the_policy_never_leaves_a_module_that_ended(state: ObservedState) -> None:
    module = desired(restart=RestartPolicy.NEVER)

    assert judge(module, observed(module, state), NOTHING, 1e9, RULES).bucket is Bucket.UNCHANGED


def test_the_policy_never_still_starts_a_module_for_the_first_time() -> None:
    module = desired(restart=RestartPolicy.NEVER)

    assert judge(module, observed(module, ObservedState.CREATED), NOTHING, 0.0, RULES).bucket is Bucket.START


def test_a_module_restarted_too_often_is_reported_failed_and_still_tried() -> None:
    module = desired()
    failed = observed(module, ObservedState.FAILED, exited_at=1000.0)
    memory = RestartState(count=RULES.many, restarted_at=990.0)

    verdict = judge(module, failed, memory, 1100.0, RULES)

    assert runtime_status(failed, verdict, memory, RULES) is RuntimeStatus.FAILED
    assert verdict.next_attempt == 1300.0
    assert judge(module, failed, memory, 1300.0, RULES).bucket is Bucket.RESTART


def test_running_long_enough_makes_the_past_forgotten() -> None:
    running = observed(desired(), started_at=1000.0)
    memory = RestartState(count=7, restarted_at=1000.0)

    assert memory.seen(running, 1599.0, RULES).count == 7
    assert memory.seen(running, 1600.0, RULES).count == 0


def test_a_failed_step_is_tried_again_with_its_own_back_off() -> None:
    module = desired()
    memory = NOTHING.step_failed(1000.0).step_failed(1010.0)

    waiting = judge(module, None, memory, 1020.0, RULES)

    assert (waiting.bucket, waiting.next_attempt) == (Bucket.BACKING_OFF, 1030.0)
    assert waiting.why == "the last attempt to create it failed, 2 in a row"
    assert runtime_status(None, waiting, memory, RULES) is RuntimeStatus.BACKOFF
    assert judge(module, None, memory, 1030.0, RULES).bucket is Bucket.CREATE
    assert judge(module, None, memory.step_succeeded(), 1020.0, RULES).bucket is Bucket.CREATE


def test_an_unhealthy_module_is_stopped_and_started_after_its_wait() -> None:
    module = desired(restart=RestartPolicy.ON_UNHEALTHY)
    unhealthy = observed(module, ObservedState.UNHEALTHY, started_at=1000.0)

    assert judge(module, unhealthy, NOTHING, 1009.0, RULES).bucket is Bucket.BACKING_OFF
    assert judge(module, unhealthy, NOTHING, 1010.0, RULES).bucket is Bucket.RESTART


@pytest.mark.parametrize(
    ("state", "status"),
    [
        (ObservedState.CREATED, RuntimeStatus.STOPPED),
        (ObservedState.RUNNING, RuntimeStatus.RUNNING),
        (ObservedState.STOPPED, RuntimeStatus.STOPPED),
        (ObservedState.FAILED, RuntimeStatus.FAILED),
        (ObservedState.UNHEALTHY, RuntimeStatus.UNHEALTHY),
    ],
)
def test_each_state_has_its_word_in_the_report(state: ObservedState, status: RuntimeStatus) -> None:
    module = desired(status=Status.STOPPED)

    assert runtime_status(observed(module, state), None, NOTHING, RULES) is status


def test_a_module_that_is_not_there_yet_is_unknown() -> None:
    assert runtime_status(None, None, NOTHING, RULES) is RuntimeStatus.UNKNOWN


@given(st.integers(0, 100), st.floats(0, 1e9), st.floats(0, 1e9))
def test_no_wait_is_longer_than_the_longest(count: int, exited_at: float, now: float) -> None:
    module = desired()
    failed = observed(module, ObservedState.FAILED, exited_at=exited_at)

    verdict = judge(module, failed, RestartState(count=count), now, RULES)

    assert verdict.next_attempt <= max(exited_at, now) + RULES.longest
