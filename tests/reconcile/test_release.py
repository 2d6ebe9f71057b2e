"""Which version of the edge program runs: from any interruption the device comes up with one that works."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotori.reconcile.release import (
    INSTALLED,
    FailedTrial,
    Fetch,
    Link,
    Outcome,
    Releases,
    Rest,
    Switch,
    TrialRules,
    Wanted,
    confirmed,
    is_healthy,
    next_start,
    next_step,
    on_trial,
    stopped,
    trial_failed,
)

RULES = TrialRules()
A, B, C = ("sha256:" + letter * 64 for letter in "abc")
NOW = 1_900_000_000.0
versions = st.sampled_from([INSTALLED, A, B, C])
states = st.builds(
    Releases,
    current=versions,
    previous=versions,
    candidate=st.none() | st.sampled_from([A, B, C]),
    attempts=st.integers(0, 5),
)


def test_the_version_on_trial_is_started_and_each_start_is_counted_before_it() -> None:
    state = on_trial(Releases(current=A), B, "asked")
    version, state = next_start(state, {A, B}, RULES, NOW)
    assert (version, state.attempts) == (B, 1)
    version, state = next_start(state, {A, B}, RULES, NOW)
    assert (version, state.attempts) == (B, 2)


def test_after_its_attempts_the_one_before_runs_again_and_the_reason_is_kept() -> None:
    state = replace(on_trial(Releases(A, INSTALLED), B, "asked"), attempts=RULES.attempts)
    version, state = next_start(state, {A, B}, RULES, NOW, "exit status 1")
    assert version == A
    assert state == Releases(A, INSTALLED, failed=FailedTrial(B, "asked", Outcome.ENDED, "exit status 1", NOW))


def test_a_confirmed_version_is_the_current_one_and_the_one_before_stays_at_hand() -> None:
    state = confirmed(on_trial(Releases(A, INSTALLED), B, "asked"))
    assert state == Releases(B, A)
    assert state.needed == {A, B}


def test_a_version_whose_files_are_gone_is_not_started() -> None:
    assert next_start(on_trial(Releases(A), B, "asked"), {A}, RULES, NOW)[0] == A
    assert next_start(Releases(B, A), {A}, RULES, NOW) == (A, Releases(A, A))
    assert next_start(Releases(B, A), set(), RULES, NOW) == (INSTALLED, Releases(INSTALLED, A))


def test_who_ends_the_program_on_trial_costs_it_no_attempt() -> None:
    state = on_trial(Releases(A), B, "asked")
    assert stopped(next_start(state, {A, B}, RULES, NOW)[1]) == state


@given(states, st.sets(st.sampled_from([A, B, C])), st.data())
def test_whatever_happens_a_version_that_works_runs_within_so_many_starts(
    state: Releases, present: set[str], data: st.DataObject
) -> None:
    """A power cut is a start without an ending; every ending is one of: it dies, it stays silent, somebody stops it."""
    good = {INSTALLED, state.current, state.previous}  # what was confirmed works
    starts = 0
    while True:
        before = state
        version, state = next_start(state, present, RULES, NOW)
        starts += 1
        assert version == INSTALLED or version in present
        if version in good and state.candidate is None:
            break
        assert version == before.candidate
        assert starts <= RULES.attempts
        if data.draw(st.booleans()):
            state = trial_failed(state, Outcome.SILENT, NOW)
    assert next_start(state, present, RULES, NOW) == (version, state), "it stays so"
    assert version in state.needed | {INSTALLED}


@given(states, st.sets(st.sampled_from([A, B, C])))
def test_the_files_of_what_may_be_started_are_never_among_those_to_remove(state: Releases, present: set[str]) -> None:
    version, after = next_start(state, present, RULES, NOW)
    assert {version} - {INSTALLED} <= after.needed
    assert after.needed <= state.needed


@pytest.mark.parametrize(
    ("link", "looked", "seconds", "healthy"),
    [
        (Link.CONNECTED, True, 1, True),
        (Link.CONNECTED, False, 200, False),
        (Link.UNREACHABLE, True, 1, False),
        (Link.UNREACHABLE, True, 60, True),
        (Link.UNREACHABLE, False, 60, False),
        (Link.REFUSED, True, 299, False),
    ],
)
def test_health_is_a_connection_or_where_nobody_answers_an_agent_that_works(
    link: Link, looked: bool, seconds: float, healthy: bool
) -> None:
    assert is_healthy(link, looked, seconds, RULES) is healthy


def test_what_is_wanted_is_fetched_then_switched_to() -> None:
    wanted = Wanted(B, "asked")
    assert next_step(wanted, A, Releases(A), False, 0.0, NOW) == Fetch(B)
    assert next_step(wanted, A, Releases(A), False, NOW + 9, NOW) == Rest(NOW + 9)
    assert next_step(wanted, A, Releases(A), True, 0.0, NOW) == Switch(on_trial(Releases(A), B, "asked"))


def test_nothing_is_done_for_the_version_that_runs_nor_during_a_trial_nor_where_nothing_is_named() -> None:
    assert next_step(Wanted(A, "asked"), A, Releases(A), True, 0.0, NOW) == Rest()
    assert next_step(Wanted(C, "asked"), B, on_trial(Releases(A), B, "x"), False, 0.0, NOW) == Rest()
    assert next_step(None, A, Releases(A), False, 0.0, NOW) == Rest()


def test_a_version_that_failed_is_tried_again_only_when_it_is_asked_for_anew() -> None:
    state = trial_failed(on_trial(Releases(A), B, "asked"), Outcome.SILENT, NOW)
    assert next_step(Wanted(B, "asked"), A, state, True, 0.0, NOW) == Rest()
    assert isinstance(next_step(Wanted(B, "asked again"), A, state, True, 0.0, NOW), Switch)
    assert next_step(Wanted(C, "asked"), A, state, False, 0.0, NOW) == Fetch(C)


def test_a_version_once_confirmed_can_be_gone_back_to_by_asking() -> None:
    assert isinstance(next_step(Wanted(A, "asked"), B, Releases(B, A), True, 0.0, NOW), Switch)
