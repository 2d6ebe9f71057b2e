"""How much the queues may take on disk, and what goes when they have."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from hotori.hub.queue import Queue
from hotori.model.manifest import HubConfig, WhenFull

CAPACITY_BYTES = 4 * 1024**3
LEAST_CAPACITY = 64 * 1024**2
"""A log gives back files of sixteen megabytes: with less than a few of them it could not work."""


@dataclass(frozen=True, slots=True)
class StoreLimits:
    """`capacity` in bytes on disk, and the routes whose oldest messages go when it is reached.

    Where none may go, senders wait.
    """

    capacity: int = CAPACITY_BYTES
    droppable: frozenset[str] = frozenset()

    @classmethod
    def of(cls, config: HubConfig) -> StoreLimits:
        """What a configuration says (contract 3.3)."""
        capacity = max(config.most_bytes, LEAST_CAPACITY) if config.most_bytes else CAPACITY_BYTES
        routes = (spec.name for spec in config.routes.values() if spec.when_full is WhenFull.DROP_OLDEST)
        return cls(capacity, frozenset(routes))


def drop_oldest(queues: Iterable[Queue], routes: frozenset[str], count: int) -> int:
    """Drop up to `count` messages of these routes, the lowest priority first, then the oldest; how many."""
    lanes = [lane for queue in queues for lane in queue.lanes if lane.route in routes and lane.first() is not None]
    dropped = 0
    for priority in sorted({lane.priority for lane in lanes}, reverse=True):
        alike = [lane for lane in lanes if lane.priority == priority]
        while dropped < count and (ready := [lane for lane in alike if lane.first() is not None]):
            ready.sort(key=lambda lane: lane.first() or 0)
            until = ready[1].first() if len(ready) > 1 else None
            dropped += ready[0].drop_oldest(count - dropped, until)
    return dropped
