"""What a hub remembers of one client between its connections: subscriptions, and ids of packets not acknowledged.

Clients do not subscribe again when they reconnect (contract 1.4), so subscriptions outlive the connection and
the hub's own restart.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from hotori.model.identity import Identity
from hotori.mqtt.packets import MAX_PACKET_ID, SUBSCRIPTION_FAILED
from hotori.mqtt.topics import (
    DESIRED_CHANGES,
    METHOD_CALLS,
    TWIN_RESPONSES,
    device_bound_filter,
    inputs_filter,
    matches,
    module_filter,
)

_LONGEST_FILTER = 1024
_MOST_SUBSCRIPTIONS = 64


def may_subscribe(identity: Identity, topic_filter: str) -> bool:
    """Whether the contract (1.5) has anything for this identity under the filter."""
    if topic_filter in (TWIN_RESPONSES, DESIRED_CHANGES, METHOD_CALLS):
        return True
    if identity.module is None:
        return topic_filter == device_bound_filter(identity.device)
    inputs = inputs_filter(identity)
    return topic_filter in (inputs, module_filter(identity)) or (
        topic_filter.startswith(inputs[:-1]) and len(topic_filter) < _LONGEST_FILTER
    )


@dataclass(slots=True, eq=False)
class Session:
    """One identity's. `subscriptions` are granted QoS (0 or 1) by topic filter; `clean` ends with the connection.

    `packet_ids` are those of deliveries that were not acknowledged, by endpoint and number in its queue: after a
    reconnect they are sent again under the same id [MQTT-4.4.0-1].
    """

    identity: Identity
    clean: bool = False
    subscriptions: Mapping[str, int] = field(default_factory=dict)
    packet_ids: dict[tuple[str, int], int] = field(default_factory=dict)
    _last_id: int = 0

    @property
    def takes_methods(self) -> bool:
        return METHOD_CALLS in self.subscriptions

    @property
    def takes_desired(self) -> bool:
        return DESIRED_CHANGES in self.subscriptions

    def qos(self, topic: str) -> int | None:
        """The QoS at which a topic is to be delivered; None where it was not asked for."""
        return max((qos for known, qos in self.subscriptions.items() if matches(known, topic)), default=None)

    def subscribed(self, filters: Collection[tuple[str, int]]) -> tuple[dict[str, int], tuple[int, ...]]:
        """The subscriptions with these added, and a SUBACK code for each; QoS 2 is granted as 1 (contract 1.4)."""
        subscriptions, codes = dict(self.subscriptions), []
        for topic_filter, qos in filters:
            room = len(subscriptions) < _MOST_SUBSCRIPTIONS or topic_filter in subscriptions
            if room and may_subscribe(self.identity, topic_filter):
                subscriptions[topic_filter] = min(qos, 1)
                codes.append(min(qos, 1))
            else:
                codes.append(SUBSCRIPTION_FAILED)
        return subscriptions, tuple(codes)

    def unsubscribed(self, filters: Collection[str]) -> dict[str, int]:
        """The subscriptions without these."""
        return {known: qos for known, qos in self.subscriptions.items() if known not in filters}

    def packet_id(self, endpoint: str, number: int) -> int:
        """The id for a delivery: the one it had before, or one that is not in use."""
        known = self.packet_ids.get((endpoint, number))
        if known is not None:
            return known
        used = set(self.packet_ids.values())
        self._last_id = self._last_id % MAX_PACKET_ID + 1
        while self._last_id in used:
            self._last_id = self._last_id % MAX_PACKET_ID + 1
        self.packet_ids[endpoint, number] = self._last_id
        return self._last_id
