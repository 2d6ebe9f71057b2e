from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from hotori.net.http import HttpServer
from hotori.net.ports import bind
from hotori.portal.site import portal_site
from tests.portal.world import PASSWORD, Cloud


@pytest.fixture
def cloud() -> Cloud:
    return Cloud()


@pytest.fixture
async def portal(cloud: Cloud) -> AsyncIterator[str]:
    """The address of a running portal."""
    async with HttpServer(portal_site(cloud.dependencies()), bind("127.0.0.1", 0, "portal")) as server:
        yield f"http://127.0.0.1:{server.port}"
    await cloud.events.close()


@pytest.fixture
async def visitor(portal: str) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody who has not logged in."""
    async with httpx.AsyncClient(base_url=portal) as client:
        yield client


@pytest.fixture
async def reader(visitor: httpx.AsyncClient) -> httpx.AsyncClient:
    """Somebody who has."""
    answer = await visitor.post("/login", data={"user": "hotori", "password": PASSWORD.reveal()})
    assert answer.status_code == 303
    return visitor
