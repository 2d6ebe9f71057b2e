"""Which version of the edge program runs: the confirmed one, one on trial, or the one before.

A core with two users. The launcher asks before each start of the program, and tells what became of it; the running
program asks what to do about the version that the deployment names. What they know of each other stands in one
`Releases` value, which is on disk before it takes effect, so that a power cut at any moment leaves one of its states.

It will not look at a clock, a disk or the network, and never starts anything.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TypeAlias

INSTALLED = ""
"""The version that was installed with the launcher: it is always there, and never removed."""


@dataclass(frozen=True, slots=True)
class TrialRules:
    """A version on trial must be healthy within `healthy_within` seconds of a start, and is started `attempts` times
    at most before it is: what brings the whole machine down is not tried for ever. Without anything to reach the hub
    by, it counts as healthy after `offline_after` seconds in which its agent worked."""

    healthy_within: float = 300.0
    attempts: int = 3
    offline_after: float = 60.0


class Outcome(StrEnum):
    """Why a trial failed."""

    ENDED = "ended"
    """The program ended, each time it was started."""
    SILENT = "silent"
    """It ran, and was not healthy in time."""
    MISSING = "missing"
    """Its files are not there."""


@dataclass(frozen=True, slots=True)
class FailedTrial:
    """`request` is what asked for the version; `detail` is evidence: an exit status, last lines. Unix seconds."""

    version: str
    request: str
    outcome: Outcome
    detail: str = ""
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class Releases:
    """Versions are digests, or `INSTALLED`. `current` was confirmed last, `previous` before it.

    `candidate` is on trial, started `attempts` times so far; `request` is what asked for it. `failed` is the trial that
    failed last, until another version is confirmed.
    """

    current: str = INSTALLED
    previous: str = INSTALLED
    candidate: str | None = None
    request: str = ""
    attempts: int = 0
    failed: FailedTrial | None = None

    @property
    def needed(self) -> frozenset[str]:
        """The versions whose files must stay."""
        return frozenset({self.current, self.previous, self.candidate or INSTALLED} - {INSTALLED})


def next_start(
    state: Releases, present: Collection[str], rules: TrialRules, now: float, detail: str = ""
) -> tuple[str, Releases]:
    """Which version to start, and the state to be on disk before it is started.

    `present` are the versions whose files are whole; `detail` is how the last attempt ended.
    """
    if state.candidate is not None and state.candidate not in present:
        state = trial_failed(state, Outcome.MISSING, now)
    if state.candidate is not None and state.attempts >= rules.attempts:
        state = trial_failed(state, Outcome.ENDED, now, detail)
    if state.candidate is not None:
        return state.candidate, replace(state, attempts=state.attempts + 1)
    for version in (state.current, state.previous):
        if version == INSTALLED or version in present:
            return version, replace(state, current=version)
    return INSTALLED, replace(state, current=INSTALLED)


def on_trial(state: Releases, version: str, request: str) -> Releases:
    """The version is tried from the next start on; what failed before is no longer held against anything."""
    return replace(state, candidate=version, request=request, attempts=0, failed=None)


def confirmed(state: Releases) -> Releases:
    """The candidate is healthy: it is the one to start from now on."""
    if state.candidate is None:
        return state
    return Releases(current=state.candidate, previous=state.current)


def trial_failed(state: Releases, outcome: Outcome, now: float, detail: str = "") -> Releases:
    """The candidate is let go; what was confirmed is started again."""
    if state.candidate is None:
        return state
    failed = FailedTrial(state.candidate, state.request, outcome, detail, now)
    return Releases(current=state.current, previous=state.previous, failed=failed)


def stopped(state: Releases) -> Releases:
    """Somebody ended the program on trial: that attempt does not count."""
    return replace(state, attempts=max(0, state.attempts - 1))


class Link(StrEnum):
    """How the program stands to the hub above."""

    CONNECTED = "connected"
    UNREACHABLE = "unreachable"
    """Nobody answers: the network's fault, or the hub's."""
    REFUSED = "refused"
    """Somebody answers, and there is no connection: it may be the program's fault."""


def is_healthy(link: Link, looked: bool, seconds: float, rules: TrialRules) -> bool:
    """Whether a version that runs for so many seconds is good; `looked` is whether its agent has looked at its modules.

    Who could be reached, but not by this version, is no reason to keep it: it could never be replaced from afar.
    """
    if not looked:
        return False
    return link is Link.CONNECTED or (link is Link.UNREACHABLE and seconds >= rules.offline_after)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the deployment names: a digest, and the whole request, which is another when it is asked for again."""

    version: str
    request: str


@dataclass(frozen=True, slots=True)
class Fetch:
    """Bring it here and look at it."""

    version: str


@dataclass(frozen=True, slots=True)
class Switch:
    """Put this state on disk, and start again."""

    state: Releases


@dataclass(frozen=True, slots=True)
class Rest:
    """Nothing is to be done before `until` (Unix seconds), where that is known."""

    until: float | None = None


Step: TypeAlias = Fetch | Switch | Rest


def next_step(wanted: Wanted | None, running: str, state: Releases, here: bool, retry_at: float, now: float) -> Step:
    """What the running program is to do. `here` is whether the version that is wanted was fetched and found good,
    `retry_at` when a fetch that failed may be tried again."""
    if wanted is None or wanted.version == running or state.candidate is not None:
        return Rest()
    if state.failed and (state.failed.version, state.failed.request) == (wanted.version, wanted.request):
        return Rest()
    if here:
        return Switch(on_trial(state, wanted.version, wanted.request))
    return Fetch(wanted.version) if now >= retry_at else Rest(retry_at)
