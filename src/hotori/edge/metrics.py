"""An edge device's metrics, where Prometheus looks for them: `http://…:9600/metrics` (contract 7.3)."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hotori.hub.metrics import CONTENT_TYPE, Family, exposition
from hotori.net.address import is_loopback
from hotori.net.ports import bind
from hotori.problems import Problem

PORT = 9600


@dataclass(frozen=True, slots=True)
class MetricsListener:
    """Where metrics are served. An empty `address` is the hub's where that is loopback, else 127.0.0.1.

    `port` None is 9600, or nowhere where that is taken.
    """

    address: str = ""
    port: int | None = None

    def bind(self, hub_address: str) -> socket.socket | None:
        """Raises `port-in-use` and others for a port that was asked for."""
        address = self.address or (hub_address if is_loopback(hub_address) else "127.0.0.1")
        if self.port is not None:
            return bind(address, self.port, "metrics")
        try:
            return bind(address, PORT, "metrics")
        except Problem:
            return None


def metrics_app(families: Callable[[], Awaitable[Iterable[Family]]], labels: dict[str, str]) -> Starlette:
    """The application; `labels` stand on every sample."""

    async def metrics(_: Request) -> Response:
        return Response(exposition(await families(), labels), media_type=CONTENT_TYPE)

    return Starlette(routes=[Route("/metrics", metrics)])
