"""Logs that are followed and shells, with a whole cloud and whole devices: through the cloud, as a person has them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from hotori.edge.device import EdgeRules
from hotori.edge.enrolment import EnrolmentFile, ParentEdge
from hotori.edge.main import EdgeConfig, run_edge
from hotori.edge.streams.device_streams import StreamRules
from hotori.model.connection_string import ServiceConnection
from hotori.model.identity import EDGE_AGENT, Identity
from hotori.model.json import JsonObject
from hotori.net.tls import client_context
from hotori.problems import Problem
from hotori.reconcile.restart import RestartRules
from hotori.sdk.connection_file import HubAddress
from hotori.sdk.service import ServiceClient
from hotori.sdk.stream_client import ModuleStream
from hotori.sdk.stream_frames import FrameKind
from hotori.testing.addresses import loopback_address
from hotori.testing.runtime_suite import processes
from hotori.testing.shell_suite import a_number, gone
from tests.edge.test_with_cloud import a_module
from tests.edge.whole_cloud import WholeCloud, whole_cloud

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


async def test_a_log_is_followed_as_it_is_written_from_its_last_lines_on(tmp_path: Path) -> None:
    async with a_site(tmp_path) as site:
        await asyncio.sleep(0.5)
        async with await site.follow(tail=2) as stream:
            text, _ = await heard(stream, lambda text, _: text.count(b"\n") >= 12)
        numbers = [int(line.split()[-1]) for line in text.decode().splitlines()]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
        assert numbers[0] > 2

        async with await site.follow(tail=3, loglevel=5, regex="line [0-9]*[13]$") as stream:
            chosen, _ = await heard(stream, lambda text, _: text.count(b"\n") >= 5)
        assert all(line[-1] in "13" and line.startswith("<5>") for line in chosen.decode().splitlines())


async def test_a_program_in_a_module_is_typed_to_and_its_exit_status_comes_back(tmp_path: Path) -> None:
    async with a_site(tmp_path) as site:
        async with await site.shell(columns=111, rows=22, term="vt100") as stream:
            await stream.type(b"stty size; echo $TERM-$IOTEDGE_MODULEID; exit 5\n")
            terminal = await everything(stream)
        async with await site.shell("sh", "-c", "cat; pwd >&2; exit 3", terminal=False) as stream:
            await stream.type(b"\x00piped\n" * 50_000)
            await stream.end_input()
            piped = await everything(stream)

    assert b"22 111" in terminal[0]
    assert b"vt100-camera" in terminal[0]
    assert terminal[1:] == (b"", 5)
    assert (piped[0], piped[2]) == (b"\x00piped\n" * 50_000, 3)
    assert b"/runtime/modules/camera/rootfs" in piped[1]


async def test_a_follow_goes_on_with_the_next_run_of_its_module_and_says_so(tmp_path: Path) -> None:
    script = "import sys, time\nprint('began', flush=True)\ntime.sleep(600)\n"
    async with a_site(tmp_path, script) as site, await site.follow(tail=100) as stream:
        first, _ = await heard(stream, lambda text, _: text.endswith(b"began\n"))
        await site.caller.invoke(
            Identity("edge-1", EDGE_AGENT), "RestartModule", {"schemaVersion": "1.0", "id": "camera"}
        )
        second, notes = await heard(stream, lambda text, _: text.endswith(b"began\n"))
        changed = await site.cloud.images.publish({"main.py": script.replace("began", "new image")}, tag="2.0")
        await site.cloud.deploy("edge-1", {"camera": a_module(changed)})
        third, more = await heard(stream, lambda text, _: text.endswith(b"new image\n"))
        await site.cloud.deploy("edge-1", {})
        with pytest.raises(Problem) as removed:
            await everything(stream)

    assert (first, second, third) == (b"began\n", b"began\n", b"new image\n")
    assert [note["event"] for note in notes] == [note["event"] for note in more] == ["waiting", "started"]
    assert (notes[0]["module"], notes[0]["state"]) == ("camera", "stopped")
    assert removed.value.code == "module-unknown"


async def test_what_runs_in_a_shell_ends_when_its_caller_goes_or_its_device_or_its_cloud(tmp_path: Path) -> None:
    numbers = [a_number() for _ in range(3)]
    async with whole_cloud(tmp_path, loopback_address()) as cloud, a_caller(cloud) as caller:
        enrolment = await cloud.enrol("edge-1")
        await cloud.deploy("edge-1", {"camera": a_module(await cloud.images.publish({"main.py": COUNTS}))})
        site = Site(cloud, caller)
        async with edge(tmp_path, "edge-1", enrolment):
            await running(cloud, CAMERA)
            async with await site.shell("sh", "-c", f"echo ready; sleep {numbers[0]}") as stream:
                await heard(stream, lambda text, _: b"ready" in text)
            assert await gone(numbers[0])
            ended_by_device = await site.shell("sh", "-c", f"trap '' HUP; echo ready; sleep {numbers[1]}")
            await heard(ended_by_device, lambda text, _: b"ready" in text)
            assert processes(numbers[1].encode())
        assert await gone(numbers[1])
        problem = await site.problem(asyncio.sleep(0, ended_by_device))
        assert (problem.code, "edge-1" in problem.title("ja")) == ("stream-cut", True)

        async with edge(tmp_path, "edge-1", enrolment):
            await running(cloud, CAMERA)
            async with await site.shell("sh", "-c", f"echo ready; sleep {numbers[2]}") as stream:
                await heard(stream, lambda text, _: b"ready" in text)
                await site.caller.set_enabled("edge-1", False)
                await cloud.client.aclose()
                await ended(site, stream)
    assert await gone(numbers[2])
