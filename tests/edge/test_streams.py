"""Logs that are followed and shells, with a whole cloud and whole devices: through the cloud, as a person has them."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from hotori.edge.enrolment import ParentEdge
from hotori.edge.streams.device_streams import StreamRules
from hotori.edge.streams.way_up import WayUp
from hotori.model.identity import EDGE_AGENT, Identity
from hotori.net.tls import client_context
from hotori.portal.app import portal_app
from hotori.problems import Language, Problem
from hotori.sdk.stream_client import ModuleStream
from hotori.sdk.stream_frames import FrameKind
from hotori.testing.addresses import loopback_address
from hotori.testing.runtime_suite import processes
from hotori.testing.shell_suite import a_number, gone
from tests.edge.stream_site import (
    CAMERA,
    COUNTS,
    Site,
    a_caller,
    a_child,
    a_site,
    edge,
    eventually,
    everything,
    heard,
    refusal,
    running,
    why_ended,
)
from tests.edge.test_with_cloud import a_module
from tests.edge.whole_cloud import whole_cloud


async def test_a_log_is_followed_as_it_is_written_from_its_last_lines_on(tmp_path: Path) -> None:
    async with a_site(tmp_path) as site:
        async with await site.follow() as stream:
            await heard(stream, lambda text, _: text.count(b"\n") >= 6)
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
    for told in (notes, more):
        events = [note["event"] for note in told]
        assert events in (["waiting", "started"], ["started"])  # it may be quick
    assert all((note["module"], note["state"]) == ("camera", "stopped") for note in notes[:-1])
    assert notes[-1] == {"event": "started", "module": "camera"}
    assert removed.value.code == "module-unknown"


async def test_a_follow_of_a_module_that_does_not_run_waits_for_it_and_says_so(tmp_path: Path) -> None:
    script = "import time\nprint('began', flush=True)\ntime.sleep(1)\nraise SystemExit(4)\n"
    async with a_site(tmp_path, script) as site, await site.follow(tail=100) as stream:
        text, notes = await heard(
            stream, lambda text, notes: [note["event"] for note in notes[-2:]] == ["waiting", "started"]
        )
    waiting = notes[-2]
    assert (waiting["module"], waiting["state"], waiting["exitCode"]) == ("camera", "failed", 4)
    assert set(text.split()) == {b"began"}


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


async def test_what_nobody_takes_makes_the_program_wait_and_fills_no_memory(tmp_path: Path) -> None:
    script = "import os\nwith open('written', 'w') as note:\n"
    script += "    for number in range(2000):\n"
    script += "        os.write(1, b'x' * 65536)\n        note.seek(0); note.write(str(number)); note.flush()\n"
    async with a_site(tmp_path) as site, await site.shell("python3", "-c", script, terminal=False) as stream:
        (note,) = await until_found(tmp_path / "edge-1" / "runtime" / "modules" / "camera", "written")
        assert await until_still(note) < 300
        async with asyncio.timeout(60):
            size = sum([len(frame.payload) async for frame in stream.frames() if frame.kind is FrameKind.DATA])
    assert size == 2000 * 65536


async def until_still(note: Path) -> int:
    """What stands in the file that a program writes over and over, once it has not done so for a second."""
    async with asyncio.timeout(30):
        before = ""
        while not (now := await asyncio.to_thread(note.read_text)) or now != before:
            before = now
            await asyncio.sleep(1.0)
    return int(now)


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
