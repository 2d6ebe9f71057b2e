"""A hub that is killed in the middle of its work: nothing that it acknowledged may be missing afterwards."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from pathlib import Path

from hotori.model.identity import Identity
from hotori.model.manifest import HubConfig, RouteSpec
from hotori.mqtt.packets import Pingreq, Pingresp, Puback, Publish
from hotori.mqtt.topics import Telemetry, inputs_filter
from hotori.routing.router import Router
from hotori.testing.addresses import loopback_address
from hotori.testing.small_hub import BookDirectory, SmallHub
from hotori.testing.wire_client import WireClient

CAMERA, CLASSIFIER = Identity("edge-1", "camera"), Identity("edge-1", "classifier")
KILLS = 2
_ROUTE = 'FROM /messages/modules/camera/* INTO BrokeredEndpoint("/modules/classifier/inputs/pictures")'
_TOPIC = Telemetry(CAMERA).format()


def small_hub(folder: Path, address: str) -> SmallHub:
    directory = BookDirectory("edge-1", "edge-1/camera", "edge-1/classifier")
    router = Router.compile(HubConfig({"one": RouteSpec("one", _ROUTE)}))
    return SmallHub(folder, address, directory, device="edge-1", router=router, tls=False)


async def serve(folder: Path, address: str) -> None:
    """What the process that is to be killed does."""
    async with small_hub(folder, address):
        print("ready", flush=True)
        await asyncio.Event().wait()


async def start(folder: Path, address: str) -> asyncio.subprocess.Process:
    process = await asyncio.create_subprocess_exec(
        sys.executable, __file__, str(folder), address, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    assert await asyncio.wait_for(process.stdout.readline(), 30) == b"ready\n"
    return process


async def publish(hub: SmallHub, first: int, acknowledged: list[int]) -> None:
    """Send numbers as fast as they are acknowledged, until the hub is gone."""
    client = await WireClient.connect(hub, CAMERA)
    number = first
    waiting: list[int] = []
    try:
        while True:
            while len(waiting) < 50:
                client.send(Publish(_TOPIC, b"%d" % number, 1, number % 60_000 + 1))
                waiting.append(number)
                number += 1
            await client.expect(Puback)
            acknowledged.append(waiting.pop(0))
    except OSError:
        await client.close()


async def consume(hub: SmallHub, received: list[int], count: int) -> None:
    """Take some deliveries and acknowledge them; ends with the connection."""
    client = await WireClient.connect(hub, CLASSIFIER)
    await client.subscribe(inputs_filter(CLASSIFIER))
    with contextlib.suppress(OSError):
        for _ in range(count):
            delivered = await client.expect(Publish)
            received.append(int(delivered.payload))
            client.send(Puback(delivered.packet_id))
        client.send(Pingreq())
        await client.expect(Pingresp)
    await client.close()


async def test_nothing_that_was_acknowledged_is_lost_when_the_hub_is_killed(tmp_path: Path) -> None:
    address, folder = loopback_address(), tmp_path / "hub"
    hub = small_hub(folder, address)
    acknowledged: list[int] = []
    received: list[int] = []
    for turn in range(KILLS):
        process = await start(folder, address)
        first = (acknowledged[-1] if acknowledged else 0) + turn * 1000
        begun = len(acknowledged)
        publishing = asyncio.create_task(publish(hub, first, acknowledged))
        consuming = asyncio.create_task(consume(hub, received, 100))
        async with asyncio.timeout(20):
            while len(acknowledged) - begun < 300:
                await asyncio.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        await asyncio.gather(publishing, consuming, process.wait())

    async with hub:
        accounts = hub.hub.queues.total("module:classifier")
        assert accounts.accepted == accounts.delivered + accounts.pending
        await consume(hub, received, accounts.pending)
        counters = hub.hub.queues.total("module:classifier")
        assert counters.pending == 0
    assert set(acknowledged) <= set(received)
    assert len(acknowledged) >= KILLS * 300


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), sys.argv[2]))
