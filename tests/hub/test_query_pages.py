"""Queries over a registry and its twins, a page at a time (contract 2.5)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from hotori.hub.query.page import Page, run_query
from hotori.hub.registry import Draft
from hotori.model.identity import Identity
from hotori.problems import Problem
from hotori.testing.addresses import loopback_address
from hotori.testing.cloud_hub import CloudHub


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[CloudHub]:
    """A hub with an edge device, and six others of which the even ones stand in a kitchen."""
    async with CloudHub(tmp_path, loopback_address()) as hub:
        await hub.registry.create_device("edge-1", Draft(edge=True))
        for number in range(6):
            await hub.registry.create_device(f"dev-{number}")
            room = "hall" if number % 2 else "kitchen"
            await hub.hub.twins.patch_tags(Identity(f"dev-{number}"), {"room": room})
        yield hub


async def page(cloud: CloudHub, text: str, size: int = 100, continuation: str | None = None) -> Page:
    return await run_query(cloud.hub, cloud.registry, text, size, continuation)


async def pages(cloud: CloudHub, text: str, size: int) -> list[list[Any]]:
    """The names on every page."""
    found: list[list[Any]] = []
    continuation = None
    while True:
        one = await page(cloud, text, size, continuation)
        found.append([row.get("deviceId", row) for row in one.rows])
        continuation = one.continuation
        if continuation is None:
            return found


async def test_whole_rows_are_twins(cloud: CloudHub) -> None:
    """2.5: item type"""
    one = await page(cloud, "SELECT * FROM devices WHERE capabilities.iotEdge = true")
    assert (one.kind, one.continuation) == ("Twin", None)
    assert [row["deviceId"] for row in one.rows] == ["edge-1"]
    assert {"etag", "properties", "tags", "connectionState", "deviceScope"} <= one.rows[0].keys()
    assert (await page(cloud, "SELECT deviceId, deviceScope FROM devices")).kind == "Raw"


async def test_modules_are_asked_by_themselves(cloud: CloudHub) -> None:
    one = await page(cloud, "SELECT deviceId, moduleId FROM devices.modules WHERE moduleId = '$edgeAgent'")
    assert one.rows == [{"deviceId": "edge-1", "moduleId": "$edgeAgent"}]


async def test_the_last_page_says_that_it_is_the_last(cloud: CloudHub) -> None:
    """2.5: x-ms-continuation is absent there"""
    kitchen = "SELECT * FROM devices WHERE tags.room = 'kitchen'"
    assert await pages(cloud, kitchen, 2) == [["dev-0", "dev-2"], ["dev-4"]]
    assert await pages(cloud, kitchen, 3) == [["dev-0", "dev-2", "dev-4"]]
    assert await pages(cloud, "SELECT * FROM devices WHERE tags.room = 'attic'", 3) == [[]]


async def test_top_counts_over_all_pages(cloud: CloudHub) -> None:
    assert await pages(cloud, "SELECT TOP 3 deviceId FROM devices", 2) == [["dev-0", "dev-1"], ["dev-2"]]
    assert await pages(cloud, "SELECT TOP 2 deviceId FROM devices", 2) == [["dev-0", "dev-1"]]


async def test_groups_come_in_pages_too(cloud: CloudHub) -> None:
    text = "SELECT tags.room AS room, COUNT() AS n FROM devices GROUP BY tags.room"
    assert await pages(cloud, text, 2) == [[{"room": "kitchen", "n": 3}, {"room": "hall", "n": 3}], [{"n": 1}]]


async def test_a_device_that_goes_between_pages_disturbs_nobody(cloud: CloudHub) -> None:
    first = await page(cloud, "SELECT * FROM devices", 2)
    await cloud.registry.delete(Identity("dev-1"))
    rest = await page(cloud, "SELECT * FROM devices", 100, first.continuation)
    assert [row["deviceId"] for row in rest.rows] == ["dev-2", "dev-3", "dev-4", "dev-5", "edge-1"]


@pytest.mark.parametrize("token", ["nonsense!", "e30=", "日本"])
async def test_a_continuation_of_somebody_else_is_refused(cloud: CloudHub, token: str) -> None:
    with pytest.raises(Problem) as met:
        await page(cloud, "SELECT * FROM devices", 2, token)
    assert met.value.code == "request-malformed"


async def test_devices_that_are_named_come_in_pages_too(cloud: CloudHub) -> None:
    text = "SELECT deviceId FROM devices WHERE deviceId IN ['edge-1', 'dev-3', 'nobody', 'dev-1', 'no/name']"
    assert await pages(cloud, text, 2) == [["dev-1", "dev-3"], ["edge-1"]]
    assert await pages(cloud, "SELECT COUNT() AS n FROM devices WHERE deviceId = 'dev-1'", 2) == [[{"n": 1}]]
