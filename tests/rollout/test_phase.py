"""Rollouts in waves, with a gate on health: values in, values out."""

from hypothesis import given
from hypothesis import strategies as st

from hotori.model.configuration import OnFailure, Strategy, Wave
from hotori.rollout.health import Health, Reading
from hotori.rollout.phase import Phase, Progress, advance, next_look, resumed

FLEET = [f"edge-{number}" for number in range(10)]
CAREFUL = Strategy(waves=(Wave(devices=1), Wave(percent=50, pause=100), Wave(percent=100)), healthy=60, failing=30)


def seen(progress: Progress, readings: dict[str, Reading], now: float, connected: bool = True) -> Progress:
    devices = {
        name: each.seen(readings.get(name, Reading(Health.HEALTHY)), connected, now)
        for name, each in progress.devices.items()
    }
    return Progress(progress.phase, progress.wave, progress.wave_good_at, devices, progress.reason)


def test_the_first_wave_is_as_large_as_it_was_asked_for() -> None:
    progress = advance(Progress(), CAREFUL, FLEET, 0.0)
    assert list(progress.devices) == ["edge-0"]


def test_the_next_wave_waits_until_the_one_before_was_good_for_the_stated_time() -> None:
    progress = seen(advance(Progress(), CAREFUL, FLEET, 0.0), {}, 0.0)
    assert next_look(progress, CAREFUL, 0.0) == 60.0
    assert len(advance(progress, CAREFUL, FLEET, 59.0).devices) == 1
    assert len(advance(progress, CAREFUL, FLEET, 60.0).devices) == 5


def test_the_pause_after_a_wave_is_kept() -> None:
    progress = seen(advance(Progress(), CAREFUL, FLEET, 0.0), {}, 0.0)
    progress = seen(advance(progress, CAREFUL, FLEET, 60.0), {}, 60.0)
    progress = advance(progress, CAREFUL, FLEET, 120.0)
    assert (len(progress.devices), next_look(progress, CAREFUL, 120.0)) == (5, 220.0)
    assert len(advance(progress, CAREFUL, FLEET, 219.0).devices) == 5
    assert len(advance(progress, CAREFUL, FLEET, 220.0).devices) == 10


def test_a_device_that_keeps_failing_rolls_everything_back_with_its_reason() -> None:
    bad = {"edge-0": Reading(Health.FAILING, "camera is backoff")}
    progress = seen(advance(Progress(), CAREFUL, FLEET, 0.0), bad, 5.0)
    assert advance(progress, CAREFUL, FLEET, 34.0).phase is Phase.ROLLING
    progress = advance(progress, CAREFUL, FLEET, 35.0)
    assert (progress.phase, progress.reason) == (Phase.ROLLED_BACK, "edge-0: camera is backoff")
    assert not progress.admits("edge-0")


def test_a_failure_can_pause_instead_and_somebody_lets_it_go_on() -> None:
    strategy = Strategy(waves=(Wave(devices=1), Wave(percent=100)), failing=0, on_failure=OnFailure.PAUSE)
    bad = {"edge-0": Reading(Health.FAILING, "no")}
    progress = advance(seen(advance(Progress(), strategy, FLEET, 0.0), bad, 1.0), strategy, FLEET, 1.0)
    assert (progress.phase, progress.admits("edge-0")) == (Phase.PAUSED, True)
    assert advance(progress, strategy, FLEET, 9999.0) == progress
    assert resumed(progress, 10000.0).phase is Phase.ROLLING


def test_a_connected_device_that_is_never_good_fails_at_the_deadline() -> None:
    slow = {"edge-0": Reading(Health.APPLYING, "camera is not reported")}
    progress = seen(advance(Progress(), CAREFUL, FLEET, 0.0), slow, 1.0)
    assert advance(progress, CAREFUL, FLEET, 899.0).phase is Phase.ROLLING
    assert advance(progress, CAREFUL, FLEET, 900.0).phase is Phase.ROLLED_BACK


def test_devices_that_are_away_hold_nobody_up_and_nothing_goes_on_without_one_that_is_there() -> None:
    strategy = Strategy(waves=(Wave(devices=2), Wave(percent=100)), healthy=0)
    begun = advance(Progress(), strategy, FLEET, 0.0)
    away = seen(begun, {name: Reading(Health.WAITING) for name in FLEET}, 1.0, connected=False)
    assert len(advance(away, strategy, FLEET, 5000.0).devices) == 2
    one = away.devices["edge-0"].seen(Reading(Health.HEALTHY), connected=True, now=2.0)
    mixed = Progress(devices={**away.devices, "edge-0": one})
    assert len(advance(mixed, strategy, FLEET, 5000.0).devices) == 10


def test_a_device_that_the_condition_matches_no_longer_leaves_the_rollout() -> None:
    progress = seen(advance(Progress(), CAREFUL, FLEET, 0.0), {}, 0.0)
    assert list(advance(progress, CAREFUL, FLEET[1:], 1.0).devices) == ["edge-1"]


def test_a_complete_rollout_takes_in_new_devices_and_is_not_undone() -> None:
    strategy = Strategy(healthy=0)
    progress = advance(seen(advance(Progress(), strategy, FLEET, 0.0), {}, 1.0), strategy, FLEET, 1.0)
    assert progress.phase is Phase.COMPLETE
    late = advance(seen(progress, {"edge-3": Reading(Health.FAILING, "later")}, 2.0), strategy, [*FLEET, "new"], 9999.0)
    assert (late.phase, late.admits("new")) == (Phase.COMPLETE, True)


waves = st.lists(
    st.one_of(
        st.integers(1, 12).map(lambda count: Wave(devices=count)),
        st.integers(1, 99).map(lambda share: Wave(percent=float(share))),
    ),
    max_size=3,
).map(lambda some: (*some, Wave(percent=100.0)))
looks = st.lists(
    st.tuples(
        st.floats(0.1, 400.0),
        st.dictionaries(st.sampled_from(FLEET), st.sampled_from([Health.FAILING, Health.APPLYING, Health.WAITING])),
    ),
    max_size=30,
)


@given(waves, st.integers(0, 2), looks)
def test_no_more_devices_have_it_than_the_waves_allow_and_a_rollback_is_final(
    given_waves: tuple[Wave, ...], failures: int, given_looks: list[tuple[float, dict[str, Health]]]
) -> None:
    strategy = Strategy(waves=given_waves, failures=failures)
    progress, now = advance(Progress(), strategy, FLEET, 0.0), 0.0
    for passed, healths in given_looks:
        before, now = progress, now + passed
        progress = seen(progress, {name: Reading(health) for name, health in healths.items()}, now)
        failed = sum(each.failed(strategy, now) for each in progress.devices.values())
        progress = advance(progress, strategy, FLEET, now)
        assert progress.wave - before.wave in (0, 1)
        if before.phase is Phase.ROLLING:
            assert (progress.phase is Phase.ROLLED_BACK) == (failed > failures)
        if before.phase is Phase.ROLLED_BACK:
            assert progress.phase is Phase.ROLLED_BACK
        allowed = max(len(before.devices), _most(given_waves[min(progress.wave, len(given_waves) - 1)]))
        assert len(progress.devices) <= allowed


def _most(wave: Wave) -> int:
    return min(10, wave.devices) if wave.devices is not None else -(-int((wave.percent or 0) * 10) // 100)


@given(waves)
def test_a_rollout_in_which_everything_is_healthy_completes(given_waves: tuple[Wave, ...]) -> None:
    strategy = Strategy(waves=given_waves)
    progress, now = advance(Progress(), strategy, FLEET, 0.0), 0.0
    for _ in range(2 * len(given_waves)):
        progress = seen(progress, {}, now)
        now = next_look(progress, strategy, now) or now
        progress = advance(progress, strategy, FLEET, now)
    assert progress.phase is Phase.COMPLETE
