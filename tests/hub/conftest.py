"""Hubs for tests: real, in this process, on loopback addresses of their own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hotori.hub.courier import Terms
from hotori.model.manifest import HubConfig, RouteSpec
from hotori.routing.router import Router
from hotori.testing.addresses import loopback_address
from hotori.testing.small_hub import BookDirectory, SmallHub


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[SmallHub]:
    """A cloud's hub that knows two devices, one with modules; in the clear, for tests that look at bytes."""
    directory = BookDirectory("dev-1", "dev-2", "edge-1", "edge-1/camera")
    async with SmallHub(tmp_path / "cloud", loopback_address(), directory, tls=False) as hub:
        yield hub


@pytest.fixture
async def edge(tmp_path: Path) -> AsyncIterator[SmallHub]:
    """An edge device's hub: the camera's pictures go to the classifier, the classifier's words upstream.

    What is not acknowledged goes again after 2 s instead of 30.
    """
    routes = {
        "pictures": "FROM /messages/modules/camera/outputs/pictures INTO BrokeredEndpoint"
        '("/modules/classifier/inputs/pictures")',
        "urgent": "FROM /messages/modules/camera/outputs/urgent INTO BrokeredEndpoint"
        '("/modules/classifier/inputs/pictures")',
        "predictions": "FROM /messages/modules/classifier/* INTO $upstream",
    }
    specs = {name: RouteSpec(name, text, priority=0 if name == "urgent" else 5) for name, text in routes.items()}
    directory = BookDirectory("edge-1", "edge-1/camera", "edge-1/classifier", "edge-1/$edgeHub")
    router = Router.compile(HubConfig(specs))
    async with SmallHub(
        tmp_path / "edge",
        loopback_address(),
        directory,
        device="edge-1",
        router=router,
        tls=False,
        input_terms=Terms(patience=2.0),
    ) as hub:
        yield hub
