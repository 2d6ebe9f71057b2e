"""The cloud's ports, all taken before anything starts: a port that cannot be had stops it at once, in words."""

from __future__ import annotations

import socket
from dataclasses import dataclass

from hotori.net.ports import bind, bind_https
from hotori.problems import Problem


@dataclass(frozen=True, slots=True)
class CloudListeners:
    """One listening socket a service."""

    mqtt: socket.socket
    https: socket.socket
    storage: socket.socket
    registry: socket.socket
    portal: socket.socket

    def close(self) -> None:
        for listener in (self.mqtt, self.https, self.storage, self.registry, self.portal):
            listener.close()


def bind_all(address: str, mqtt: int, https: int | None, storage: int, registry: int, portal: int) -> CloudListeners:
    """Take every port, or none. Raises `port-in-use`, `port-forbidden`, `address-unavailable`."""
    taken: list[socket.socket] = []
    try:
        taken.append(bind(address, mqtt, "message hub (MQTT)"))
        taken.append(bind_https(address, https, "message hub (HTTPS)"))
        taken.append(bind(address, storage, "object store"))
        taken.append(bind(address, registry, "image registry"))
        taken.append(bind(address, portal, "portal"))
    except Problem:
        for listener in taken:
            listener.close()
        raise
    return CloudListeners(*taken)
