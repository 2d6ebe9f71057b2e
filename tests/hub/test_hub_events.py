"""What a hub tells of by itself: twins changed, devices made and removed, who came and went (contract 1.6, 5.1)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hotori.hub.events import Event
from hotori.hub.hub_events import SOURCE, EventSource, TwinNotifications
from hotori.hub.intake import RoutingIntake
from hotori.hub.queues import input_endpoint, upstream_endpoint
from hotori.hub.registry import Draft
from hotori.hub.removal import remove_identity
from hotori.hub.twin_write import TwinWrite
from hotori.model.identity import Identity
from hotori.model.manifest import HubConfig, RouteSpec
from hotori.model.message import Message
from hotori.mqtt.bag import message_from_bag
from hotori.routing.router import Router
from hotori.testing.addresses import loopback_address
from hotori.testing.cloud_hub import CloudHub
from hotori.testing.small_hub import SmallHub

DEVICE, CAMERA, AGENT = Identity("dev-1"), Identity("edge-1", "camera"), Identity("edge-1", "$edgeAgent")


async def told(cloud: CloudHub, count: int) -> list[Event]:
    """The first events of the log, which are appended in order."""
    return [event async for event, _ in _counted(cloud, count)]


async def _counted(cloud: CloudHub, count: int) -> Any:
    stream = cloud.events.subscribe("earliest")
    for number in range(count):
        yield await anext(stream), number
    await stream.aclose()


def summary(event: Event) -> tuple[str, str, dict[str, Any]]:
    message = event.message
    assert message.content_type == "application/json"
    assert message.properties["deviceId"] == message.sender.device if message.sender else None
    return message.system[SOURCE], message.properties["opType"], json.loads(message.body)


async def test_writes_of_a_twin_are_told_with_what_was_written(tmp_path: Path) -> None:
    """1.6: twinChangeEvents"""
    async with CloudHub(tmp_path, loopback_address(), hub_events=frozenset({EventSource.TWIN_CHANGES})) as cloud:
        await cloud.registry.create_device("dev-1")
        await cloud.hub.twins.write(DEVICE, TwinWrite(tags={"room": "lab"}, desired={"a": {"b": 1}}))
        await cloud.hub.twins.patch_reported(DEVICE, {"r": 1})
        await cloud.hub.twins.replace_desired(DEVICE, {"c": 1})
        first, second, third = (summary(event) for event in await told(cloud, 3))
    assert first[:2] == ("twinChangeEvents", "updateTwin")
    assert first[2]["tags"] == {"room": "lab"}
    desired = first[2]["properties"]["desired"]
    assert (desired["a"], desired["$version"], desired["$metadata"]["a"]["b"]["$lastUpdatedVersion"]) == (
        {"b": 1},
        2,
        2,
    )
    assert second[2]["properties"]["reported"]["r"] == 1
    assert third[1] == "replaceTwin"


async def test_devices_and_modules_that_come_and_go_are_told(tmp_path: Path) -> None:
    """1.6: deviceLifecycleEvents"""
    async with CloudHub(tmp_path, loopback_address(), hub_events=frozenset({EventSource.LIFECYCLE})) as cloud:
        await cloud.registry.create_device("edge-1", Draft(edge=True))
        await remove_identity(cloud.hub, cloud.registry, Identity("edge-1"))
        events = [summary(event) for event in await told(cloud, 6)]
    assert [kind for _, kind, _ in events] == [
        "createModuleIdentity",
        "createModuleIdentity",
        "createDeviceIdentity",
        "deleteModuleIdentity",
        "deleteModuleIdentity",
        "deleteDeviceIdentity",
    ]
    assert events[0][2]["moduleId"] == "$edgeAgent"
    assert "moduleId" not in events[2][2]


async def test_who_connects_and_leaves_is_told(tmp_path: Path) -> None:
    """1.6: deviceConnectionStateEvents"""
    sources = frozenset({EventSource.CONNECTION_STATE})
    async with CloudHub(tmp_path, loopback_address(), hub_events=sources) as cloud:
        await cloud.registry.create_device("dev-1")
        connection = await cloud.connection(DEVICE)
        connection.start()
        await connection.wait_connected()
        await connection.close()
        first, second = (summary(event) for event in await told(cloud, 2))
    assert first[:2] == ("deviceConnectionStateEvents", "deviceConnected")
    assert second[1] == "deviceDisconnected"
    assert second[2]["sequenceNumber"] > first[2]["sequenceNumber"]


async def test_a_hub_that_was_not_asked_tells_nothing(tmp_path: Path) -> None:
    async with CloudHub(tmp_path, loopback_address()) as cloud:
        await cloud.registry.create_device("dev-1")
        await cloud.hub.twins.patch_tags(DEVICE, {"a": 1})
        await cloud.hub.accept(Message(b"1", sender=DEVICE))
        assert [event.message.body for event in await cloud.events.read(0)] == [b"1"]


def test_no_client_can_pass_for_the_hub() -> None:
    """1.6, trap 8: what the hub stamps is not believed"""
    message = message_from_bag("%24.iothub-message-source=twinChangeEvents&%24.mid=1", b"")
    assert message.system == {"mid": "1"}


@pytest.mark.parametrize(
    ("condition", "reported", "taken"),
    [
        ("", {"speed": 1}, True),
        ("WHERE twin_change_includes(properties.reported.speed) ", {"speed": 1}, True),
        ("WHERE twin_change_includes(properties.reported.speed) ", {"light": 1}, False),
    ],
)
async def test_what_a_module_reports_goes_where_a_route_asks_for_it(
    edge: SmallHub, condition: str, reported: dict[str, int], taken: bool
) -> None:
    """5.1: /twinChangeNotifications"""
    route = f"FROM /twinChangeNotifications {condition}INTO BrokeredEndpoint('/modules/classifier/inputs/changes')"
    assert isinstance(edge.intake, RoutingIntake)
    edge.intake.router = Router.compile(HubConfig({"changes": RouteSpec("changes", route)}))
    TwinNotifications(edge.hub, edge.intake)
    queue = edge.hub.queues.queue(input_endpoint("classifier", "changes"))
    await edge.hub.twins.patch_reported(AGENT, dict(reported))
    await edge.hub.twins.patch_reported(CAMERA, dict(reported))
    await edge.hub.queues.submit(Message(b""), ())
    assert len(queue) == int(taken)
    if taken:
        item = queue.take(0)
        assert item is not None
        message = await edge.hub.queues.load(item)
        assert message is not None
        assert (message.sender, json.loads(message.body)) == (CAMERA, {"properties": {"reported": reported}})


async def test_a_route_of_messages_takes_no_changes_of_twins(edge: SmallHub) -> None:
    """5.1, trap 16: `/messages/*` has them not, `/*` has"""
    assert isinstance(edge.intake, RoutingIntake)
    TwinNotifications(edge.hub, edge.intake)
    queue = edge.hub.queues.queue(upstream_endpoint(CAMERA))
    for source, waiting in (("/messages/*", 0), ("/*", 1)):
        route = RouteSpec("all", f"FROM {source} INTO $upstream")
        edge.intake.router = Router.compile(HubConfig({"all": route}))
        await edge.hub.twins.patch_reported(CAMERA, {"a": waiting})
        await edge.hub.queues.submit(Message(b""), ())
        assert len(queue) == waiting
