"""The ports of an edge device, taken before anything else starts."""

from __future__ import annotations

import socket
from dataclasses import dataclass

from hotori.net.ports import bind, bind_https
from hotori.problems import Problem


@dataclass(frozen=True, slots=True)
class EdgeListeners:
    """Bound sockets: MQTT over TLS, and HTTPS."""

    mqtt: socket.socket
    https: socket.socket

    def close(self) -> None:
        self.mqtt.close()
        self.https.close()


def bind_all(address: str, mqtt_port: int, https_port: int | None, *, ahead: bool = False) -> EdgeListeners:
    """Take both ports or none. Without `https_port` it is 443, or 8443 where 443 is not to be had.

    Raises `port-in-use`, `port-forbidden` and `address-unavailable`.
    """
    mqtt = bind(address, mqtt_port, "edge hub (MQTT)", ahead=ahead)
    try:
        return EdgeListeners(mqtt, bind_https(address, https_port, "edge hub (HTTPS)", ahead=ahead))
    except Problem:
        mqtt.close()
        raise
