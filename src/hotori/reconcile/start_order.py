"""Startup groups wait for one another's health: where a step must wait, and for which modules."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from hotori.model.manifest import Status
from hotori.reconcile.modules import DesiredModule, ObservedModule, ObservedState
from hotori.reconcile.steps import AwaitHealth, PullImage, StartModule, Step

_UNPROVEN = (ObservedState.STARTING, ObservedState.UNHEALTHY)


def wait_for_health(
    groups: Mapping[int, Sequence[Step]],
    desired: Mapping[str, DesiredModule],
    observed: Mapping[str, ObservedModule],
    now: float,
    within: float,
) -> tuple[tuple[Step, ...], ...]:
    """The groups by ascending order, with waits before what starts in them.

    Waited for is whatever an earlier group starts in the same plan, since its health is not known yet, and whatever
    of an earlier order was started less than `within` seconds ago and has not passed its check.
    """
    orders = {
        name: desired[name].startup_order
        for name, seen in observed.items()
        if name in desired and _is_unproven(seen, now, within) and desired[name].status is Status.RUNNING
    }
    ordered = []
    for order in sorted(groups):
        earlier = sorted(name for name, at in orders.items() if at < order)
        steps = groups[order]
        ordered.append(tuple(_waiting(steps, tuple(earlier), within)) if earlier else tuple(steps))
        orders |= dict.fromkeys(_started(steps), order)
    return tuple(ordered)


def _is_unproven(seen: ObservedModule, now: float, within: float) -> bool:
    """Whether its health is still to be waited for. Where the clock was set back nobody waits."""
    return seen.state in _UNPROVEN and 0 <= now - seen.started_at < within


def _waiting(steps: Sequence[Step], of: tuple[str, ...], within: float) -> Iterator[Step]:
    """Images are fetched meanwhile."""
    to_wait = _started(steps)
    why = f"{', '.join(of)} of an earlier startup order must be healthy first, for {within:g} s at most"
    for step in steps:
        if step.module in to_wait and not isinstance(step, PullImage):
            to_wait.discard(step.module)
            yield AwaitHealth(step.module, of, within, why)
        yield step


def _started(steps: Sequence[Step]) -> set[str]:
    return {step.module for step in steps if isinstance(step, StartModule)}
