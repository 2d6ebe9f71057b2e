"""How a device comes to a stream: it dials the hub above, whoever asked for it."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass

from hotori.model.connection_string import IdentityConnection
from hotori.model.sas import sign
from hotori.sdk.connection_file import HubAddress
from hotori.sdk.stream import StreamConnection

_TOKEN_LIFE = 300


@dataclass(frozen=True, slots=True)
class WayUp:
    """`address` is the cloud's, or the parent's; the device shows a token of its own beside the ticket."""

    address: HubAddress
    context: ssl.SSLContext
    connection: IdentityConnection
    clock: Callable[[], float]

    async def dial(self, ticket: str) -> StreamConnection:
        """A stream with its order in `answer`. Raises `cloud-unreachable`, and what the hub above refuses it for."""
        device = self.connection.identity
        resource = f"{self.connection.host}/{device.path()}"
        token = sign(resource, self.connection.key, int(self.clock()) + _TOKEN_LIFE)
        hello = {"ticket": ticket, "device": str(device), "authorization": token}
        return await StreamConnection.dial(self.address, self.context, dict(hello))
