"""The hub on the loop that it runs on in earnest, whose transports are not asyncio's own."""

from __future__ import annotations

import asyncio
from pathlib import Path

import uvloop

from hotori.model.identity import Identity
from hotori.mqtt.packets import Puback, Publish
from hotori.mqtt.topics import DESIRED_CHANGES
from hotori.testing.addresses import loopback_address
from hotori.testing.small_hub import BookDirectory, SmallHub
from hotori.testing.wire_client import WireClient

DEVICE = Identity("dev-1")


async def journey(folder: Path) -> None:
    async with SmallHub(folder / "hub", loopback_address(), BookDirectory("dev-1")) as hub:
        client = await WireClient.connect(hub, DEVICE)
        await client.subscribe(DESIRED_CHANGES)
        client.send(*[Publish("devices/dev-1/messages/events/", bytes(100_000), 1, n) for n in range(1, 51)])
        assert [(await client.expect(Puback)).packet_id for _ in range(50)] == list(range(1, 51))
        await hub.hub.twins.patch_desired(DEVICE, {"a": 1})
        assert (await client.expect_publish()).payload == b'{"a":1,"$version":2}'

        client._reader._transport.pause_reading()  # type: ignore[attr-defined]
        while hub.hub.sessions.connected(DEVICE):
            await hub.hub.twins.patch_desired(DEVICE, {f"key{n}": "x" * 4000 for n in range(8)})
        await client.close()
        again = await WireClient.connect(hub, DEVICE)
        assert again.session_present
        await hub.stop()
        await again.expect_closed()


def test_a_hub_on_uvloop_over_tls(tmp_path: Path) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(journey(tmp_path))
