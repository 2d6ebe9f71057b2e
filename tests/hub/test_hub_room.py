"""Queues that are full, or soon will be: what goes, who waits, and what is said of it (contract 3.3)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from hotori.hub.account import Counters
from hotori.hub.envelope import Delivery
from hotori.hub.forecast import Forecast, spoken
from hotori.hub.queue import Queue
from hotori.hub.queues import Queues
from hotori.hub.room import Room
from hotori.hub.store_limits import LEAST_CAPACITY, StoreLimits, drop_oldest
from hotori.model.identity import Identity
from hotori.model.manifest import HubConfig, RouteSpec, WhenFull
from hotori.model.message import Message
from hotori.mqtt.packets import Puback, Publish
from hotori.mqtt.packets5 import Puback5, Publish5, Reason
from hotori.mqtt.topics import TWIN_RESPONSES, Telemetry, TwinGet
from hotori.routing.router import Router
from hotori.store.segments import SegmentLog
from hotori.store.sqlite import SqliteRecords
from hotori.testing.addresses import loopback_address
from hotori.testing.small_hub import BookDirectory, SmallHub
from hotori.testing.wire_client import WireClient
from hotori.testing.wire_client5 import WireClient5

CAMERA = Identity("edge-1", "camera")
SMALL = StoreLimits(capacity=40_000)


def watched(*sizes: int, every: float = 60.0) -> Forecast:
    forecast = Forecast()
    for number, size in enumerate(sizes):
        forecast.note(number * every, size)
    return forecast


def test_a_steady_growth_says_when_it_will_be_full() -> None:
    assert watched(1000, 2000, 3000).seconds_left(13_000) == 600.0


def test_what_shrinks_or_was_hardly_watched_has_no_forecast() -> None:
    assert watched().seconds_left(1000) is None
    assert watched(3000, 2000).seconds_left(13_000) is None
    assert watched(1000, 2000, every=6.0).seconds_left(13_000) is None


def test_only_the_last_ten_minutes_count() -> None:
    assert watched(0, 100_000, *range(100_000, 100_012)).seconds_left(100_021) == pytest.approx(600.0)


@pytest.mark.parametrize(
    ("seconds", "en", "ja"),
    [
        (11_400, "3 h 10 min", "3時間10分"),
        (20, "0 min", "0分"),
        (3600, "1 h", "1時間"),
        (200_000, "2 d 7 h", "2日7時間"),
    ],
)
def test_durations_are_said_as_people_say_them(seconds: float, en: str, ja: str) -> None:
    assert (spoken(seconds).en, spoken(seconds).ja) == (en, ja)


def test_a_room_that_fills_says_when_it_will_be_full() -> None:
    room = Room(StoreLimits(capacity=10_000))
    for minute in range(8):
        room.measure(1000 * minute, 1 << 40, 60.0 * minute)
    (problem,) = room.problems
    assert problem.code == "queues-filling"
    assert problem.title() == "The queues are 70 % full, and wholly in 3 min"


def test_a_disk_that_fills_is_a_limit_too() -> None:
    room = Room(StoreLimits(capacity=1 << 40))
    for minute in range(8):
        room.measure(1000 * minute, 20_000 - 2000 * minute, 60.0 * minute)
    assert [problem.values["capacity"] for problem in room.problems] == ["13000"]


def test_the_configuration_says_how_much_and_what_goes() -> None:
    """3.3"""
    config = HubConfig.parse(
        {
            "schemaVersion": "1.2",
            "routes": {
                "pictures": {"route": "FROM /* INTO $upstream", "whenFull": "dropOldest"},
                "alarms": "FROM /* INTO $upstream",
            },
            "storeAndForwardConfiguration": {"timeToLiveSecs": 10, "storeLimits": {"maxSizeBytes": 1_000_000_000}},
        }
    )
    assert StoreLimits.of(config) == StoreLimits(1_000_000_000, frozenset({"pictures"}))
    assert StoreLimits.of(HubConfig({}, most_bytes=5)).capacity == LEAST_CAPACITY
    assert StoreLimits.of(HubConfig({})) == StoreLimits()


def queue_of(*messages: tuple[str, int]) -> Queue:
    queue = Queue("q")
    for offset, (route, priority) in enumerate(messages):
        queue.add(range(offset, offset + 1), priority, 0.0, route)
    return queue


def left(queue: Queue) -> list[int]:
    return sorted(queue.pending())


def test_the_lowest_priority_goes_first_and_then_the_oldest() -> None:
    messages = [("a", 1), ("b", 5), ("a", 1), ("c", 5), ("b", 5), ("keep", 9)]
    droppable = frozenset("abc")
    for count, expected in ((1, [0, 2, 3, 4, 5]), (2, [0, 2, 4, 5]), (3, [0, 2, 5]), (4, [2, 5]), (9, [5])):
        queue = queue_of(*messages)
        assert drop_oldest([queue], droppable, count) == 6 - len(expected)
        assert left(queue) == expected


def test_what_is_on_its_way_is_not_dropped() -> None:
    queue = queue_of(("a", 1), ("a", 1), ("a", 1))
    assert queue.take(0.0)
    assert drop_oldest([queue], frozenset("a"), 9) == 2
    assert left(queue) == [0]


class Place:
    """Queues over real stores with little room."""

    def __init__(self, folder: Path, limits: StoreLimits) -> None:
        self.records = SqliteRecords.open(folder / "records.db")
        self.log = SegmentLog.open(folder / "log", segment_bytes=4096)
        self.queues = Queues(self.log, self.records, lambda: 0.0, limits=limits, checkpoint=0.02)

    def send(self, route: str = "r", priority: int = 1, endpoint: str = "a/x") -> asyncio.Future[int]:
        message = Message(bytes(400), {}, {}, CAMERA, None, 0.0)
        return self.queues.submit(message, (Delivery(endpoint, priority, 0.0, route),))

    async def fill(self, route: str = "r") -> list[asyncio.Future[int]]:
        """Send until some have to wait; those."""
        async with asyncio.timeout(20):
            while True:
                sent = [self.send(route) for _ in range(5)]
                await asyncio.wait(sent, timeout=0.5)
                if waiting := [each for each in sent if not each.done()]:
                    return waiting

    def take(self, count: int, endpoint: str = "a/x") -> None:
        queue = self.queues.queue(endpoint)
        for _ in range(count):
            item = queue.take(0.0)
            assert item is not None
            queue.deliver(item)

    @property
    def codes(self) -> list[str]:
        return [problem.code for problem in self.queues.problems]

    async def close(self) -> None:
        await self.queues.close()
        await self.records.close()


@pytest.fixture
async def open_place() -> AsyncIterator[Callable[[Path, StoreLimits], Place]]:
    places: list[Place] = []

    def open_(folder: Path, limits: StoreLimits) -> Place:
        places.append(Place(folder, limits))
        return places[-1]

    yield open_
    for place in places:
        await place.close()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


async def test_at_the_limit_new_messages_wait_and_go_on_in_order_when_there_is_room(
    open_place: Callable[[Path, StoreLimits], Place], tmp_path: Path
) -> None:
    """3.3: no acknowledgement while it is full"""
    place = open_place(tmp_path, SMALL)
    await place.queues.start()
    told: list[list[str]] = []
    place.queues.watchers.append(lambda: told.append(place.codes))
    waiting = await place.fill()
    assert place.log.size < SMALL.capacity + 10_000
    await until(lambda: place.codes == ["queues-blocked"])

    place.take(40)
    offsets = await asyncio.gather(*waiting)
    assert list(offsets) == sorted(offsets)
    await until(lambda: place.codes == [])
    assert [each for each in told if each != ["queues-filling"]] == [["queues-blocked"], []]
    assert place.queues.counters()["a/x"].dropped == 0
    assert await place.send() == offsets[-1] + 1


async def test_a_sender_who_has_gone_waits_no_more(
    open_place: Callable[[Path, StoreLimits], Place], tmp_path: Path
) -> None:
    place = open_place(tmp_path, SMALL)
    await place.queues.start()
    gone, *others = await place.fill()
    gone.cancel()
    accepted = place.queues.counters()["a/x"].accepted
    place.take(40)
    await asyncio.gather(*others)
    assert place.queues.counters()["a/x"].accepted == accepted + len(others)


async def test_who_waits_no_more_takes_no_memory() -> None:
    """Senders may come and go for days while there is no room"""
    room, message = Room(SMALL), Message(b"")
    for _ in range(20):
        gone = room.hold(bytes(1 << 20), message, ())
        gone.cancel()
        await asyncio.sleep(0)
    assert not room.pressed
    room.hold(b"first", message, ())
    room.hold(b"second", message, ())
    taken = room.next_held(1)
    room.hold_again(taken)
    assert [each.data for each in room.next_held(9)] == [b"first", b"second"]
    assert room.problems == []


async def test_a_route_that_allows_it_lets_its_oldest_go(
    open_place: Callable[[Path, StoreLimits], Place], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    place = open_place(tmp_path, StoreLimits(SMALL.capacity, frozenset({"pictures"})))
    said: set[str] = set()  # at any time: it is over as soon as there is room again
    place.queues.watchers.append(lambda: said.update(place.codes))
    await place.queues.start()
    await asyncio.gather(*(place.send("alarms") for _ in range(20)))
    for _ in range(40):
        await asyncio.gather(*(place.send("pictures", priority=7) for _ in range(5)))
        assert place.log.size < SMALL.capacity + 10_000
    alarms, pictures = (account.counters for account in place.queues.accounts())
    assert alarms == Counters(accepted=20, pending=20)
    assert pictures.accepted == 200
    assert pictures.dropped > 100
    assert pictures.accepted == pictures.dropped + pictures.pending
    assert "waiting messages were dropped" in caplog.text
    await until(lambda: "queues-full" in said)


async def test_one_old_message_that_nobody_takes_does_not_hold_the_room_of_all_others(
    open_place: Callable[[Path, StoreLimits], Place], tmp_path: Path
) -> None:
    place = open_place(tmp_path, SMALL)
    await place.queues.start()
    await place.send(endpoint="module:away/in")
    async with asyncio.timeout(20):
        for _ in range(60):
            await asyncio.gather(*(place.send() for _ in range(5)))
            place.take(5)
    assert place.log.first == 0
    assert place.log.size < SMALL.capacity + 10_000
    place.take(1, "module:away/in")


async def test_a_full_disk_makes_senders_wait_and_goes_on_by_itself(
    open_place: Callable[[Path, StoreLimits], Place], small_disk: Path
) -> None:
    """D20"""
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(600_000))
    place = open_place(small_disk, StoreLimits())
    await place.queues.start()
    confirmed = 0
    while "disk-full" not in place.codes:
        outcomes = await asyncio.gather(*(place.send() for _ in range(20)), return_exceptions=True)
        confirmed += sum(isinstance(outcome, int) for outcome in outcomes)
    waiting = [place.send() for _ in range(3)]
    await until(lambda: place.codes == ["disk-full", "queues-blocked"])
    assert not any(each.done() for each in waiting)

    ballast.unlink()
    await asyncio.gather(*waiting)
    await until(lambda: place.codes == [])
    assert len(place.queues.queue("a/x")) == confirmed + 3
    await place.close()

    again = open_place(small_disk, StoreLimits())
    await again.queues.start()
    assert again.queues.counters()["a/x"] == Counters(accepted=confirmed + 3, pending=confirmed + 3)


@pytest.fixture
async def narrow(tmp_path: Path) -> AsyncIterator[SmallHub]:
    """An edge hub with little room, whose camera sends upstream."""
    routes = {"up": RouteSpec("up", "FROM /* INTO $upstream", when_full=WhenFull.REFUSE)}
    (tmp_path / "hub").mkdir()
    async with SmallHub(
        tmp_path / "hub",
        loopback_address(),
        BookDirectory("edge-1", str(CAMERA)),
        device="edge-1",
        router=Router.compile(HubConfig(routes)),
        tls=False,
        checkpoint=0.02,
        limits=SMALL,
        segment_bytes=4096,
    ) as hub:
        yield hub


async def test_a_client_is_kept_waiting_for_its_acknowledgement_and_for_nothing_else(narrow: SmallHub) -> None:
    """3.3"""
    client = await WireClient.connect(narrow, CAMERA)
    await client.subscribe(TWIN_RESPONSES)
    for number in range(1, 201):
        client.send(Publish(Telemetry(CAMERA).format(), bytes(400), 1, number))
    queue = narrow.hub.queues.queue("upstream/edge-1/camera")
    await until(lambda: "queues-blocked" in [problem.code for problem in narrow.hub.queues.problems])
    client.send(Publish(TwinGet("1").format(), b""))
    assert "/res/200/" in (await client.expect_publish()).topic

    await deliver(queue, 200)
    assert [(await client.expect(Puback)).packet_id for _ in range(200)] == list(range(1, 201))
    await client.close()


async def test_who_can_be_told_that_the_queues_are_full_is_told_after_a_while(narrow: SmallHub) -> None:
    """3.3, MQTT 5 3.4.2.1: 0x97, and what is refused is not in the queues"""
    narrow.hub.room_seconds = 0.5
    client = await WireClient5.connect(narrow, CAMERA)
    for number in range(1, 201):
        client.send(Publish5(Telemetry(CAMERA).format(), bytes(400), 1, number))
    answers = [await client.expect(Puback5) for _ in range(200)]
    assert [answer.packet_id for answer in answers] == list(range(1, 201))
    refused = [answer for answer in answers if answer.reason == Reason.QUOTA_EXCEEDED]
    taken = [answer for answer in answers if answer.reason == Reason.SUCCESS]
    assert refused
    assert taken
    assert len(refused) + len(taken) == 200
    assert refused[0].properties.reason == "the queues are full: send it again later"
    queue = narrow.hub.queues.queue("upstream/edge-1/camera")
    await until(lambda: narrow.hub.queues.problems == [])
    assert queue.counters == Counters(accepted=len(taken), pending=len(taken))

    await deliver(queue, len(taken))
    narrow.hub.room_seconds = 30.0
    client.send(Publish5(Telemetry(CAMERA).format(), b"again", 1, 1))
    assert (await client.expect(Puback5)).reason == Reason.SUCCESS
    await client.close()


async def test_what_waits_goes_with_its_sender(narrow: SmallHub) -> None:
    """3.3: a client that leaves sends again what was not acknowledged"""
    client = await WireClient5.connect(narrow, CAMERA)
    for number in range(1, 201):
        client.send(Publish5(Telemetry(CAMERA).format(), bytes(400), 1, number))
    await until(lambda: "queues-blocked" in [problem.code for problem in narrow.hub.queues.problems])
    queue = narrow.hub.queues.queue("upstream/edge-1/camera")
    await client.close()
    await until(lambda: not narrow.hub.sessions.connected(CAMERA))
    for _ in range(25):  # checkpoints, at each of which what waits is let in
        await deliver(queue, len(queue))
        await asyncio.sleep(0.02)
    assert queue.counters.accepted < 200
    assert narrow.hub.queues.problems == []


async def deliver(queue: Queue, count: int) -> None:
    """Take and settle so many, as they come."""
    for _ in range(count):
        if (item := queue.take(0.0)) is None:
            await until(lambda: queue.urgency() < (1 << 60, 0))
            item = queue.take(0.0)
        assert item
        queue.deliver(item)
