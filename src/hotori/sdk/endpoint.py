"""Where a hub listens, and where the tokens come from that it asks for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from ssl import SSLContext
from typing import TypeAlias

from hotori.model.identity import Identity
from hotori.model.sas import sign
from hotori.model.secret import Secret

MQTT_PORT = 8883

TokenSource: TypeAlias = Callable[[int], Awaitable[str]]
"""Makes an access token that is valid until the given time (Unix seconds). Raises Problem where it cannot."""

ChainSource: TypeAlias = Callable[[], Awaitable[str]]
"""Finds the chain by which an edge hub speaks for another identity (contract 11.3). Raises Problem."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The name or address to dial. Without `ssl_context` nothing is encrypted: for brokers on loopback only."""

    host: str
    port: int = MQTT_PORT
    ssl_context: SSLContext | None = field(default=None, repr=False)

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


EndpointSource: TypeAlias = Callable[[], Awaitable[Endpoint]]
"""Finds the endpoint anew before each connection: the trusted roots may have changed. Raises Problem."""


def key_tokens(hub: str, identity: Identity, key: Secret) -> TokenSource:
    """Tokens signed here, with the identity's own key (contract 1.3)."""

    async def make(expiry: int) -> str:
        return sign(f"{hub}/{identity.path()}", key, expiry)

    return make
