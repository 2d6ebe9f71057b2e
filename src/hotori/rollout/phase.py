"""How a rollout goes on: which devices come next, and when it is over. A core; the shell reads and writes twins."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from hotori.model.configuration import OnFailure, Strategy, Wave
from hotori.rollout.health import Health, Reading


class Phase(StrEnum):
    ROLLING = "rolling"
    PAUSED = "paused"
    COMPLETE = "complete"
    ROLLED_BACK = "rolled-back"


@dataclass(frozen=True, slots=True)
class Standing:
    """One device that has the content: since when, how it does and since when that (Unix seconds)."""

    admitted_at: float
    health: Health = Health.WAITING
    since: float = 0.0
    reason: str = ""
    connected: bool = False

    def seen(self, reading: Reading, connected: bool, now: float) -> Standing:
        """The standing after a look at the device; `since` stays where the health did."""
        since = self.since if reading.health is self.health and self.since else now
        return replace(self, health=reading.health, since=since, reason=reading.reason, connected=connected)

    def good(self, strategy: Strategy, now: float) -> bool:
        return self.health is Health.HEALTHY and now - self.since >= strategy.healthy

    def failed(self, strategy: Strategy, now: float) -> bool:
        if self.health is Health.FAILING and now - self.since >= strategy.failing:
            return True
        late = self.connected and now - self.admitted_at >= strategy.deadline
        return late and self.health is not Health.HEALTHY


@dataclass(frozen=True, slots=True)
class Progress:
    """A rollout as it stands. `wave` counts from 0; `wave_good_at` is when its devices were all good, 0.0 before."""

    phase: Phase = Phase.ROLLING
    wave: int = 0
    wave_good_at: float = 0.0
    devices: Mapping[str, Standing] = field(default_factory=dict)
    reason: str = ""
    """Why it is paused or rolled back, in the words of the devices."""

    def admits(self, device: str) -> bool:
        """Whether the device should have the content now."""
        return self.phase is not Phase.ROLLED_BACK and device in self.devices


def advance(progress: Progress, strategy: Strategy, targeted: Sequence[str], now: float) -> Progress:
    """The rollout after a look at its devices: goes on by at most one wave.

    `targeted` are the devices that the condition matches now, in the order in which they take their turns.
    """
    wanted = set(targeted)
    kept = {device: standing for device, standing in progress.devices.items() if device in wanted}
    progress = replace(progress, devices=kept)
    if progress.phase in (Phase.PAUSED, Phase.ROLLED_BACK):
        return progress
    if progress.phase is Phase.COMPLETE:
        return _filled(progress, strategy, targeted, now)
    if verdict := _verdict(progress, strategy, now):
        phase = Phase.ROLLED_BACK if strategy.on_failure is OnFailure.ROLL_BACK else Phase.PAUSED
        return replace(progress, phase=phase, reason=verdict)
    return _onward(_filled(progress, strategy, targeted, now), strategy, targeted, now)


def next_look(progress: Progress, strategy: Strategy, now: float) -> float | None:
    """When time alone may change what was judged at `now` (Unix seconds); None where only a device's news can."""
    if progress.phase is not Phase.ROLLING:
        return None
    due = [time for standing in progress.devices.values() for time in _dues(standing, strategy) if time > now]
    if progress.wave_good_at:
        due.append(progress.wave_good_at + _wave(strategy, progress.wave).pause)
    return min(due, default=None)


def resumed(progress: Progress, now: float) -> Progress:
    """A paused rollout that somebody lets go on: the devices that failed get a new chance."""
    devices = {
        name: Standing(now, each.health, now, each.reason, each.connected) for name, each in progress.devices.items()
    }
    return replace(progress, phase=Phase.ROLLING, reason="", devices=devices)


def _dues(standing: Standing, strategy: Strategy) -> tuple[float, ...]:
    if standing.health is Health.HEALTHY:
        return (standing.since + strategy.healthy,)
    late = standing.admitted_at + strategy.deadline
    return (standing.since + strategy.failing, late) if standing.health is Health.FAILING else (late,)


def _verdict(progress: Progress, strategy: Strategy, now: float) -> str | None:
    """Why the rollout cannot go on; None where it can."""
    failed = {name: each for name, each in progress.devices.items() if each.failed(strategy, now)}
    if len(failed) <= strategy.failures:
        return None
    return "; ".join(f"{name}: {each.reason or each.health}" for name, each in sorted(failed.items()))


def _filled(progress: Progress, strategy: Strategy, targeted: Sequence[str], now: float) -> Progress:
    """Admit up to the size of the wave that is out."""
    room = _size(_wave(strategy, progress.wave), len(targeted)) - len(progress.devices)
    fresh = [device for device in targeted if device not in progress.devices][: max(0, room)]
    return replace(progress, devices={**progress.devices, **{device: Standing(now) for device in fresh}})


def _onward(progress: Progress, strategy: Strategy, targeted: Sequence[str], now: float) -> Progress:
    """Open the next wave when everybody who is there is good, and the pause is over."""
    if not _wave_good(progress, strategy, now):
        return replace(progress, wave_good_at=0.0)
    good_at = progress.wave_good_at or now
    if now - good_at < _wave(strategy, progress.wave).pause:
        return replace(progress, wave_good_at=good_at)
    if progress.wave + 1 >= len(strategy.waves):
        return replace(progress, phase=Phase.COMPLETE, wave_good_at=good_at)
    return _filled(replace(progress, wave=progress.wave + 1, wave_good_at=0.0), strategy, targeted, now)


def _wave_good(progress: Progress, strategy: Strategy, now: float) -> bool:
    """Whether every connected device is good, and at least one is."""
    there = [each for each in progress.devices.values() if each.connected]
    return bool(there) and all(each.good(strategy, now) or each.failed(strategy, now) for each in there)


def _wave(strategy: Strategy, index: int) -> Wave:
    return strategy.waves[min(index, len(strategy.waves) - 1)]


def _size(wave: Wave, targeted: int) -> int:
    if wave.devices is not None:
        return min(wave.devices, targeted)
    return math.ceil((wave.percent or 100.0) * targeted / 100.0)
