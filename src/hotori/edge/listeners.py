"""The ports of an edge device, taken before anything else starts."""

from __future__ import annotations

import socket
from dataclasses import dataclass

from hotori.net.ports import bind
from hotori.problems import Problem
from hotori.problems.network import PORT_FORBIDDEN, PORT_IN_USE

_HTTPS, _HTTPS_UNPRIVILEGED = 443, 8443


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
        return EdgeListeners(mqtt, _bind_https(address, https_port, ahead=ahead))
    except Problem:
        mqtt.close()
        raise


def _bind_https(address: str, port: int | None, *, ahead: bool) -> socket.socket:
    service = "edge hub (HTTPS)"
    if port is not None:
        return bind(address, port, service, ahead=ahead)
    try:
        return bind(address, _HTTPS, service, ahead=ahead)
    except Problem as problem:
        if problem.kind not in (PORT_FORBIDDEN, PORT_IN_USE):
            raise
        return bind(address, _HTTPS_UNPRIVILEGED, service, ahead=ahead)


def port_of(listener: socket.socket) -> int:
    return int(listener.getsockname()[1])
