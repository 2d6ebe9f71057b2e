"""The accounts that a hub keeps of its messages; they add up at every moment, and across crashes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Counters:
    """Messages since the accounts began: accepted = delivered + expired + dropped + pending.

    `lost` is the part of `dropped` that the disk has lost.
    """

    accepted: int = 0
    delivered: int = 0
    expired: int = 0
    dropped: int = 0
    pending: int = 0
    lost: int = 0

    def __add__(self, other: Counters) -> Counters:
        return Counters(
            self.accepted + other.accepted,
            self.delivered + other.delivered,
            self.expired + other.expired,
            self.dropped + other.dropped,
            self.pending + other.pending,
            self.lost + other.lost,
        )


@dataclass(frozen=True, slots=True)
class Account:
    """What one route brought to one endpoint.

    A message that several routes bring to an endpoint is one copy, and stands in the account of the route that
    decided (contract 5.3). `route` is empty for what no route brings: messages from the cloud to a device. A
    route that is no more keeps its account under its name.
    """

    endpoint: str
    route: str
    priority: int
    counters: Counters
