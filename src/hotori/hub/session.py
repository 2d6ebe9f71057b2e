"""What a hub remembers of one client between its connections: subscriptions, and ids of packets not acknowledged.

Clients do not subscribe again when they reconnect (contract 1.4), so subscriptions outlive the connection and
the hub's own restart.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Container, Mapping, Sequence
from dataclasses import dataclass, field

from hotori.model.identity import Identity
from hotori.mqtt.packets import MAX_PACKET_ID, SUBSCRIPTION_FAILED

MOST_SUBSCRIPTIONS = 64
NOT_ALLOWED, FULL = SUBSCRIPTION_FAILED, 0x97
"""Outcomes of a subscription beside the QoS that was granted."""


@dataclass(slots=True, eq=False)
class Session:
    """One identity's. `subscriptions` are granted QoS (0 or 1) by topic filter, `identifiers` the numbers that a
    client of MQTT 5 gave some of them. The session ends `expiry` seconds after its connection: at once (0), never
    (infinite), or then.

    `packet_ids` are those of deliveries that were not acknowledged and are not on their way now, by endpoint and
    offset in the log: they are sent again under the same id [MQTT-4.4.0-1]. `received` are ids of the client's
    messages of QoS 2 which it did not let go yet.
    """

    identity: Identity
    expiry: float = math.inf
    subscriptions: Mapping[str, int] = field(default_factory=dict)
    identifiers: Mapping[str, int] = field(default_factory=dict)
    packet_ids: dict[tuple[str, int], int] = field(default_factory=dict)
    received: set[int] = field(default_factory=set)
    ends_at: float | None = None
    _last_id: int = 0

    def subscribed(
        self, filters: Collection[tuple[str, int]], allowed: Callable[[str], bool]
    ) -> tuple[dict[str, int], tuple[int, ...]]:
        """The subscriptions with these added, and for each the QoS granted, NOT_ALLOWED or FULL.

        QoS 2 is granted as 1 (contract 1.4).
        """
        subscriptions, outcomes = dict(self.subscriptions), []
        for topic_filter, qos in filters:
            if not allowed(topic_filter):
                outcomes.append(NOT_ALLOWED)
            elif len(subscriptions) >= MOST_SUBSCRIPTIONS and topic_filter not in subscriptions:
                outcomes.append(FULL)
            else:
                subscriptions[topic_filter] = min(qos, 1)
                outcomes.append(min(qos, 1))
        return subscriptions, tuple(outcomes)

    def unsubscribed(self, filters: Collection[str]) -> dict[str, int]:
        """The subscriptions without these."""
        return {known: qos for known, qos in self.subscriptions.items() if known not in filters}

    def ids_for(self, endpoint: str, offsets: Sequence[int], out: Mapping[int, object]) -> Sequence[int]:
        """The ids for deliveries: those they had before, or ones that are not in use. `out` are those on their way.

        There are fewer deliveries than ids.
        """
        if not self.packet_ids:
            return self._new_ids(len(offsets), out)
        taken, ids = {*out, *self.packet_ids.values()}, []
        for offset in offsets:
            known = self.packet_ids.pop((endpoint, offset), None)
            ids.append(self._new_id(taken) if known is None else known)
            taken.add(ids[-1])
        return ids

    def _new_ids(self, count: int, taken: Mapping[int, object]) -> Sequence[int]:
        ids = range(self._last_id + 1, self._last_id + 1 + count)
        if ids.stop > MAX_PACKET_ID or not taken.keys().isdisjoint(ids):
            return [self._new_id(taken) for _ in ids]
        self._last_id = ids.stop - 1
        return ids

    def _new_id(self, taken: Container[int]) -> int:
        packet_id = self._last_id % MAX_PACKET_ID + 1
        while packet_id in taken:
            packet_id = packet_id % MAX_PACKET_ID + 1
        self._last_id = packet_id
        return packet_id
