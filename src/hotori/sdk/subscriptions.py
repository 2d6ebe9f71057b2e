"""What a connection subscribed to, and what the hub is known to remember of it."""

from __future__ import annotations

from hotori.mqtt.packets import SUBSCRIPTION_FAILED
from hotori.sdk.mqtt_client import MqttClient


class Subscriptions:
    """Topic filters, all at QoS 1. A hub keeps them with the session; they are asked for when it may not have them."""

    def __init__(self, *filters: str) -> None:
        self._granted = dict.fromkeys(filters, False)

    def add(self, topic_filter: str) -> None:
        self._granted.setdefault(topic_filter, False)

    async def ask(self, client: MqttClient) -> list[str]:
        """Subscribe to what the hub does not have yet; the filters it refused. Raises ConnectionLostError."""
        missing = [topic_filter for topic_filter, granted in self._granted.items() if not granted]
        if not missing:
            return []
        codes = await client.subscribe(tuple((topic_filter, 1) for topic_filter in missing))
        refused = [text for text, code in zip(missing, codes, strict=False) if code == SUBSCRIPTION_FAILED]
        self._granted |= {text: text not in refused for text in missing}
        return refused

    def forget(self) -> None:
        """The hub has no session of ours."""
        self._granted = dict.fromkeys(self._granted, False)
