"""A device whose modules are containers: an unmodified client in one of them, and its message in the cloud."""

from __future__ import annotations

import asyncio
import re
import shutil
from importlib.metadata import distribution
from pathlib import Path

import pytest

from hotori.edge.device import EdgeRules
from hotori.edge.main import EdgeConfig, run_edge
from hotori.edge.module_engine import ModuleEngine
from hotori.images.build_cache import BuildCache
from hotori.images.builder import build_image
from hotori.images.client import RegistryClient
from hotori.images.debian_base import debian_base
from hotori.images.image import Layer
from hotori.images.recipe import FolderLayer, ImageRecipe
from hotori.model.identity import EDGE_AGENT
from hotori.model.image_reference import ImageReference
from hotori.reconcile.restart import RestartRules
from hotori.runtimes.engine import Engine
from hotori.runtimes.host import host_platform
from hotori.testing.addresses import loopback_address
from hotori.testing.engines import TestEngine
from hotori.testing.registry_server import TinyImages, write_files
from hotori.testing.runtime_suite import WAITS
from hotori.testing.shell_suite import a_number, gone
from tests.edge.stream_site import CAMERA, Site, a_caller, everything, heard, running
from tests.edge.test_with_cloud import a_module, call_agent
from tests.edge.whole_cloud import WholeCloud, whole_cloud
from tests.engine_fixtures import remove_all

pytestmark = pytest.mark.slow
SENDER = """\
import os, socket, time
from azure.iot.device import IoTHubModuleClient, Message
print("hub", socket.gethostbyname("edgeHub") == socket.gethostbyname(os.environ["IOTEDGE_GATEWAYHOSTNAME"]))
print("neighbour", bool(socket.gethostbyname("waiter")), flush=True)
client = IoTHubModuleClient.create_from_edge_environment()
client.connect()
client.send_message_to_output(Message("hello from a container"), "greetings")
print("sent", flush=True)
time.sleep(600)
"""


async def test_modules_in_containers_find_the_hub_and_each_other(
    tmp_path: Path, docker_engine: TestEngine, base: Layer
) -> None:
    async with whole_cloud(tmp_path, loopback_address()) as cloud:
        enrolment = await cloud.enrol("edge-1")
        waiter = await TinyImages(
            cloud.connection.registry_address, tmp_path / "sources", cloud.credential, base
        ).script(WAITS)
        modules = {"waiter": a_module(waiter), "sender": a_module(await a_client(cloud, tmp_path))}
        modules["sender"]["startupOrder"] = 2
        modules["waiter"]["startupOrder"] = 1
        await cloud.deploy("edge-1", modules)
        rules = EdgeRules(restart=RestartRules(unit=0.2), look=0.2)
        engine = ModuleEngine(docker_engine.address, "edge-test")
        config = EdgeConfig(
            tmp_path / "edge-1", enrolment, "", "edge-1.local", https_port=0, rules=rules, engine=engine
        )
        stop = asyncio.Event()
        running = asyncio.create_task(run_edge(config, stop))
        events = await cloud.events(1)
        report = await cloud.reported(
            f"edge-1/modules/{EDGE_AGENT}", lambda values: values.get("lastDesiredStatus", {}).get("code") == 200
        )
        logs = await call_agent(cloud, "GetModuleLogs", {"schemaVersion": "1.0", "items": [{"id": "sender"}]})
        stop.set()
        await running

    assert (events[0]["deviceId"], events[0]["moduleId"], events[0]["output"]) == ("edge-1", "sender", "greetings")
    assert {name: entry["runtimeStatus"] for name, entry in report["modules"].items()} == dict.fromkeys(
        modules, "running"
    )
    assert logs == [{"id": "sender", "payload": "hub True\nneighbour True\nsent\n"}]
    connection = Engine(docker_engine.address)
    left = await connection.get("containers/json", all="true")
    await connection.close()
    await remove_all(docker_engine)
    assert {(found["Names"][0], found["State"]) for found in left} == {("/waiter", "exited"), ("/sender", "exited")}


@pytest.mark.parametrize("engine_name", ["docker_engine", "podman_engine"])
async def test_shells_and_followed_logs_of_containers_come_through_the_cloud(
    tmp_path: Path, engine_name: str, request: pytest.FixtureRequest, registry_address: str, base: Layer
) -> None:
    found: TestEngine = request.getfixturevalue(engine_name)
    async with whole_cloud(tmp_path, registry_address) as cloud, a_caller(cloud) as caller:
        enrolment = await cloud.enrol("edge-1")
        tiny = TinyImages(cloud.connection.registry_address, tmp_path / "sources", cloud.credential, base)
        await cloud.deploy("edge-1", {"camera": a_module(await tiny.script("echo began\n" + WAITS))})
        rules = EdgeRules(restart=RestartRules(unit=0.2), look=0.2)
        engine = ModuleEngine(found.address, "edge-streams")
        config = EdgeConfig(
            tmp_path / "edge-1", enrolment, "", "edge-1.local", https_port=0, rules=rules, engine=engine
        )
        stop = asyncio.Event()
        device = asyncio.create_task(run_edge(config, stop))
        await running(cloud, CAMERA)
        site, number = Site(cloud, caller), a_number()
        async with await site.shell(columns=99, rows=33) as stream:
            await stream.type(b"stty size; hostname; exit 3\n")
            words, _, status = await everything(stream)
        async with await site.shell("sh", "-c", "cat; exit 4", terminal=False) as stream:
            await stream.type(b"\x00\x01piped\r\n" * 30_000)
            await stream.end_input()
            piped = await everything(stream)
        missing = await site.problem(site.shell("no-such-program"))
        async with await site.shell("sh", "-c", f"echo ready; trap '' HUP; sleep {number}; true") as stream:
            await heard(stream, lambda text, _: b"ready" in text)
        left_nothing = await gone(number)
        async with await site.follow(tail=10) as stream:
            first, _ = await heard(stream, lambda text, _: b"ready" in text)
            second, notes = first, []
            if engine_name == "docker_engine":  # podman may lose a word of a log that goes on over a quick restart
                await call_agent(cloud, "RestartModule", {"schemaVersion": "1.0", "id": "camera"})
                second, notes = await heard(stream, lambda text, _: b"ready" in text)
        stop.set()
        await device
    await remove_all(found)

    assert (status, b"33 99" in words) == (3, True)
    assert (piped[0], piped[2]) == (b"\x00\x01piped\r\n" * 30_000, 4)
    assert (missing.code, left_nothing) == ("shell-program-missing", True)
    assert first == second == b"began\nready\n"
    told = [note["event"] for note in notes]
    assert engine_name != "docker_engine" or told in (["waiting", "started"], ["started"])  # it may be quick


async def a_client(cloud: WholeCloud, folder: Path) -> ImageReference:
    """An image with Debian's Python, the device client as it is installed here, and the program."""
    packages = folder / "packages"
    copy_packages("azure-iot-device", packages, set())
    recipe = ImageRecipe(
        platform=host_platform(),
        layers=(
            FolderLayer(packages, "/packages"),
            FolderLayer(write_files(folder / "program", {"main.py": SENDER})),
        ),
        entrypoint=("python3", "main.py"),
        env={"PYTHONPATH": "/packages"},
        base=await debian_base(host_platform(), BuildCache(Path("build/test-images")), lambda line: None),
    )
    reference = ImageReference.parse(f"{cloud.connection.registry_address}/sender:1.0")
    async with RegistryClient(cloud.connection.registry_address, cloud.credential) as client:
        await client.push(await build_image(recipe, BuildCache(folder / "cache")), reference)
    return reference


def copy_packages(name: str, target: Path, seen: set[str]) -> None:
    """The files of an installed distribution and of all that it needs."""
    found = distribution(name)
    seen.add(name.lower())
    for file in found.files or ():
        if ".." not in file.parts and "__pycache__" not in file.parts:
            (target / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(Path(str(found.locate_file(file))), target / file)
    for requirement in found.requires or ():
        needed = re.split(r"[^A-Za-z0-9._-]", requirement)[0]
        if "extra ==" not in requirement and "platform_system" not in requirement and needed.lower() not in seen:
            copy_packages(needed, target, seen)
