"""The plan: from what is desired and what is observed to steps, in order, each with its reason.

It does not perform them, resolve tags, or ask the clock; `now` and the memory are handed in. Performing a plan
to its end and planning again gives an empty plan, from any point of interruption.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from hotori.model.manifest import PullPolicy, Status
from hotori.reconcile.modules import DesiredModule, ObservedModule, ObservedState
from hotori.reconcile.restart import RestartRules, RestartState
from hotori.reconcile.start_order import wait_for_health
from hotori.reconcile.steps import CreateModule, PullImage, RemoveModule, StartModule, Step, StopModule
from hotori.reconcile.verdict import Bucket, Verdict, judge


@dataclass(frozen=True, slots=True)
class Plan:
    """`verdicts` holds every module that is desired or observed; `steps` are what to do, in order."""

    verdicts: Mapping[str, Verdict] = field(default_factory=dict)
    groups: tuple[tuple[Step, ...], ...] = ()
    """The steps by ascending startup order, removals first; a group begins when the one before it ended."""

    @property
    def steps(self) -> tuple[Step, ...]:
        return tuple(step for group in self.groups for step in group)

    @property
    def to_pull(self) -> tuple[str, ...]:
        return tuple(step.module for step in self.steps if isinstance(step, PullImage))

    @property
    def to_create(self) -> tuple[str, ...]:
        return self._in(Bucket.CREATE)

    @property
    def to_replace(self) -> tuple[str, ...]:
        return self._in(Bucket.REPLACE)

    @property
    def to_start(self) -> tuple[str, ...]:
        return self._in(Bucket.START, Bucket.RESTART)

    @property
    def to_stop(self) -> tuple[str, ...]:
        return self._in(Bucket.STOP)

    @property
    def to_remove(self) -> tuple[str, ...]:
        return self._in(Bucket.REMOVE)

    @property
    def backing_off(self) -> tuple[str, ...]:
        return self._in(Bucket.BACKING_OFF)

    @property
    def unchanged(self) -> tuple[str, ...]:
        return self._in(Bucket.UNCHANGED)

    @property
    def left_alone(self) -> Mapping[str, str]:
        """Every module that no step touches, with the reason."""
        return {name: self.verdicts[name].why for name in (*self.backing_off, *self.unchanged)}

    @property
    def next_attempts(self) -> Mapping[str, float]:
        """When each module that is backing off is tried again, in Unix seconds."""
        return {name: self.verdicts[name].next_attempt for name in self.backing_off}

    def _in(self, *buckets: Bucket) -> tuple[str, ...]:
        return tuple(name for name, verdict in self.verdicts.items() if verdict.bucket in buckets)


def plan(
    desired: Mapping[str, DesiredModule],
    observed: Mapping[str, ObservedModule],
    memory: Mapping[str, RestartState],
    now: float,
    rules: RestartRules,
    *,
    pulls_first: bool = False,
) -> Plan:
    """Decide for every module and put the steps in order (contract 3.2).

    With `pulls_first` no module is made while the image of another is being waited for. Beyond the contract, a
    startup group waits for the health checks of the groups before it.
    """
    nothing = RestartState()
    verdicts = {
        name: judge(desired.get(name), observed.get(name), memory.get(name, nothing), now, rules)
        for name in sorted(desired.keys() | observed.keys())
    }
    if pulls_first:
        verdicts |= _held(verdicts, desired, observed)
    groups: dict[int, list[Step]] = {}
    for name, verdict in sorted(verdicts.items(), key=lambda item: _RANK[item[1].bucket]):
        order = desired[name].startup_order if name in desired else _BEFORE_ALL
        steps = tuple(_steps(verdict, desired.get(name), observed.get(name)))
        if steps:
            groups.setdefault(order, []).extend(steps)
    return Plan(verdicts, wait_for_health(groups, desired, observed, now, rules.healthy))


def _held(
    verdicts: Mapping[str, Verdict], desired: Mapping[str, DesiredModule], observed: Mapping[str, ObservedModule]
) -> dict[str, Verdict]:
    """Those that must wait since another module, that is still to be made, is backing off."""
    nobody = ObservedModule("", ObservedState.CREATED, "")
    awaited = {
        name: verdict.next_attempt
        for name, verdict in verdicts.items()
        if verdict.bucket is Bucket.BACKING_OFF
        and name in desired
        and observed.get(name, nobody).fingerprint != desired[name].fingerprint
    }
    if not awaited:
        return {}
    why = f"all images are fetched before any module is made, and {', '.join(sorted(awaited))} could not be made"
    wait = Verdict(Bucket.BACKING_OFF, why, min(awaited.values()))
    return {name: wait for name, verdict in verdicts.items() if verdict.bucket in (Bucket.CREATE, Bucket.REPLACE)}


_BEFORE_ALL = -1
_RANK = {
    bucket: rank
    for rank, bucket in enumerate(
        (
            Bucket.STOP,
            Bucket.REMOVE,
            Bucket.CREATE,
            Bucket.REPLACE,
            Bucket.START,
            Bucket.RESTART,
            Bucket.BACKING_OFF,
            Bucket.UNCHANGED,
        )
    )
}


def _steps(verdict: Verdict, desired: DesiredModule | None, observed: ObservedModule | None) -> Iterator[Step]:
    why, bucket = verdict.why, verdict.bucket
    if bucket is Bucket.REMOVE and observed:
        yield from _taking_away(observed, why)
    if desired is None:
        return
    if bucket in (Bucket.CREATE, Bucket.REPLACE):
        yield from _putting_in_place(desired, observed, why)
    elif bucket is Bucket.STOP:
        yield StopModule(desired.name, why)
    elif bucket is Bucket.START:
        yield StartModule(desired.name, why)
    elif bucket is Bucket.RESTART:
        yield from _restarting(desired, observed, why)


def _putting_in_place(desired: DesiredModule, observed: ObservedModule | None, why: str) -> Iterator[Step]:
    if desired.pull_policy is PullPolicy.ON_CREATE:
        yield PullImage(desired.name, desired.image, why)
    if observed:
        yield from _taking_away(observed, why)
    yield CreateModule(desired.name, desired.fingerprint, why)
    if desired.status is Status.RUNNING:
        yield StartModule(desired.name, why)


def _taking_away(observed: ObservedModule, why: str) -> Iterator[Step]:
    if observed.state.alive:
        yield StopModule(observed.name, why)
    yield RemoveModule(observed.name, why)


def _restarting(desired: DesiredModule, observed: ObservedModule | None, why: str) -> Iterator[Step]:
    if observed and observed.state.alive:
        yield StopModule(desired.name, why)
    yield StartModule(desired.name, why, restart=True)
