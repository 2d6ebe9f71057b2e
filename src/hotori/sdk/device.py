"""What a program on a device uses to talk to its hub."""

from __future__ import annotations

from pathlib import Path

from hotori.model.connection_string import IdentityConnection
from hotori.net.tls import client_context
from hotori.sdk.connection import HubConnection
from hotori.sdk.endpoint import MQTT_PORT, Endpoint, key_tokens
from hotori.sdk.link import DEFAULT_OPTIONS, ConnectionOptions


class DeviceClient(HubConnection):
    """A device's connection, from the one line that its registry shows."""

    @classmethod
    def from_connection_string(
        cls,
        text: str,
        ca: Path | None = None,
        port: int = MQTT_PORT,
        options: ConnectionOptions = DEFAULT_OPTIONS,
    ) -> DeviceClient:
        """Read the line; `ca` is the PEM file of the hub's or gateway's authority (without it, the system's).

        Raises `connection-string-malformed`, `file-unreadable`.
        """
        found = IdentityConnection.parse(text)
        endpoint = Endpoint(found.gateway or found.host, port, client_context(ca))
        return cls(endpoint, found.host, found.identity, key_tokens(found.host, found.identity, found.key), options)
