"""Those who come to the hub's port and do not mean the hub: a client's first packet tells whom they mean."""

from __future__ import annotations

import asyncio
from typing import Protocol

from hotori.mqtt.packets import Connect


class Counter(Protocol):
    """Serves clients of a protocol of its own on the same port."""

    def visitor(self, connect: Connect, address: str) -> asyncio.Protocol | None:
        """Who speaks with the client from its CONNECT on, and is given the socket; None where it means the hub."""
        ...
