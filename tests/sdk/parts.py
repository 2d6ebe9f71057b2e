"""Builders: a connection as the tests want it, and a wait for its problem."""

from __future__ import annotations

import asyncio

from hotori.model.identity import Identity
from hotori.model.secret import Secret
from hotori.mqtt.packets import Subscribe
from hotori.problems import Problem
from hotori.sdk.backoff import Backoff
from hotori.sdk.connection import HubConnection
from hotori.sdk.endpoint import Endpoint, key_tokens
from hotori.sdk.link import ConnectionOptions

HUB = "hub.example.net"
CAMERA = Identity("edge-1", "camera")
KEY = Secret("MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=")
QUICK = ConnectionOptions(backoff=Backoff(0.01, 0.05, refused=0.02), connect_timeout=5.0, jitter=lambda: 1.0)


def connection_to(endpoint: Endpoint, options: ConnectionOptions = QUICK, identity: Identity = CAMERA) -> HubConnection:
    return HubConnection(endpoint, HUB, identity, key_tokens(HUB, identity, KEY), options)


async def reason_of(connection: HubConnection, code: str) -> Problem:
    """The connection's problem, once it is the one expected."""
    async with asyncio.timeout(10):
        while connection.problem is None or connection.problem.code != code:
            await asyncio.sleep(0.005)
        return connection.problem


def filters_of(packet: object) -> set[str]:
    """What a SUBSCRIBE asks for."""
    assert isinstance(packet, Subscribe)
    return {text for text, _ in packet.filters}
