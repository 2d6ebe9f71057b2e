"""A hub that is killed again and again under load, and whose disk keeps what it likes of what was not flushed.

Nothing that it acknowledged is missing in the end, every sender's messages come in order, and every account adds up
after every start.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import pytest

from hotori.model.identity import Identity
from hotori.mqtt.packets import Puback, Publish
from hotori.mqtt.topics import Telemetry, inputs_filter
from hotori.testing.addresses import loopback_address
from hotori.testing.small_hub import SmallHub
from hotori.testing.wire_client import WireClient
from hotori.testing.witnessed_disk import tear
from tests.crash.place import CLASSIFIER, SENDERS, cloud_hub, edge_hub

KILLS = int(os.environ.get("KILLS", "60"))
SEED = int(os.environ.get("SEED", "1"))
WINDOW = 20
CAMERA, SENSOR = SENDERS[:2]


@dataclass
class Sender:
    """Sends numbers in order, and again what was not acknowledged when it connects anew, as every SDK does."""

    identity: Identity
    acknowledged: int = 0
    """All numbers below have been."""

    async def send(self, hub: SmallHub) -> None:
        """Until the hub is gone."""
        client = await WireClient.connect(hub, self.identity)
        number = self.acknowledged
        try:
            while True:
                while number - self.acknowledged < WINDOW:
                    client.send(Publish(self._topic(number), self._body(number), 1, number % 60_000 + 1))
                    number += 1
                answer = await client.expect(Puback)
                assert answer.packet_id == self.acknowledged % 60_000 + 1
                self.acknowledged += 1
        finally:
            await client.close()

    @property
    def expected(self) -> list[int]:
        """The numbers that must arrive: every tenth of the camera has no route."""
        return [number for number in range(self.acknowledged) if not self._goes_nowhere(number)]

    def _goes_nowhere(self, number: int) -> bool:
        return self.identity == CAMERA and number % 10 == 9

    def _topic(self, number: int) -> str:
        output = "nowhere" if self._goes_nowhere(number) else "pictures"
        bag = f"kind=picture&%24.on={output}" if self.identity == CAMERA else "kind=value"
        return Telemetry(self.identity, bag).format()

    def _body(self, number: int) -> bytes:
        return f"{self.identity} {number} ".encode().ljust(250, b".")


class Arrivals:
    """What came to one place, by sender."""

    def __init__(self) -> None:
        self._first: dict[str, list[int]] = defaultdict(list)
        self._seen: set[tuple[str, int]] = set()

    def note(self, body: bytes) -> None:
        sender, number, _ = body.decode().split(" ")
        if (sender, int(number)) not in self._seen:
            self._seen.add((sender, int(number)))
            self._first[sender].append(int(number))

    def has(self, sender: Sender) -> bool:
        expected = sender.expected
        return not expected or (str(sender.identity), expected[-1]) in self._seen

    def check(self, sender: Sender) -> None:
        """Nothing is missing, and what came for the first time came in order."""
        found = self._first[str(sender.identity)]
        assert found == sorted(found)
        assert set(sender.expected) <= set(found)


async def consume(hub: SmallHub, arrivals: Arrivals) -> None:
    """Take and acknowledge what comes to the classifier, until the hub is gone."""
    client = await WireClient.connect(hub, CLASSIFIER)
    try:
        await client.subscribe(inputs_filter(CLASSIFIER))
        while True:
            delivered = await client.expect(Publish)
            arrivals.note(delivered.payload)
            client.send(Puback(delivered.packet_id))
    finally:
        await client.close()


class Hub:
    """The program, its hub as a client sees it, and what it said when it began."""

    def __init__(self, folder: Path, above: SmallHub) -> None:
        self.folder = folder
        self.seen = edge_hub(folder, loopback_address())
        self._above = above
        self._process: asyncio.subprocess.Process

    async def __aenter__(self) -> Hub:
        self.folder.mkdir()
        arguments = (str(self.folder), self.seen.address, self._above.address, str(self._above.port))
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.crash.hub_program", *arguments),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._process.wait()

    async def start(self) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(b"start\n")
        return await self._said()

    async def kill(self, pid: int) -> None:
        os.kill(pid, signal.SIGKILL)
        assert await self._said() == {"ended": pid}

    async def ended(self) -> None:
        """Wait for a hub that was asked to end, once it has delivered what waits from all its lives."""
        assert "ended" in await self._said(30 + KILLS)

    async def _said(self, patience: float = 30) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = await asyncio.wait_for(self._process.stdout.readline(), patience)
        answer: dict[str, Any] = json.loads(line)
        return answer


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[SmallHub]:
    async with cloud_hub(tmp_path / "cloud", loopback_address()) as cloud:
        yield cloud


class Load:
    """All senders and the classifier, for as long as a hub lives."""

    def __init__(self, hub: SmallHub, senders: list[Sender], arrivals: Arrivals) -> None:
        work = [consume(hub, arrivals), *(sender.send(hub) for sender in senders)]
        self._tasks = [asyncio.create_task(one) for one in work]

    async def end(self) -> None:
        """The hub is gone: nobody may have met anything else than that."""
        for outcome in await asyncio.gather(*self._tasks, return_exceptions=True):
            assert isinstance(outcome, ConnectionError), outcome


def check_accounts(said: dict[str, Any], senders: dict[Identity, Sender]) -> None:
    """What a hub says after a start covers at least everything that was acknowledged before."""
    accepted: dict[tuple[str, str], int] = defaultdict(int)
    for endpoint, route, count, delivered in said["accounts"]:
        assert delivered <= count
        accepted[endpoint, route] += count
    assert said["lost"] == 0
    assert set(said["problems"]) <= {"log-torn"}
    camera = senders[CAMERA]
    assert accepted["module:classifier/pictures", "pictures"] >= len(camera.expected)
    assert said["unrouted"] >= camera.acknowledged - len(camera.expected)
    assert accepted["module:classifier/values", "both"] >= senders[SENSOR].acknowledged
    for sender in SENDERS[1:]:
        assert accepted[f"upstream/{sender}", "up"] >= senders[sender].acknowledged
    assert not any(route == "hidden" for _, route in accepted)


async def settle(hub: Hub, cloud: SmallHub, senders: list[Sender], arrivals: Arrivals) -> Arrivals:
    """Let everything arrive, and end the hub cleanly; what has come to the cloud."""
    said = await hub.start()
    consuming = asyncio.create_task(consume(hub.seen, arrivals))
    os.kill(said["pid"], signal.SIGTERM)
    await hub.ended()
    with contextlib.suppress(ConnectionError):
        await consuming
    above, at = Arrivals(), 0
    while events := await cloud.events.read(at):
        for event in events:
            above.note(event.message.body)
        at = events[-1].offset + 1
    return above


@pytest.mark.timeout(900)
async def test_nothing_acknowledged_is_lost_however_often_the_hub_is_killed(tmp_path: Path, cloud: SmallHub) -> None:
    random = Random(SEED)
    senders = {identity: Sender(identity) for identity in SENDERS}
    arrivals = Arrivals()
    begun, starts, torn = time.monotonic(), [], 0
    async with Hub(tmp_path / "edge", cloud) as hub:
        for _ in range(KILLS):
            said = await hub.start()
            starts.append(said["seconds"])
            check_accounts(said, senders)
            load = Load(hub.seen, list(senders.values()), arrivals)
            await asyncio.sleep(random.uniform(0.02, 0.2))
            await hub.kill(said["pid"])
            await load.end()
            torn += tear(hub.folder / "queues", hub.folder / "witness", random) > 0
        above = await settle(hub, cloud, list(senders.values()), arrivals)

    for sender in senders.values():
        if sender.identity in (CAMERA, SENSOR):
            arrivals.check(sender)
        if sender.identity != CAMERA:
            above.check(sender)
    async with hub.seen as restarted:
        accounts = restarted.hub.queues.accounts()
        assert all(account.counters.accepted == account.counters.delivered for account in accounts)
    messages = sum(sender.acknowledged for sender in senders.values())
    assert messages > KILLS
    print(
        f"\n{KILLS} kills in {time.monotonic() - begun:.0f} s, {torn} with an unflushed tail, {messages} messages "
        f"acknowledged; a start took {sorted(starts)[len(starts) // 2]:.3f} s, at most {max(starts):.3f} s"
    )
