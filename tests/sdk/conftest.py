"""Neighbours of the SDK: a real broker, and a hub that does as it is told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hotori.sdk.connection import HubConnection
from hotori.testing.broker import Broker
from hotori.testing.obedient_hub import ObedientHub
from tests.sdk.parts import connection_to


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[Broker]:
    broker = Broker(tmp_path)
    await broker.start()
    yield broker
    await broker.stop()


@pytest.fixture
async def obedient() -> AsyncIterator[ObedientHub]:
    hub = ObedientHub()
    await hub.start()
    yield hub
    await hub.stop()


@pytest.fixture
async def connection(obedient: ObedientHub) -> AsyncIterator[HubConnection]:
    async with connection_to(obedient.endpoint) as connection:
        yield connection
