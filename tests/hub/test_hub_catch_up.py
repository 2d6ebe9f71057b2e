"""Days without the cloud (contract 5.3): what waited goes up in order, at a pace, and holds up nothing fresh."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotori.hub.account import Counters
from hotori.hub.pace import Pace
from hotori.hub.upstream import Upstream
from hotori.model.identity import Identity
from hotori.model.manifest import HubConfig, RouteSpec
from hotori.model.message import Message
from hotori.routing.router import Router
from hotori.sdk.backoff import Backoff
from hotori.sdk.connection import HubConnection
from hotori.sdk.endpoint import key_tokens
from hotori.sdk.link import ConnectionOptions
from hotori.testing.addresses import loopback_address
from hotori.testing.small_hub import BookDirectory, SmallHub

CAMERA, SENSOR = Identity("edge-1", "camera"), Identity("edge-1", "sensor")
HUB = "hub.example.test"
DAY = 86400.0
BACKLOG = 100_000
RATE = 4000.0
OPTIONS = ConnectionOptions(backoff=Backoff(first=0.02, longest=0.1, refused=0.1))


class Clock:
    """The real time, moved by so many seconds."""

    def __init__(self) -> None:
        self.shift = 0.0

    def __call__(self) -> float:
        return time.time() + self.shift


class Farm:
    """An edge hub that has been without its cloud for days."""

    def __init__(self, folder: Path, time_to_live: int) -> None:
        book = BookDirectory("edge-1", "edge-1/$edgeHub", "edge-1/camera", "edge-1/sensor")
        route = RouteSpec("up", "FROM /messages/* INTO $upstream", time_to_live=time_to_live)
        self.clock = Clock()
        self.cloud = SmallHub(folder / "cloud", loopback_address(), book, name=HUB)
        self.edge = SmallHub(
            folder / "edge",
            loopback_address(),
            book,
            name=HUB,
            device="edge-1",
            router=Router.compile(HubConfig({"up": route})),
            clock=self.clock,
        )
        self.upstream: Upstream

    async def start(self) -> None:
        await self.edge.start()
        self.upstream = Upstream(self.edge.hub, self.cloud.endpoint, options=OPTIONS, catch_up=RATE)
        await self.upstream.start()

    async def stop(self) -> None:
        await self.upstream.close()
        await self.edge.stop()
        await self.cloud.stop()

    async def remember(self, sender: Identity, days_ago: float, bodies: range) -> None:
        """Take messages, some days ago."""
        self.clock.shift = -days_ago * DAY
        for first in range(bodies.start, bodies.stop, 5000):
            some = range(first, min(first + 5000, bodies.stop))
            await asyncio.gather(*(self.edge.hub.submit(sender, Message(b"%d" % number)) for number in some))
        self.clock.shift = 0.0

    def client(self, identity: Identity) -> HubConnection:
        tokens = key_tokens(HUB, identity, self.edge.directory.key(identity))
        return HubConnection(self.edge.endpoint, HUB, identity, tokens, OPTIONS)

    async def arrived(self, sender: Identity, start: int = 0) -> list[bytes]:
        """What the cloud has of a sender, in order."""
        found: list[bytes] = []
        while events := await self.cloud.events.read(start, 10_000):
            found += [event.message.body for event in events if event.message.sender == sender]
            start = events[-1].offset + 1
        return found

    def accounts(self) -> Counters:
        counters = self.upstream.counters
        assert counters.accepted == counters.delivered + counters.expired + counters.dropped + counters.pending
        return counters


@pytest.fixture
async def farm(tmp_path: Path) -> AsyncIterator[Farm]:
    farm = Farm(tmp_path, time_to_live=int(7 * DAY))
    await farm.start()
    yield farm
    await farm.stop()


async def until(condition: Callable[[], bool | Awaitable[bool]], within: float = 60.0) -> None:
    async with asyncio.timeout(within):
        while True:
            answer = condition()
            if answer if isinstance(answer, bool) else await answer:
                return
            await asyncio.sleep(0.02)


async def test_a_hundred_thousand_messages_of_days_ago_do_not_hold_up_a_fresh_one(farm: Farm) -> None:
    await farm.remember(CAMERA, 3, range(BACKLOG))
    assert farm.accounts() == Counters(BACKLOG, pending=BACKLOG)
    await farm.cloud.start()
    async with farm.client(SENSOR) as sensor:
        await until(lambda: farm.accounts().delivered > 500)
        for number in range(20):
            await sensor.send(Message(b"%d" % number), timeout=10)
        queue = farm.upstream.open(SENSOR).queue
        await until(lambda: queue.counters.delivered == 20)
        assert farm.accounts().pending > BACKLOG / 2, "what is fresh did not wait for what is old"

    assert await farm.arrived(SENSOR) == [b"%d" % number for number in range(20)]
    await until(lambda: farm.accounts().delivered > 5000)
    arrived = await farm.arrived(CAMERA)
    assert arrived == [b"%d" % number for number in range(len(arrived))]


async def test_a_backlog_goes_up_no_faster_than_its_pace(farm: Farm) -> None:
    await farm.remember(CAMERA, 3, range(4000))
    begun = asyncio.get_running_loop().time()
    await farm.cloud.start()

    await until(lambda: farm.accounts() == Counters(4000, 4000))
    assert asyncio.get_running_loop().time() - begun > 4000 / RATE - 0.1
    assert await farm.arrived(CAMERA) == [b"%d" % number for number in range(4000)]


async def test_two_backlogs_are_caught_up_with_side_by_side(farm: Farm) -> None:
    await farm.remember(CAMERA, 2, range(4000))
    await farm.remember(SENSOR, 1, range(4000))
    await farm.cloud.start()
    await until(lambda: farm.accounts().delivered == 8000)
    senders = [event.message.sender for event in await farm.cloud.events.read(0, 8000)]

    half = senders[:4000].count(SENSOR)
    assert 1000 < half < 3000, "neither waited for the other"


async def test_what_outlived_its_time_is_accounted_for_and_not_sent(tmp_path: Path) -> None:
    farm = Farm(tmp_path, time_to_live=int(DAY))
    await farm.start()
    await farm.remember(CAMERA, 2, range(50))
    await farm.remember(CAMERA, 0.5, range(50, 80))
    await farm.cloud.start()

    await until(lambda: farm.accounts() == Counters(80, 30, expired=50))
    assert await farm.arrived(CAMERA) == [b"%d" % number for number in range(50, 80)]
    await farm.stop()


@given(st.lists(st.floats(0, 3), min_size=1, max_size=200), st.floats(1, 1000))
def test_no_more_turns_are_given_than_the_rate_has(pauses: list[float], rate: float) -> None:
    """Over any stretch of time; and turns come in the order in which they were asked for."""
    pace, now, turns = Pace(rate), 0.0, []
    for pause in pauses:
        now += pause
        turns.append(now + pace.turn(now))
    assert turns == sorted(turns)
    assert all(later - earlier >= (1 - 1e-6) / rate for earlier, later in pairwise(turns))
