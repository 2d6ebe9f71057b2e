"""A cloud with a device whose module writes, and a caller who opens streams to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest

from hotori.edge.device import EdgeRules
from hotori.edge.enrolment import EnrolmentFile, ParentEdge
from hotori.edge.main import EdgeConfig, run_edge
from hotori.edge.streams.device_streams import StreamRules
from hotori.model.connection_string import IdentityConnection, ServiceConnection
from hotori.model.identity import EDGE_AGENT, Identity
from hotori.model.json import JsonObject
from hotori.net.tls import client_context
from hotori.problems import Problem
from hotori.reconcile.restart import RestartRules
from hotori.sdk.connection_file import HubAddress
from hotori.sdk.service import ServiceClient
from hotori.sdk.stream import StreamConnection
from hotori.sdk.stream_client import ModuleStream
from hotori.sdk.stream_frames import FrameKind
from hotori.testing.addresses import loopback_address
from tests.edge.test_with_cloud import a_module
from tests.edge.whole_cloud import WholeCloud, whole_cloud

T = TypeVar("T")


CAMERA = Identity("edge-1", "camera")


COUNTS = """\
import sys, time
number = 0
while True:
    print(f"<{6 - number % 2}> line {number}", flush=True)
    number += 1
    time.sleep(0.05)
"""


@asynccontextmanager
async def edge(
    folder: Path,
    name: str,
    enrolment: EnrolmentFile,
    *,
    streams: StreamRules | None = None,
    parent: ParentEdge | None = None,
    address: str | None = None,
) -> AsyncIterator[HubAddress]:
    """Run a device in FOLDER/NAME."""
    stop = asyncio.Event()
    ready: asyncio.Future[HubAddress] = asyncio.get_running_loop().create_future()
    rules = EdgeRules(restart=RestartRules(unit=0.2), look=0.2, streams=streams or StreamRules())
    address = address or loopback_address()
    config = EdgeConfig(folder / name, enrolment, address, address, https_port=0, rules=rules, parent=parent)
    running = asyncio.create_task(run_edge(config, stop, lambda _, hub: ready.set_result(hub)))
    await asyncio.wait({running, ready}, return_when=asyncio.FIRST_COMPLETED)
    if running.done():
        running.result()
    try:
        yield ready.result()
    finally:
        stop.set()
        await running


@dataclass
class Site:
    """A cloud with a device that runs the module `camera`, and a caller with all rights."""

    cloud: WholeCloud
    caller: ServiceClient

    @property
    def hub(self) -> HubAddress:
        return self.cloud.connection.hub

    async def follow(self, module: Identity = CAMERA, **chosen: Any) -> ModuleStream:
        return await ModuleStream.follow(
            self.caller, self.hub, client_context(self.cloud.connection.ca), module, chosen
        )

    async def shell(self, *command: str, module: Identity = CAMERA, **wanted: Any) -> ModuleStream:
        document: JsonObject = {"command": list(command), **wanted}
        return await ModuleStream.shell(
            self.caller, self.hub, client_context(self.cloud.connection.ca), module, document
        )

    async def problem(self, opening: Awaitable[ModuleStream]) -> Problem:
        """Why a stream cannot be had."""
        with pytest.raises(Problem) as caught:
            async with await opening as stream:
                await everything(stream)
        return caught.value


@asynccontextmanager
async def a_caller(cloud: WholeCloud, policy: ServiceConnection | None = None) -> AsyncIterator[ServiceClient]:
    service = policy or ServiceConnection.parse(cloud.connection.service.reveal())
    async with ServiceClient(service, cloud.connection.ca) as client:
        yield client


@asynccontextmanager
async def a_site(
    folder: Path, script: str = COUNTS, *, streams: StreamRules | None = None, deployed: bool = True
) -> AsyncIterator[Site]:
    async with whole_cloud(folder, loopback_address()) as cloud, a_caller(cloud) as caller:
        enrolment = await cloud.enrol("edge-1")
        if deployed:
            await cloud.deploy("edge-1", {"camera": a_module(await cloud.images.publish({"main.py": script}))})
        async with edge(folder, "edge-1", enrolment, streams=streams):
            if deployed:
                await running(cloud, CAMERA)
            yield Site(cloud, caller)


async def running(cloud: WholeCloud, module: Identity) -> None:
    await cloud.reported(
        f"{module.device}/modules/{EDGE_AGENT}",
        lambda values: values.get("modules", {}).get(module.module, {}).get("runtimeStatus") == "running",
    )


async def everything(stream: ModuleStream) -> tuple[bytes, bytes, int]:
    """What a shell wrote on both outputs, and its exit status."""
    out, errors, status = b"", b"", -1
    async with asyncio.timeout(30):
        async for frame in stream.frames():
            match frame.kind:
                case FrameKind.DATA:
                    out += frame.payload
                case FrameKind.ERRORS:
                    errors += frame.payload
                case FrameKind.EXIT:
                    status = int(str(frame.document()["status"]))
    return out, errors, status


async def heard(stream: ModuleStream, fits: Callable[[bytes, list[Any]], bool]) -> tuple[bytes, list[Any]]:
    """What a log has said, and what was told of its module, once it fits."""
    text, notes = b"", []
    async with asyncio.timeout(30):
        async for frame in stream.frames():
            if frame.kind is FrameKind.DATA:
                text += frame.payload
            else:
                notes.append(frame.document())
            if fits(text, notes):
                break
    return text, notes


async def why_ended(stream: ModuleStream) -> Problem:
    """The problem with which a stream ends that was open."""
    async with stream:
        with pytest.raises(Problem) as caught:
            await everything(stream)
    return caught.value


async def eventually(opening: Callable[[], Awaitable[T]]) -> T:
    """A device that has just started, or was let in again, takes a moment."""
    async with asyncio.timeout(60):
        while True:
            try:
                return await opening()
            except Problem as problem:
                if problem.code not in ("device-offline", "module-not-running"):
                    raise
                await asyncio.sleep(0.2)


async def refusal(dialling: Awaitable[StreamConnection]) -> Problem:
    with pytest.raises(Problem) as caught:
        await dialling
    return caught.value


async def a_child(cloud: WholeCloud, caller: ServiceClient, parent: str) -> EnrolmentFile:
    view = await caller.add_device("edge-1", edge=True, parent=parent)
    hub = cloud.connection.hub
    ca = await asyncio.to_thread(cloud.connection.ca.read_text)
    connection = IdentityConnection.parse(view.connection_string.reveal())
    return EnrolmentFile(connection, ca, hub, cloud.credential)
