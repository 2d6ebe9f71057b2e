"""Who may open a stream, what a ticket is worth, and what is on record."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from hotori.edge.streams.device_streams import StreamRules
from hotori.edge.streams.way_up import WayUp
from hotori.model.connection_string import IdentityConnection
from hotori.model.identity import EDGE_AGENT, Identity
from hotori.model.json import JsonObject
from hotori.model.sas import sign
from hotori.net.tls import client_context
from hotori.problems import Language, Problem
from hotori.sdk.connection_file import HubAddress
from hotori.sdk.stream import PATH, SUBPROTOCOL, StreamConnection
from hotori.testing.addresses import loopback_address
from hotori.testing.cloud_hub import CloudHub
from tests.edge.stream_site import (
    a_site,
    eventually,
    everything,
    heard,
    refusal,
)


async def test_a_device_may_refuse_shells_and_still_show_its_logs(tmp_path: Path) -> None:
    async with a_site(tmp_path, streams=StreamRules(shells=False)) as site:
        refused = await site.problem(site.shell())
        async with await site.follow() as stream:
            await heard(stream, lambda text, _: b"line" in text)
    assert (refused.code, "shell = false" in refused.cause(Language.JA)) == ("shell-refused", True)


async def test_a_right_is_needed_and_that_to_a_shell_is_one_of_its_own(tmp_path: Path) -> None:
    async with a_cloud_hub(tmp_path) as (hub, camera):
        codes = {}
        for policy in ("registryReadWrite", "service", "device", "shell"):
            async with hub.client(policy) as caller:
                for kind in ("logs", "shell"):
                    with pytest.raises(Problem) as caught:
                        await caller.ask("POST", f"/devices/{camera.device}/modules/{camera.module}/{kind}", {})
                    codes[policy, kind] = caught.value.code
    allowed = {("service", "logs"), ("shell", "logs"), ("shell", "shell")}
    assert codes == {pair: "device-offline" if pair in allowed else "right-missing" for pair in codes}


@asynccontextmanager
async def a_cloud_hub(folder: Path) -> AsyncIterator[tuple[CloudHub, Identity]]:
    """A cloud's hub with an edge device that is not there."""
    async with CloudHub(folder, loopback_address()) as hub, hub.client() as caller:
        await caller.add_device("edge-1", edge=True)
        yield hub, Identity("edge-1", "camera")


async def test_a_device_that_knows_no_streams_is_named(tmp_path: Path) -> None:
    async with a_cloud_hub(tmp_path) as (hub, _), hub.client() as caller:

        async def old(name: str, payload: Any) -> tuple[int, Any]:
            return 400, {"message": f"{name} is not a method of the agent"}

        async with an_agent(hub, old):
            with pytest.raises(Problem) as caught:
                await eventually(lambda: caller.ask("POST", "/devices/edge-1/modules/camera/logs", {}))
    assert (caught.value.code, "400" in caught.value.cause(Language.JA)) == ("stream-unsupported", True)


async def test_a_ticket_opens_one_end_once_and_only_for_whom_it_was_made(tmp_path: Path) -> None:
    async with a_site(tmp_path) as site:
        context = client_context(site.cloud.connection.ca)

        async def dial(hello: JsonObject) -> StreamConnection:
            return await StreamConnection.dial(site.hub, context, hello)

        opened = await site.caller.ask("POST", "/devices/edge-1/modules/camera/logs", {})
        connection = await dial({"ticket": opened["ticket"]})
        assert (await connection.read()).find(b"line") > 0
        refused = [await refusal(dial({"ticket": ticket})) for ticket in (opened["ticket"], "made up", None)]
        await connection.close()

    assert [problem.code for problem in refused] == ["stream-ticket-refused"] * 3
    assert "30" in refused[0].cause(Language.JA)


@pytest.mark.parametrize(
    "line",
    [b"[" * 5000, b"9" * 5000, b'{"ticket": "\xff"}', b"", b"null"],
    ids=["nested", "digits", "no text", "", "null"],
)
async def test_whatever_a_stranger_says_first_is_answered(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, line: bytes
) -> None:
    async with a_cloud_hub(tmp_path) as (hub, _), asyncio.timeout(20):
        context = client_context(hub.authority.certificate)
        where = f"wss://{hub.host}{PATH}"
        async with connect(where, ssl=context, subprotocols=[Subprotocol(SUBPROTOCOL)], proxy=None) as websocket:
            await websocket.send(line + b"\n")
            answer = json.loads(await websocket.recv())
    assert answer["problem"]["code"] == "stream-ticket-refused"
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


async def test_a_devices_ticket_is_worth_nothing_without_a_token_of_it_or_of_a_parent(tmp_path: Path) -> None:
    async with a_cloud_hub(tmp_path) as (hub, _), hub.client() as caller:
        await caller.add_device("edge-2", edge=True)
        address = HubAddress(hub.address, 8883, hub.https_port)
        found: list[str] = []

        async def thief(name: str, payload: Any) -> tuple[int, Any]:
            for device, signer in (("edge-1", "edge-2"), ("edge-2", "edge-2")):
                key = (await hub.registry.get(Identity(signer))).primary
                token = sign(f"{hub.address}/{Identity(device).path()}", key, int(hub.clock()) + 60)
                hello = {"ticket": payload["ticket"], "device": device, "authorization": token}
                context = client_context(hub.authority.certificate)
                found.append((await refusal(StreamConnection.dial(address, context, hello))).code)
            return 500, None

        async with an_agent(hub, thief):
            with pytest.raises(Problem):
                await eventually(lambda: caller.ask("POST", "/devices/edge-1/modules/camera/shell", {}))
    assert found == ["signature-wrong", "identity-elsewhere"]


async def test_a_ticket_that_nobody_uses_is_void_after_its_time(tmp_path: Path) -> None:
    async with a_cloud_hub(tmp_path) as (hub, _), hub.client() as caller:
        hub.services.streams.ticket_seconds = 0.5
        address, context = HubAddress(hub.address, 8883, hub.https_port), client_context(hub.authority.certificate)
        device = IdentityConnection.parse(await hub.connection_string(Identity("edge-1")))
        come: list[StreamConnection] = []

        async def willing(name: str, payload: Any) -> tuple[int, Any]:
            come.append(await WayUp(address, context, device, time.time).dial(payload["ticket"]))
            return 200, None

        async with an_agent(hub, willing):
            opened = await eventually(lambda: caller.ask("POST", "/devices/edge-1/modules/camera/logs", {}))
            async with asyncio.timeout(10):
                assert await come[0].read() == b""
            late = await refusal(StreamConnection.dial(address, context, {"ticket": opened["ticket"]}))
            await come[0].close()
    assert come[0].answer["order"]["by"] == "iothubowner"
    assert (late.code, "0.5" in late.cause(Language.JA)) == ("stream-ticket-refused", True)


@asynccontextmanager
async def an_agent(hub: CloudHub, answer: Callable[[str, Any], Awaitable[tuple[int, Any]]]) -> AsyncIterator[None]:
    """Something that answers for the agent of edge-1."""
    agent = await hub.connection(Identity("edge-1", EDGE_AGENT))
    agent.on_method(answer)
    agent.start()
    try:
        await agent.wait_connected()
        yield
    finally:
        await agent.close()


async def test_every_shell_is_on_record_and_nothing_of_what_was_typed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with a_site(tmp_path) as site:
        async with await site.shell("sh", "-c", "read word; echo hunter2") as stream:
            await stream.type(b"hunter2\n")
            await everything(stream)
        async with await site.follow() as stream:
            await heard(stream, lambda text, _: bool(text))
        opened, closed = await site.cloud.events(2)

    kinds = [event["properties"]["opType"] for event in (opened, closed)]
    assert kinds == ["openShell", "closeShell"]
    assert opened["body"] == {"deviceId": "edge-1", "moduleId": "camera", "by": "iothubowner"}
    assert closed["body"]["seconds"] >= 0
    assert (opened["deviceId"], opened["moduleId"]) == (None, None)
    assert "iothubowner opened a shell in edge-1/camera" in caplog.text
    assert "iothubowner opens a shell in camera" in caplog.text
    assert "hunter2" not in caplog.text + str(opened) + str(closed)
