"""Logs that are followed and shells, with a whole cloud and whole devices: through the cloud, as a person has them."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest

from hotori.edge.device import EdgeRules
from hotori.edge.enrolment import EnrolmentFile, ParentEdge
from hotori.edge.main import EdgeConfig, run_edge
from hotori.edge.streams.device_streams import StreamRules
from hotori.edge.streams.way_up import WayUp
from hotori.model.connection_string import IdentityConnection, ServiceConnection
from hotori.model.identity import EDGE_AGENT, Identity
from hotori.model.json import JsonObject
from hotori.model.sas import sign
from hotori.net.tls import client_context
from hotori.portal.app import portal_app
from hotori.problems import Language, Problem
from hotori.reconcile.restart import RestartRules
from hotori.sdk.connection_file import HubAddress
from hotori.sdk.service import ServiceClient
from hotori.sdk.stream import StreamConnection
from hotori.sdk.stream_client import ModuleStream
from hotori.sdk.stream_frames import FrameKind
from hotori.testing.addresses import loopback_address
from hotori.testing.cloud_hub import CloudHub
from hotori.testing.runtime_suite import processes
from hotori.testing.shell_suite import a_number, gone
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
    numbers = [a_number() for _ in range(4)]

    async def a_shell(site: Site, number: str) -> ModuleStream:
        stream = await site.shell("sh", "-c", f"trap '' HUP; echo ready; sleep {number}; true")
        await heard(stream, lambda text, _: b"ready" in text)
        async with asyncio.timeout(20):
            while not processes(number.encode()):
                await asyncio.sleep(0.02)
        return stream

    async with AsyncExitStack() as clouds:
        cloud = await clouds.enter_async_context(whole_cloud(tmp_path, loopback_address()))
        caller = await clouds.enter_async_context(a_caller(cloud))
        enrolment = await cloud.enrol("edge-1")
        await cloud.deploy("edge-1", {"camera": a_module(await cloud.images.publish({"main.py": COUNTS}))})
        site = Site(cloud, caller)
        async with edge(tmp_path, "edge-1", enrolment):
            await running(cloud, CAMERA)
            async with await a_shell(site, numbers[0]):
                pass
            assert await gone(numbers[0])
            stream = await a_shell(site, numbers[1])
        assert await gone(numbers[1])
        cut = await why_ended(stream)
        assert (cut.code, "edge-1" in cut.title(Language.JA)) == ("stream-cut", True)

        async with edge(tmp_path, "edge-1", enrolment):
            stream = await eventually(lambda: a_shell(site, numbers[2]))
            await caller.set_enabled("edge-1", False)
            assert (await why_ended(stream)).code == "stream-cut"
            assert await gone(numbers[2])
            await caller.set_enabled("edge-1", True)
            stream = await eventually(lambda: a_shell(site, numbers[3]))
            await clouds.aclose()
            assert (await why_ended(stream)).code == "stream-cut"
            assert await gone(numbers[3])


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


async def test_what_nobody_takes_makes_the_program_wait_and_fills_no_memory(tmp_path: Path) -> None:
    script = "import os\nwith open('written', 'w') as note:\n"
    script += "    for number in range(2000):\n"
    script += "        os.write(1, b'x' * 65536)\n        note.seek(0); note.write(str(number)); note.flush()\n"
    async with a_site(tmp_path) as site, await site.shell("python3", "-c", script, terminal=False) as stream:
        (note,) = await until_found(tmp_path / "edge-1" / "runtime" / "modules" / "camera", "written")
        await asyncio.sleep(1.5)
        stopped_at = int(note.read_text())
        await asyncio.sleep(1.0)
        assert int(note.read_text()) == stopped_at < 300
        async with asyncio.timeout(60):
            size = sum([len(frame.payload) async for frame in stream.frames() if frame.kind is FrameKind.DATA])
    assert size == 2000 * 65536


async def until_found(folder: Path, name: str) -> list[Path]:
    async with asyncio.timeout(20):
        while not (found := await asyncio.to_thread(lambda: list(folder.rglob(name)))):
            await asyncio.sleep(0.05)
    return found


async def test_a_device_has_so_many_streams_and_no_more(tmp_path: Path) -> None:
    async with a_site(tmp_path, streams=StreamRules(most=2)) as site:
        async with await site.follow(), await site.follow():
            full = await site.problem(site.follow())
        async with await until_free(site):
            pass
    assert (full.code, "2" in full.title(Language.JA)) == ("streams-full", True)


async def until_free(site: Site) -> ModuleStream:
    """One of the two has ended a moment after its caller went."""
    async with asyncio.timeout(20):
        while True:
            try:
                return await site.follow()
            except Problem as problem:
                if problem.code != "streams-full":
                    raise
                await asyncio.sleep(0.05)


async def test_a_device_may_refuse_shells_and_still_show_its_logs(tmp_path: Path) -> None:
    async with a_site(tmp_path, streams=StreamRules(shells=False)) as site:
        refused = await site.problem(site.shell())
        async with await site.follow() as stream:
            await heard(stream, lambda text, _: b"line" in text)
    assert (refused.code, "shell = false" in refused.cause(Language.JA)) == ("shell-refused", True)


async def test_a_shell_in_which_nothing_moves_is_ended_and_a_quiet_log_is_not(tmp_path: Path) -> None:
    number = a_number()
    script = "import time\nprint('began', flush=True)\ntime.sleep(4)\nprint('later', flush=True)\ntime.sleep(600)\n"
    async with a_site(tmp_path, script, streams=StreamRules(idle=1.5)) as site:
        async with await site.follow() as stream:
            idle = await site.problem(site.shell("sleep", number))
            await heard(stream, lambda text, _: b"later" in text)
        assert await gone(number)
    assert (idle.code, "0.025" in idle.cause(Language.JA)) == ("stream-idle", True)


async def test_what_cannot_be_opened_is_named(tmp_path: Path) -> None:
    async with a_site(tmp_path) as site:
        await site.cloud.deploy("edge-1", stopped(await site.cloud.images.publish({"main.py": COUNTS})))
        await site.cloud.reported(
            f"edge-1/modules/{EDGE_AGENT}",
            lambda values: values["modules"].get("camera", {}).get("runtimeStatus") == "stopped",
        )
        not_running = await site.problem(site.shell())
        nobody = Identity("edge-1", "nobody")
        unknown = [await site.problem(opening) for opening in (site.follow(nobody), site.shell(module=nobody))]
        wrong_filter = await site.problem(site.follow(regex="("))
        wrong_command = await site.problem(site.shell(columns=0))
        await site.cloud.enrol("edge-2")
        offline = await site.problem(site.follow(Identity("edge-2", "camera")))
        plain = {"deviceId": "leaf", "authentication": {"type": "sas"}}
        (await site.cloud.client.put("/devices/leaf", json=plain)).raise_for_status()
        no_edge = await site.problem(site.follow(Identity("leaf", "camera")))
        no_device = await site.problem(site.follow(Identity("ghost", "camera")))

    assert (not_running.code, "camera" in not_running.title(Language.JA)) == ("module-not-running", True)
    assert [problem.code for problem in unknown] == ["module-unknown"] * 2
    assert "camera" in unknown[0].cause()
    assert (wrong_filter.code, wrong_command.code) == ("request-malformed", "request-malformed")
    assert "regular expression" in wrong_filter.cause()
    assert (offline.code, no_edge.code, no_device.code) == ("device-offline", "not-an-edge-device", "device-unknown")


def stopped(image: object) -> dict[str, Any]:
    return {"camera": {**a_module(image), "status": "stopped"}}


async def test_a_program_that_the_module_does_not_have_is_named(tmp_path: Path) -> None:
    async with a_site(tmp_path) as site:
        missing = await site.problem(site.shell("no-such-program"))
    assert (missing.code, "no-such-program" in missing.title(Language.JA)) == ("shell-program-missing", True)
    assert missing.evidence


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


async def refusal(dialling: Awaitable[StreamConnection]) -> Problem:
    with pytest.raises(Problem) as caught:
        await dialling
    return caught.value


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
    assert "iothubowner opened a shell in edge-1/camera" in caplog.text
    assert "iothubowner opens a shell in camera" in caplog.text
    assert "hunter2" not in caplog.text + str(opened) + str(closed)


async def test_streams_of_a_device_behind_another_go_through_it(tmp_path: Path) -> None:
    parent_address, child_address = loopback_address(), loopback_address()
    async with whole_cloud(tmp_path, loopback_address()) as cloud, a_caller(cloud) as caller:
        enrolment = await cloud.enrol("edge-0")
        child = await a_child(cloud, caller, parent="edge-0")
        await cloud.deploy("edge-1", {"camera": a_module(await cloud.images.publish({"main.py": COUNTS}))})
        async with edge(tmp_path, "edge-0", enrolment, address=parent_address) as listening:
            root = await asyncio.to_thread((tmp_path / "edge-0" / "authority" / "root.pem").read_text)
            parent = ParentEdge(listening, root)
            async with edge(tmp_path, "edge-1", child, parent=parent, address=child_address):
                await running(cloud, CAMERA)
                site = Site(cloud, caller)
                async with await site.shell("sh", "-c", "cat; exit 4", terminal=False) as stream:
                    await stream.type(b"through the parent\n" * 20_000)
                    await stream.end_input()
                    piped = await everything(stream)
                async with await site.follow(tail=1) as stream:
                    text, _ = await heard(stream, lambda text, _: text.count(b"\n") > 5)
                number = a_number()
                stream = await site.shell("sh", "-c", f"echo ready; sleep {number}; true")
                await heard(stream, lambda text, _: b"ready" in text)
                other = await cloud.enrol("edge-2")
                stranger = WayUp(listening, client_context(root), other.connection, time.time)
                not_a_child = await refusal(stranger.dial("any"))
            assert await gone(number)
            assert (await why_ended(stream)).code == "stream-cut"

    assert (piped[0], piped[2]) == (b"through the parent\n" * 20_000, 4)
    assert b"line" in text
    assert not_a_child.code == "identity-unknown"


async def a_child(cloud: WholeCloud, caller: ServiceClient, parent: str) -> EnrolmentFile:
    view = await caller.add_device("edge-1", edge=True, parent=parent)
    hub = cloud.connection.hub
    ca = await asyncio.to_thread(cloud.connection.ca.read_text)
    connection = IdentityConnection.parse(view.connection_string.reveal())
    return EnrolmentFile(connection, ca, hub, cloud.credential)


async def test_the_portal_follows_the_log_of_a_real_module(tmp_path: Path) -> None:
    async with whole_cloud(tmp_path, loopback_address(), portal_app) as cloud:
        enrolment = await cloud.enrol("edge-1")
        await cloud.deploy("edge-1", {"camera": a_module(await cloud.images.publish({"main.py": COUNTS}))})
        found = cloud.connection
        async with (
            edge(tmp_path, "edge-1", enrolment),
            httpx.AsyncClient(base_url=found.portal_url, trust_env=False, follow_redirects=True) as browser,
        ):
            await running(cloud, CAMERA)
            form = {"user": found.portal_username, "password": found.portal_password.reveal()}
            await browser.post("/login", data=form)
            texts = await events(browser, "/devices/edge-1/modules/camera/log", 5)
            (unknown,) = await events(browser, "/devices/edge-1/modules/nobody/log?lang=ja", 1)
    assert all(name == "text" for name, _ in texts)
    lines = "".join(str(text) for _, text in texts).splitlines()
    assert [int(line.split()[-1]) for line in lines] == list(range(len(lines)))
    assert (unknown[0], "nobody" in unknown[1][0], "camera" in unknown[1][1]) == ("problem", True, True)


async def events(browser: httpx.AsyncClient, path: str, count: int) -> list[tuple[str, Any]]:
    """The first server-sent events: name and JSON."""
    found: list[tuple[str, Any]] = []
    name = ""
    async with asyncio.timeout(30), browser.stream("GET", path) as answer:
        async for line in answer.aiter_lines():
            if line.startswith("event: "):
                name = line.removeprefix("event: ")
            elif line.startswith("data: "):
                found.append((name, json.loads(line.removeprefix("data: "))))
                if len(found) == count:
                    break
    return found
