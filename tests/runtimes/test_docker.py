"""The runtime over container engines keeps the contract of every runtime, on dockerd and on podman, and names what
engines say when something fails."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hotori.images.image import Layer
from hotori.images.image_files import ImageFiles
from hotori.images.image_sizes import RegistrySizes
from hotori.images.registry import registry_app
from hotori.model.image_reference import ImageReference
from hotori.model.json import JsonObject
from hotori.model.manifest import RegistryCredential
from hotori.model.secret import Secret
from hotori.net.authority import Authority
from hotori.net.http import HttpServer
from hotori.net.ports import bind, port_owner
from hotori.problems import Problem
from hotori.runtimes.docker import DockerRuntime, DockerSettings
from hotori.runtimes.engine import Engine
from hotori.runtimes.engine_shelf import EngineShelf
from hotori.runtimes.image_shelf import bytes_needed
from hotori.runtimes.module_runtime import Health, ModuleLaunch, ModuleObservation, ModuleState
from hotori.runtimes.shell import ShellRequest
from hotori.testing.engines import TestEngine, dockerd
from hotori.testing.registry_server import TinyImages, registry_server
from hotori.testing.runtime_suite import WAITS, RuntimeSuite, observed, until_logged, until_state
from hotori.testing.shell_suite import ShellSuite, a_number, gone, heard
from tests.engine_fixtures import PORT, remove_all

SECOND = 1_000_000_000
DEVICE: Any = {"PathOnHost": "/dev/ttyUSB77", "PathInContainer": "/dev/ttyUSB77", "CgroupPermissions": "rwm"}
MOUNT: Any = {"Type": "bind", "Source": "/nosuch/folder", "Target": "/x"}


async def until(runtime: DockerRuntime, fits: Callable[[ModuleObservation], bool]) -> ModuleObservation:
    """The module `tiny`, once it fits; looked at whenever something happens, and podman has nobody else to ask."""
    while not fits(seen := await observed(runtime, "tiny")):
        await asyncio.sleep(0.05)
    return seen


async def create_and_start(runtime: DockerRuntime, launch: ModuleLaunch) -> None:
    await runtime.create(launch)
    await runtime.start(launch.name)


class EngineSuite(ShellSuite, RuntimeSuite):
    @pytest.fixture
    def engine(self) -> TestEngine:
        raise NotImplementedError("a subclass says which engine")

    @pytest.fixture
    async def open_runtime(self, engine: TestEngine, tmp_path: Path) -> AsyncIterator[Callable[[], DockerRuntime]]:  # type: ignore[override]
        def opened() -> DockerRuntime:
            settings = DockerSettings("device", tmp_path / "runtime", port_owner=port_owner)
            return DockerRuntime(Engine(engine.address), settings)

        yield opened
        await remove_all(engine)

    @pytest.fixture
    def images(self, engine_images: TinyImages) -> TinyImages:
        return engine_images

    @pytest.fixture
    async def connection(self, engine: TestEngine) -> AsyncIterator[Engine]:
        connection = Engine(engine.address)
        yield connection
        await connection.close()

    async def refused(
        self, runtime: DockerRuntime, image: ImageReference, options: JsonObject | None = None, name: str = "tiny"
    ) -> Problem:
        """The problem of making and starting a module."""
        await runtime.pull(image, None)
        with pytest.raises(Problem) as caught:
            await create_and_start(runtime, ModuleLaunch(name, image, {}, options or {}))
        assert caught.value.evidence
        return caught.value

    @pytest.mark.parametrize(("status", "health"), [(0, Health.HEALTHY), (1, Health.UNHEALTHY)])
    async def test_a_health_check_is_run_and_its_words_are_kept(
        self, runtime: DockerRuntime, images: TinyImages, status: int, health: Health
    ) -> None:
        test = ["CMD-SHELL", f"echo as it is; exit {status}"]
        options: JsonObject = {"Healthcheck": {"Test": test, "Interval": SECOND, "Retries": 1, "Timeout": SECOND}}
        await self.launch(runtime, await images.script(WAITS), options)
        async with asyncio.timeout(30):
            seen = await until(runtime, lambda seen: seen.health is health)
        assert (seen.state, seen.health_output) == (ModuleState.RUNNING, "as it is")

    async def test_a_module_that_the_system_ends_for_its_memory_is_told_from_one_that_was_killed(
        self, runtime: DockerRuntime, images: TinyImages
    ) -> None:
        limits: JsonObject = {"HostConfig": {"Memory": 16 << 20, "MemorySwap": 16 << 20}}
        await self.launch(runtime, await images.script("exec tail /dev/zero\n"), limits)
        seen = await until_state(runtime, "tiny", ModuleState.FAILED)
        assert (seen.exit_code, seen.out_of_memory) == (137, True)

    async def test_a_log_of_which_nobody_says_anything_is_rotated(
        self, runtime: DockerRuntime, images: TinyImages, connection: Engine
    ) -> None:
        """FAILURES.md D19: three files of 10 MB, or as many as the engine keeps."""
        words = 100 * "x"
        await self.launch(runtime, await images.script(f"yes {words} | head -n 240000\n{WAITS}"))
        await until_logged(runtime, "tiny", b"ready\n")
        (container,) = await connection.get("containers/json")
        path = Path((await connection.get(f"containers/{container['Id']}/json"))["LogPath"])
        sizes = [each.stat().st_size for each in path.parent.glob(f"{path.name}*")]
        assert max(sizes) < 10_100_000
        assert sum(sizes) < 30_200_000

    async def test_an_agent_that_may_not_signal_what_ran_in_a_shell_ends_it_from_inside(
        self, runtime: DockerRuntime, images: TinyImages, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def forbidden(pid: int, number: int) -> None:
            raise PermissionError(pid)

        number = a_number()
        async with self.opened(runtime, images, ShellRequest(("sh", "-c", f"echo ready; sleep {number}"))) as shell:
            await heard(shell, until=b"ready")
            with monkeypatch.context() as patch:
                patch.setattr(os, "kill", forbidden)
                await shell.close()
            assert await gone(number)

    async def test_images_are_listed_and_removed_unless_they_are_used(
        self, runtime: DockerRuntime, images: TinyImages
    ) -> None:
        image = await images.script(WAITS, name="shelf")
        await self.launch(runtime, image)
        (held,) = [found for found in await runtime.images() if str(image) in found.names]
        assert (held.used, held.size > 0) == (True, True)
        with pytest.raises(Problem) as caught:
            await runtime.remove_image(held.identifier)
        assert caught.value.code == "engine-refused"
        await runtime.stop("tiny")
        await runtime.remove("tiny")
        await runtime.remove_image(held.identifier)
        await runtime.remove_image(held.identifier)
        assert held.identifier not in [found.identifier for found in await runtime.images()]

    async def test_what_an_image_still_needs_is_known_before_it_is_fetched(
        self, runtime: DockerRuntime, images: TinyImages, connection: Engine, engine: TestEngine
    ) -> None:
        """FAILURES.md D19. Layers that another image has brought are not counted."""
        shelf, sizes = EngineShelf(connection), RegistrySizes()
        first = await images.script(WAITS, name="first", more={"big": bytes(3_000_000)})
        second = await images.script(WAITS, name="second", more={"big": bytes(4_000_000)})
        both = await sizes.missing(first, None, shelf)
        digest = await runtime.pull(first, None)
        own = await sizes.missing(second, None, shelf)
        disk = await shelf.disk()
        assert len(own) == 1, "the layer below came with the first image, or with one before"
        assert 3_000_000 < bytes_needed(both[-1:]) < 3_100_000
        assert 4_000_000 < bytes_needed(own) < 4_100_000
        assert await sizes.missing(first, None, shelf) == ()
        assert await shelf.holds(first.pinned(digest))
        assert not await shelf.holds(second.pinned("sha256:" + 64 * "0"))
        assert disk is not None
        assert disk.path.is_relative_to(engine.folder)
        assert 0 < disk.free < disk.total

    async def test_a_second_network_is_joined_before_the_module_starts(
        self, runtime: DockerRuntime, images: TinyImages, connection: Engine
    ) -> None:
        for name in ("one", "two"):
            await connection.post("networks/create", {"Name": name})
        endpoints: JsonObject = {"one": {"Aliases": ["first"]}, "two": {}}
        options: JsonObject = {"NetworkingConfig": {"EndpointsConfig": endpoints}}
        await self.launch(runtime, await images.script(WAITS), options)
        (made,) = await connection.get("containers/json")
        assert sorted(made["NetworkSettings"]["Networks"]) == ["one", "two"]
        await runtime.stop("tiny", 0.0)
        await runtime.remove("tiny")
        for name in ("one", "two"):
            await connection.call("DELETE", f"networks/{name}")

    async def test_an_older_image_of_the_same_name_does_not_pass_for_one_that_was_pulled(
        self, runtime: DockerRuntime, registry_address: str, tmp_path: Path, images: TinyImages
    ) -> None:
        image = await images.script(WAITS)
        digest = await runtime.pull(image, None)
        gone = replace(image, tag="2.0")
        with pytest.raises(Problem) as caught:
            await runtime.pull(gone, None)
        assert caught.value.code == "image-not-found"
        moved = await images.script("echo newer\n")
        assert await runtime.pull(moved, None) != digest

    @pytest.mark.parametrize("password", [None, "wrong"])
    async def test_a_registry_that_wants_other_credentials_is_named(
        self, runtime: DockerRuntime, registry_address: str, tmp_path: Path, password: str | None
    ) -> None:
        address = f"{registry_address}:{PORT}"
        credential = RegistryCredential(address, "someone", Secret(password)) if password else None
        async with registry_server(tmp_path / "r", {"user": Secret("right")}, registry_address, PORT):
            with pytest.raises(Problem) as caught:
                await runtime.pull(ImageReference.parse(f"{address}/tiny:1.0"), credential)
        assert caught.value.code == "registry-unauthorized"
        assert ("someone" in caught.value.title()) == bool(password)

    async def test_the_right_credentials_open_a_registry(
        self, runtime: DockerRuntime, registry_address: str, tmp_path: Path, base: Layer
    ) -> None:
        credential = RegistryCredential(f"{registry_address}:{PORT}", "user", Secret("right"))
        async with registry_server(tmp_path / "r", {"user": Secret("right")}, registry_address, PORT) as registry:
            images = TinyImages(registry.address, tmp_path / "sources", credential, base)
            assert (await runtime.pull(await images.script(WAITS), credential)).startswith("sha256:")

    async def test_a_port_that_another_module_has_is_named_with_its_holder(
        self, runtime: DockerRuntime, images: TinyImages
    ) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        options: JsonObject = {"HostConfig": {"PortBindings": {"80/tcp": [{"HostPort": str(port)}]}}}
        image = await images.script(WAITS)
        await self.launch(runtime, image, options)
        await until_logged(runtime, "tiny", b"ready\n")
        problem = await self.refused(runtime, image, options, "second")
        assert (problem.code, problem.values["port"]) == ("module-port-in-use", str(port))
        assert "container tiny" in problem.cause()
        failed = await observed(runtime, "second")
        assert (failed.state, bool(failed.error), failed.exited_at > 0) == (ModuleState.FAILED, True, True)

    async def test_a_port_that_a_program_of_the_machine_has_is_named_with_its_holder(
        self, runtime: DockerRuntime, images: TinyImages
    ) -> None:
        with socket.create_server(("", 0)) as taken:
            port = taken.getsockname()[1]
            options: JsonObject = {"HostConfig": {"PortBindings": {"80/tcp": [{"HostPort": str(port)}]}}}
            problem = await self.refused(runtime, await images.script(WAITS), options)
        assert (problem.code, problem.values["port"]) == ("module-port-in-use", str(port))
        assert f"pid {os.getpid()}" in problem.cause()

    @pytest.mark.parametrize(
        ("options", "code", "value"),
        [
            ({"HostConfig": {"Devices": [DEVICE]}}, "module-device-missing", "/dev/ttyUSB77"),
            ({"HostConfig": {"NetworkMode": "ghost"}}, "module-network-missing", "ghost"),
            ({"HostConfig": {"Mounts": [MOUNT]}}, "module-bind-missing", "/nosuch/folder"),
            ({"Entrypoint": ["nosuchtool"]}, "module-program-missing", "nosuchtool"),
            ({"HostConfig": {"Binds": ["/tmp:/x:zzz"]}}, "module-options-refused", "zzz"),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    async def test_what_the_engine_refuses_is_named(
        self, runtime: DockerRuntime, images: TinyImages, options: JsonObject, code: str, value: str
    ) -> None:
        image = await images.script(WAITS, more={"notes": "not a program"})
        problem = await self.refused(runtime, image, options)
        assert problem.code == code
        assert value in f"{problem.title()} {problem.cause()}"


class TestDockerd(EngineSuite):
    @pytest.fixture
    def engine(self, docker_engine: TestEngine) -> TestEngine:
        return docker_engine

    async def test_modules_find_each_other_by_name_and_the_hub_at_the_gateway(
        self, runtime: DockerRuntime, images: TinyImages
    ) -> None:
        script = "nslookup other | grep -c Name\ngrep -i edgehub /etc/hosts\n"
        image = await images.script('[ "$1" = wait ] && sleep 60\n' + script)
        await runtime.pull(image, None)
        await runtime.create(ModuleLaunch("other", image, {}, {"Cmd": ["wait"], "StopSignal": "KILL"}))
        await runtime.start("other")
        await self.launch(runtime, image)
        await until_state(runtime, "tiny", ModuleState.STOPPED)
        count, hosts = (await runtime.logs("tiny")).decode().splitlines()
        assert int(count) >= 1
        assert hosts.split() == [await runtime.gateway(), "edgeHub"]

    async def test_what_a_container_is_made_from_is_the_options_and_what_every_module_gets(
        self, runtime: DockerRuntime, images: TinyImages, connection: Engine, tmp_path: Path
    ) -> None:
        image = await images.script(WAITS)
        options: JsonObject = {
            "Labels": {"mine": "1"},
            "User": "nobody",
            "HostConfig": {"Memory": 64 << 20, "NanoCpus": 500_000_000, "PidsLimit": 50, "Binds": ["kept:/data:ro"]},
        }
        (tmp_path / "shared").mkdir()
        await runtime.pull(image, None)
        launch = ModuleLaunch("tiny", image, {"A": "1"}, options, "print", (str(tmp_path / "shared"),))
        await runtime.create(launch)
        (made,) = await connection.get("containers/json", all="true")
        made = await connection.get(f"containers/{made['Id']}/json")
        config, host = made["Config"], made["HostConfig"]
        assert config["Labels"]["mine"] == "1"
        assert config["Labels"]["net.azure-devices.edge.owner"] == "Microsoft.Azure.Devices.Edge.Agent"
        assert config["Labels"]["net.azure-devices.edge.original-image"] == str(image)
        assert (config["User"], host["Memory"], host["NanoCpus"], host["PidsLimit"]) == (
            "nobody",
            64 << 20,
            500_000_000,
            50,
        )
        assert "A=1" in config["Env"]
        assert sorted(mount["Destination"] for mount in made["Mounts"]) == ["/data", str(tmp_path / "shared")]
        assert host["LogConfig"] == {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "3"}}

    async def test_containers_of_others_are_neither_seen_nor_touched(
        self, runtime: DockerRuntime, images: TinyImages, connection: Engine
    ) -> None:
        image = await images.script(WAITS)
        await runtime.pull(image, None)
        made = await connection.post("containers/create", {"Image": str(image)}, name="tiny")
        problem = await self.refused(runtime, image)
        assert (problem.code, problem.values["name"]) == ("module-name-taken", "tiny")
        assert await runtime.observe() == []
        await runtime.remove("tiny")
        await connection.get(f"containers/{made['Id']}/json")

    @pytest.mark.parametrize("unknown", [False, True])
    async def test_a_registry_that_does_not_answer_is_named(
        self, runtime: DockerRuntime, registry_address: str, unknown: bool
    ) -> None:
        address = "nosuch.invalid:5000" if unknown else f"{registry_address}:{PORT}"
        with pytest.raises(Problem) as caught:
            await runtime.pull(ImageReference.parse(f"{address}/tiny:1.0"), None)
        assert (caught.value.code, caught.value.values["address"]) == ("registry-unreachable", address)

    async def test_a_layer_that_is_not_what_its_digest_says_is_named(
        self, runtime: DockerRuntime, images: TinyImages, tmp_path: Path
    ) -> None:
        image = await images.publish({"main.sh": "#!/bin/sh\n", "salt": str(tmp_path)}, name="damaged")
        files = [path for path in (tmp_path / "registry").rglob("*") if path.is_file()]
        blobs = [path for path in files if path.read_bytes().startswith(b"\x1f\x8b")]
        smallest = min(blobs, key=lambda path: path.stat().st_size)
        content = bytearray(smallest.read_bytes())
        content[-1] ^= 1
        smallest.chmod(0o644)
        smallest.write_bytes(content)
        with pytest.raises(Problem) as caught:
            await runtime.pull(image, None)
        assert caught.value.code == "image-damaged"

    @pytest.mark.parametrize(
        ("options", "code", "value"),
        [
            ({"User": "ghost"}, "module-user-missing", "ghost"),
            ({"Entrypoint": ["/app/notes"]}, "module-program-not-executable", "/app/notes"),
            ({"HostConfig": {"Memory": 1000}}, "module-options-refused", "6MB"),
            ({"HostConfig": {"RestartPolicy": {"Name": "sometimes"}}}, "module-options-refused", "sometimes"),
            ({"HostConfig": {"Runtime": "nvidia"}}, "module-options-refused", "nvidia"),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    async def test_what_docker_refuses_is_named(
        self, runtime: DockerRuntime, images: TinyImages, options: JsonObject, code: str, value: str
    ) -> None:
        image = await images.script(WAITS, more={"notes": "not a program"})
        problem = await self.refused(runtime, image, options)
        assert problem.code == code
        assert value in f"{problem.title()} {problem.cause()}"

    async def test_a_registry_beyond_loopback_must_prove_who_it_is(
        self, runtime: DockerRuntime, tmp_path: Path
    ) -> None:
        """The gateway's address is this machine's, and no loopback: there dockerd wants TLS, and a known authority."""
        gateway = await runtime.gateway()

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(100)
            writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
            writer.close()

        async with await asyncio.start_server(answer, gateway, 0) as plain_server:
            port = plain_server.sockets[0].getsockname()[1]
            with pytest.raises(Problem) as plain:
                await runtime.pull(ImageReference.parse(f"{gateway}:{port}/tiny:1.0"), None)
        certificate = Authority.open(tmp_path / "authority").issue_server((gateway,))
        app = registry_app(ImageFiles(tmp_path / "tls"), None)
        async with HttpServer(app, bind(gateway, 0, "registry"), certificate) as server:
            with pytest.raises(Problem) as untrusted:
                await runtime.pull(ImageReference.parse(f"{gateway}:{server.port}/tiny:1.0"), None)
        assert (plain.value.code, untrusted.value.code) == ("registry-without-tls", "certificate-untrusted")


async def test_an_engine_on_a_full_disk_is_told_so(
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    docker_engine: TestEngine,
    engine_images: TinyImages,
) -> None:
    """A second dockerd, with its data on a disk of 30 MB. Its folder's name is short, since sockets are in it."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ("mount", "-t", "tmpfs", "-o", "size=30m", "tmpfs", str(disk))
    assert await (await asyncio.create_subprocess_exec(*mount)).wait() == 0
    try:
        image = await engine_images.script(WAITS, more={"big": os.urandom(40 << 20)})
        with dockerd(tmp_path_factory.mktemp("full"), {"data-root": str(disk)}) as engine:
            runtime = DockerRuntime(Engine(engine.address), DockerSettings("device", tmp_path / "runtime"))
            with pytest.raises(Problem) as caught:
                await runtime.pull(image, None)
            await runtime.close()
    finally:
        await (await asyncio.create_subprocess_exec("umount", "--lazy", str(disk))).wait()
    assert caught.value.code == "module-disk-full"
    assert "no space left on device" in caught.value.evidence[0]


class TestPodman(EngineSuite):
    @pytest.fixture
    def engine(self, podman_engine: TestEngine) -> TestEngine:
        return podman_engine

    async def test_limits_that_nobody_gave_are_kept(self, runtime: DockerRuntime, images: TinyImages) -> None:
        limits: JsonObject = {"HostConfig": {"Ulimits": [{"Name": "nofile", "Soft": 1000, "Hard": 1000}]}}
        await self.launch(runtime, await images.script("ulimit -n\n"), limits)
        await until_state(runtime, "tiny", ModuleState.STOPPED)
        assert await runtime.logs("tiny") == b"1000\n"
