"""An edge device's hub and the cloud's above it, both real: what goes up, what comes down, and outages."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from hotori.hub.account import Counters
from hotori.hub.methods import MethodResult, NotOnlineError
from hotori.hub.twins import TwinNotReadyError
from hotori.hub.upstream import Upstream
from hotori.model.identity import EDGE_HUB, Identity
from hotori.model.json import Json
from hotori.model.manifest import HubConfig, RouteSpec
from hotori.model.message import Message
from hotori.mqtt.packets import Publish
from hotori.mqtt.topics import METHOD_CALLS
from hotori.routing.router import Router
from hotori.sdk.backoff import Backoff
from hotori.sdk.connection import HubConnection
from hotori.sdk.endpoint import key_tokens
from hotori.sdk.link import ConnectionOptions
from hotori.testing.addresses import loopback_address
from hotori.testing.small_hub import BookDirectory, SmallHub
from hotori.testing.wire_client import WireClient

CAMERA, CLASSIFIER, LEAF = Identity("edge-1", "camera"), Identity("edge-1", "classifier"), Identity("leaf-1")
HUB = Identity("edge-1", EDGE_HUB)
OPTIONS = ConnectionOptions(backoff=Backoff(first=0.02, longest=0.1, refused=0.1))


class House:
    """A cloud, an edge device's hub below it, and the line between them."""

    def __init__(self, folder: Path) -> None:
        directory = BookDirectory("edge-1", "edge-1/$edgeHub", "edge-1/camera", "edge-1/classifier", "leaf-1")
        router = Router.compile(HubConfig({"up": RouteSpec("up", "FROM /messages/* INTO $upstream")}))
        self.cloud = SmallHub(folder / "cloud", loopback_address(), directory, name="hub.example.test")
        self.edge = SmallHub(
            folder / "edge", loopback_address(), directory, name="hub.example.test", device="edge-1", router=router
        )
        self.upstream: Upstream
        self._connections: list[HubConnection] = []

    async def start(self) -> None:
        await self.cloud.start()
        await self.start_edge()

    async def start_edge(self) -> None:
        await self.edge.start()
        self.upstream = Upstream(self.edge.hub, self.cloud.endpoint, options=OPTIONS, patience=0.3, linger=0.05)
        await self.upstream.start()

    async def stop_edge(self) -> None:
        await self.upstream.close()
        await self.edge.stop()

    async def stop(self) -> None:
        for connection in self._connections:
            await connection.close()
        await self.stop_edge()
        await self.cloud.stop()

    def client(self, identity: Identity) -> HubConnection:
        """A module or leaf device, connected to the edge."""
        tokens = key_tokens("hub.example.test", identity, self.edge.directory.key(identity))
        connection = HubConnection(self.edge.endpoint, "hub.example.test", identity, tokens, OPTIONS)
        connection.start()
        self._connections.append(connection)
        return connection

    async def bodies(self) -> dict[Identity, list[bytes]]:
        """What has arrived in the cloud, by sender, in order."""
        found: dict[Identity, list[bytes]] = defaultdict(list)
        for event in await self.cloud.events.read(0, 10_000):
            assert event.message.sender is not None
            found[event.message.sender].append(event.message.body)
        return found

    def accounts(self) -> Counters:
        counters = self.upstream.counters
        assert counters.accepted == counters.delivered + counters.expired + counters.dropped + counters.pending
        return counters


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    house = House(tmp_path)
    await house.start()
    yield house
    await house.stop()


async def until(condition: Callable[[], bool | Awaitable[bool]]) -> None:
    """Wait for something that other tasks bring about."""
    async with asyncio.timeout(15):
        while True:
            answer = condition()
            if answer if isinstance(answer, bool) else await answer:
                return
            await asyncio.sleep(0.01)


async def test_messages_go_up_as_their_sender_with_everything(house: House) -> None:
    message = Message(b"{}", {"a b": "1/2"}, {"ct": "application/json", "mid": "7"}, output="pictures")
    await house.client(CAMERA).send(message, timeout=10)
    await house.client(LEAF).send(Message(b"leaf"), timeout=10)
    await until(lambda: house.accounts() == Counters(2, 2))
    events = {event.message.sender: event.message for event in await house.cloud.events.read(0)}
    arrived = events[CAMERA]
    assert (arrived.body, arrived.output) == (b"{}", "pictures")
    assert (arrived.properties, arrived.system) == (message.properties, message.system)
    assert events[LEAF].body == b"leaf"


async def test_an_outage_loses_nothing_and_keeps_each_senders_order(house: House) -> None:
    """200 messages of two senders while the cloud is away; then also the edge's own restart."""
    camera, classifier = house.client(CAMERA), house.client(CLASSIFIER)
    await camera.send(Message(b"0"), timeout=10)
    await until(lambda: house.accounts() == Counters(1, 1))
    await house.cloud.stop()

    for number in range(1, 101):
        await camera.send(Message(b"%d" % number), timeout=10)
        await classifier.send(Message(b"%d" % number), timeout=10)
    assert house.accounts() == Counters(accepted=201, delivered=1, pending=200)

    await house.stop_edge()
    await house.start_edge()
    assert house.accounts() == Counters(accepted=201, delivered=1, pending=200)
    await house.cloud.start()
    await until(lambda: house.accounts() == Counters(201, 201))
    arrived = await house.bodies()
    assert arrived[CAMERA] == [b"%d" % number for number in range(101)]
    assert arrived[CLASSIFIER] == [b"%d" % number for number in range(1, 101)]


async def test_a_cloud_that_fails_in_the_middle_gets_everything_in_order(house: House) -> None:
    """What was on its way goes again: duplicates may be, gaps and disorder may not."""
    camera = house.client(CAMERA)
    sends = [camera.post(Message(b"%03d" % number)) for number in range(300)]
    for _ in range(3):
        await asyncio.sleep(0.05)
        await house.cloud.stop()
        await house.cloud.start()
    await asyncio.wait_for(asyncio.gather(*sends), 15)
    await until(lambda: house.accounts().pending == 0)
    arrived = (await house.bodies())[CAMERA]
    assert list(dict.fromkeys(arrived)) == [b"%03d" % number for number in range(300)]
    assert house.accounts() == Counters(300, 300)


async def test_a_twin_comes_down_and_reports_go_up(house: House) -> None:
    await house.cloud.hub.twins.patch_desired(CAMERA, {"interval": 5})
    camera = house.client(CAMERA)
    changes: asyncio.Queue[tuple[Json, int]] = asyncio.Queue()

    async def changed(patch: Json, version: int) -> None:
        changes.put_nowait((patch, version))

    camera.on_desired(changed)
    assert await asyncio.wait_for(changes.get(), 10) == ({"interval": 5}, 2)
    await house.cloud.hub.twins.patch_desired(CAMERA, {"interval": 6})
    assert await asyncio.wait_for(changes.get(), 10) == ({"interval": 6}, 3)
    # Given with a value that does not change, and a null for what is not there: it is passed on as given (1.7).
    await house.cloud.hub.twins.patch_desired(CAMERA, {"interval": 6, "gone": None, "fps": 2})
    assert await asyncio.wait_for(changes.get(), 10) == ({"interval": 6, "gone": None, "fps": 2}, 4)
    await camera.report({"fps": 1})

    async def reported() -> bool:
        return (await house.cloud.hub.twins.get(CAMERA)).reported.values == {"fps": 1}

    await until(reported)


async def test_twins_are_answered_and_reports_kept_while_the_cloud_is_away(house: House) -> None:
    camera = house.client(CAMERA)
    await house.cloud.hub.twins.patch_desired(CAMERA, {"interval": 5})
    await camera.report({"a": 1, "gone": True})
    await until(lambda: _reported_is(house, {"a": 1, "gone": True}))
    await house.cloud.stop()

    await camera.report({"a": {"b": 2}, "gone": None})
    await camera.report({"c": 3})
    twin = await camera.twin()
    assert twin.desired.values == {"interval": 5}
    assert twin.reported.values == {"a": {"b": 2}, "c": 3}
    await camera.close()
    await house.stop_edge()
    await house.start_edge()
    await house.cloud.start()
    await house.cloud.hub.twins.patch_desired(CAMERA, {"interval": 9})
    again = house.client(CAMERA)
    await until(lambda: _reported_is(house, {"a": {"b": 2}, "c": 3}))
    await until(lambda: _desired_is(again, {"interval": 9}))


async def _reported_is(house: House, values: Json) -> bool:
    return (await house.cloud.hub.twins.get(CAMERA)).reported.values == values


async def _desired_is(connection: HubConnection, values: Json) -> bool:
    return (await connection.twin()).desired.values == values


async def test_a_twin_that_never_came_is_not_invented(house: House) -> None:
    """Before the first word from the cloud a module is told to ask again."""
    await house.cloud.stop()
    with pytest.raises(TwinNotReadyError):
        await house.edge.hub.twins.get(CLASSIFIER)
    with pytest.raises(TwinNotReadyError):
        await house.edge.hub.twins.patch_reported(CLASSIFIER, {"a": 1})


async def test_a_twin_that_does_not_come_holds_up_no_subscription(house: House) -> None:
    """1.4: SUBACK must come within 10 s; the twin is answered with 503 when the patience is over."""
    await house.cloud.stop()
    client = await WireClient.connect(house.edge, CLASSIFIER)
    client.send(Publish("$iothub/twin/GET/?$rid=1", b"", 1, 1))
    assert await client.subscribe(METHOD_CALLS) == (1,)
    assert not [packet for packet in client.received if isinstance(packet, Publish)]
    assert (await client.expect_publish()).topic == "$iothub/twin/res/503/?$rid=1"
    await client.close()


async def test_the_edge_hubs_own_twin_is_mirrored_from_the_start(house: House) -> None:
    changes: list[Json] = []
    house.edge.hub.twins.desired_watchers.append(lambda change: changes.append((str(change.identity), change.patch)))
    await house.cloud.hub.twins.patch_desired(HUB, {"routes": {"a": "FROM /* INTO $upstream"}})
    await until(lambda: ("edge-1/$edgeHub", {"routes": {"a": "FROM /* INTO $upstream"}}) in changes)
    assert house.upstream.connected
    assert house.upstream.problem is None


async def test_calls_from_the_cloud_reach_modules_below(house: House) -> None:
    camera = house.client(CAMERA)

    async def answer(name: str, payload: Json) -> tuple[int, Json]:
        return 201, {"name": name, "payload": payload}

    camera.on_method(answer)
    invoke = house.cloud.hub.methods.invoke
    await until(lambda: house.edge.hub.sessions.connected(CAMERA))
    result = await invoke(CAMERA, "shoot", {"n": 1}, connect_timeout=10)
    assert result == MethodResult(201, {"name": "shoot", "payload": {"n": 1}})
    with pytest.raises(NotOnlineError):
        await invoke(CLASSIFIER, "shoot")


async def test_messages_from_the_cloud_reach_leaf_devices(house: House) -> None:
    leaf = house.client(LEAF)
    received: asyncio.Queue[Message] = asyncio.Queue()

    async def receive(message: Message) -> None:
        received.put_nowait(message)

    leaf.on_c2d(receive)
    await house.cloud.hub.send_to_device("leaf-1", Message(b"down", {"k": "v"}))
    message = await asyncio.wait_for(received.get(), 10)
    assert (message.body, message.properties) == (b"down", {"k": "v"})
    await until(lambda: house.cloud.hub.queues.total("c2d:leaf-1") == Counters(1, 1))


async def test_the_line_of_an_identity_that_left_is_closed(house: House) -> None:
    camera = house.client(CAMERA)
    await until(lambda: house.cloud.hub.sessions.connected(CAMERA))
    await camera.close()
    await until(lambda: not house.cloud.hub.sessions.connected(CAMERA))
    assert house.cloud.hub.sessions.connected(HUB)


async def test_one_identity_that_the_cloud_refuses_does_not_hold_up_the_others(house: House) -> None:
    camera, leaf = house.client(CAMERA), house.client(LEAF)
    await asyncio.gather(camera.wait_connected(10), leaf.wait_connected(10))
    cloud = BookDirectory("edge-1", "edge-1/$edgeHub", "edge-1/camera")
    await house.cloud.stop()
    house.cloud.directory = cloud
    await house.cloud.start()
    for number in range(60):
        await leaf.send(Message(b"%d" % number), timeout=10)
    await camera.send(Message(b"x"), timeout=10)
    await until(lambda: house.accounts().delivered == 1)
    cloud.add(LEAF)
    await until(lambda: house.accounts() == Counters(61, 61))
    assert (await house.bodies())[LEAF] == [b"%d" % number for number in range(60)]
