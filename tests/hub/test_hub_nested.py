"""Hubs three levels deep below the cloud's (contract 11.3): one process, real wires between all of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from hotori.hub.account import Counters
from hotori.hub.methods import MethodResult
from hotori.hub.upstream import Upstream
from hotori.model.identity import Identity
from hotori.model.json import Json, JsonObject
from hotori.model.manifest import HubConfig, RouteSpec
from hotori.model.message import Message
from hotori.routing.router import Router
from hotori.sdk.backoff import Backoff
from hotori.sdk.connection import HubConnection
from hotori.sdk.endpoint import key_tokens
from hotori.sdk.link import ConnectionOptions
from hotori.testing.addresses import loopback_address
from hotori.testing.small_hub import BookDirectory, SmallHub

HUB = "hub.example.test"
LEVELS = ("edge-1", "middle", "bottom")
LEAF, SENDER = Identity("leaf"), Identity("bottom", "sender")
OPTIONS = ConnectionOptions(backoff=Backoff(first=0.02, longest=0.1, refused=0.1))


def a_book() -> BookDirectory:
    book = BookDirectory("edge-1", *(f"{device}/$edgeHub" for device in LEVELS), "bottom/sender")
    book.add(Identity("middle"), edge=True, behind="edge-1")
    book.add(Identity("bottom"), edge=True, behind="middle")
    book.add(LEAF, behind="bottom")
    return book


class Tower:
    """The cloud's hub, and below it one hub on the other."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._book, self._stack = folder, a_book(), AsyncExitStack()
        self.cloud = SmallHub(folder / "cloud", loopback_address(), self._book, name=HUB)
        self.hubs: dict[str, SmallHub] = {}
        self.upstreams: dict[str, Upstream] = {}

    async def start(self) -> None:
        await self._stack.enter_async_context(self.cloud)
        above = self.cloud
        for device in LEVELS:
            above = await self._add(device, above)

    async def _add(self, device: str, above: SmallHub) -> SmallHub:
        router = Router.compile(HubConfig({"up": RouteSpec("up", "FROM /messages/* INTO $upstream")}))
        hub = SmallHub(self._folder / device, loopback_address(), self._book, name=HUB, device=device, router=router)
        await self._stack.enter_async_context(hub)
        upstream = Upstream(hub.hub, above.endpoint, options=OPTIONS)
        await upstream.start()
        self._stack.push_async_callback(upstream.close)
        self.hubs[device], self.upstreams[device] = hub, upstream
        return hub

    async def client(self, identity: Identity) -> HubConnection:
        """A client of the bottom-most hub."""
        bottom = self.hubs["bottom"]
        tokens = key_tokens(HUB, identity, self._book.key(identity))
        return await self._stack.enter_async_context(HubConnection(bottom.endpoint, HUB, identity, tokens, OPTIONS))

    async def stop(self) -> None:
        await self._stack.aclose()


@pytest.fixture
async def tower(tmp_path: Path) -> AsyncIterator[Tower]:
    tower = Tower(tmp_path)
    await tower.start()
    yield tower
    await tower.stop()


async def until(condition: Callable[[], bool | Awaitable[bool]]) -> None:
    async with asyncio.timeout(15):
        while True:
            answer = condition()
            if answer if isinstance(answer, bool) else await answer:
                return
            await asyncio.sleep(0.01)


async def test_messages_climb_all_levels_as_their_senders_in_order(tower: Tower) -> None:
    sender, leaf = await tower.client(SENDER), await tower.client(LEAF)
    for number in range(20):
        await sender.send(Message(b"%d" % number, {"k": "v"}, output="out"), timeout=10)
        await leaf.send(Message(b"%d" % number), timeout=10)

    async def arrived() -> bool:
        return len(await tower.cloud.events.read(0)) >= 40

    await until(arrived)
    messages = [event.message for event in await tower.cloud.events.read(0)]
    expected = [b"%d" % number for number in range(20)]
    assert [message.body for message in messages if message.sender == SENDER] == expected
    assert [message.body for message in messages if message.sender == LEAF] == expected
    assert {(message.sender, message.output) for message in messages} == {(SENDER, "out"), (LEAF, None)}
    for upstream in tower.upstreams.values():
        await until(lambda upstream=upstream: upstream.counters == Counters(40, 40))  # type: ignore[misc]


async def test_calls_and_messages_of_the_cloud_reach_the_bottom(tower: Tower) -> None:
    sender, leaf = await tower.client(SENDER), await tower.client(LEAF)
    received: asyncio.Queue[Message] = asyncio.Queue()

    async def answer(name: str, payload: Json) -> tuple[int, Json]:
        return 201, {name: payload}

    async def receive(message: Message) -> None:
        received.put_nowait(message)

    sender.on_method(answer)
    leaf.on_c2d(receive)
    bottom = tower.hubs["bottom"].hub
    assert await bottom.sessions.callee(SENDER, 10)
    invoked = await tower.cloud.hub.methods.invoke(SENDER, "shoot", {"n": 1}, connect_timeout=10)
    assert invoked == MethodResult(201, {"shoot": {"n": 1}})
    await tower.cloud.hub.send_to_device("leaf", Message(b"down", {"k": "v"}))
    message = await asyncio.wait_for(received.get(), 10)
    assert (message.body, message.properties) == (b"down", {"k": "v"})


async def test_twins_go_down_as_they_were_written_and_come_up(tower: Tower) -> None:
    """1.7: a patch goes on as given, also with keys whose value did not change."""
    sender = await tower.client(SENDER)
    patches: asyncio.Queue[JsonObject] = asyncio.Queue()

    async def desired(patch: JsonObject, version: int) -> None:
        patches.put_nowait(patch)

    sender.on_desired(desired)
    async with asyncio.timeout(10):
        assert await patches.get() == {}
        await tower.cloud.hub.twins.patch_desired(SENDER, {"a": 1, "b": {"c": 2}})
        assert await patches.get() == {"a": 1, "b": {"c": 2}}
        await tower.cloud.hub.twins.patch_desired(SENDER, {"a": 1, "b": {"c": None}})
        assert await patches.get() == {"a": 1, "b": {"c": None}}
    await sender.report({"x": {"y": 1}, "z": 2}, timeout=10)
    await sender.report({"x": None}, timeout=10)

    async def reported() -> bool:
        return (await tower.cloud.hub.twins.peek(SENDER)).twin.reported.values == {"z": 2}

    await until(reported)
