"""A site: a cloud, and edge devices beside it on one wire, each with a network and a container engine of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest

from hotori.sdk.program import Program
from hotori.testing.engines import Dockerd, EngineMissingError
from tests.journeys import site_images

CLOUD = "198.18.0.1"
_Answer = TypeVar("_Answer")


def until(question: Callable[[], _Answer], within: float = 90.0, pace: float = 1.0) -> _Answer:
    """The first true answer; asked again after `pace` seconds, since most questions start a program of ours."""
    deadline = time.monotonic() + within
    while not (answer := question()):
        assert time.monotonic() < deadline, "it did not come in time"
        time.sleep(pace)
    return answer


class Wire:
    """A namespace for the cloud, with a bridge, and one for each device with a port of the bridge."""

    def __init__(self, names: Sequence[str]) -> None:
        self.addresses = {name: f"198.18.0.{11 + number}" for number, name in enumerate(names)}

    def inside(self, name: str) -> tuple[str, ...]:
        """What a command is to begin with that runs there. Engines need the mounts of the machine to stay."""
        return ("nsenter", f"--net=/run/netns/{self._space(name)}")

    def run(self, name: str, *command: object, good: Sequence[int] = (0,)) -> str:
        """What a program in a namespace wrote; its exit status is one of `good`."""
        parts = [*self.inside(name), *map(str, command)]
        done = subprocess.run(parts, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode in good, done.stderr + done.stdout
        return done.stdout

    def cut(self, name: str) -> None:
        """Take down a device's port: packets vanish, nothing is refused."""
        self.run("cloud", "ip", "link", "set", f"to-{name}", "down")

    def mend(self, name: str) -> None:
        self.run("cloud", "ip", "link", "set", f"to-{name}", "up")

    def make(self) -> None:
        """Skips, saying why, where namespaces are not allowed."""
        for name in ("cloud", *self.addresses):
            command = ["ip", "netns", "add", self._space(name)]
            made = subprocess.run(command, capture_output=True, text=True, check=False)
            if made.returncode:
                pytest.skip(f"no network namespace can be made here: {made.stderr.strip()}")
            self.run(name, "ip", "link", "set", "lo", "up")
        self.run("cloud", "ip", "link", "add", "cloud0", "type", "bridge")
        self.run("cloud", "ip", "address", "add", f"{CLOUD}/24", "dev", "cloud0")
        self.run("cloud", "ip", "link", "set", "cloud0", "up")
        for name, address in self.addresses.items():
            peer = ("peer", "name", "up0", "netns", self._space(name))
            self.run("cloud", "ip", "link", "add", f"to-{name}", "type", "veth", *peer)
            self.run("cloud", "ip", "link", "set", f"to-{name}", "master", "cloud0", "up")
            self.run(name, "ip", "address", "add", f"{address}/24", "dev", "up0")
            self.run(name, "ip", "link", "set", "up0", "up")

    def remove(self) -> None:
        for name in ("cloud", *self.addresses):
            subprocess.run(["ip", "netns", "del", self._space(name)], capture_output=True, check=False)

    def _space(self, name: str) -> str:
        return f"hotori-site-{os.getpid()}-{name}"


@dataclass(frozen=True)
class Device:
    """An edge device with its engine; `program` is `hotori edge run`."""

    name: str
    wire: Wire
    engine: Dockerd
    program: Program

    def hotori(self, *arguments: object, good: Sequence[int] = (0,)) -> list[Any]:
        """A command of ours on the device itself."""
        command = (sys.executable, "-m", "hotori.cli", "edge", *arguments, "--data", self.program.folder, "--json")
        return [json.loads(line) for line in self.wire.run(self.name, *command, good=good).splitlines()]

    def containers(self) -> dict[str, str]:
        """What the engine runs: the id of each module's container."""
        with self._engine() as client:
            found = client.get("/containers/json").json()
        return {container["Names"][0].lstrip("/"): container["Id"] for container in found}

    def run_stranger(self, name: str, like: str) -> None:
        """A container of somebody else, from the image of a module."""
        with self._engine() as client:
            image = client.get(f"/containers/{like}/json").raise_for_status().json()["Image"]
            body = {"Image": image, "HostConfig": {"NetworkMode": "none"}}
            made = client.post("/containers/create", params={"name": name}, json=body).raise_for_status().json()
            client.post(f"/containers/{made['Id']}/start").raise_for_status()

    def _engine(self) -> httpx.Client:
        transport = httpx.HTTPTransport(uds=str(self.engine.folder / "docker.sock"))
        return httpx.Client(transport=transport, base_url="http://engine", timeout=30.0)


@dataclass(frozen=True)
class Site:
    """All of it, running."""

    wire: Wire
    folder: Path
    devices: Mapping[str, Device]

    def hotori(self, *arguments: object) -> list[Any]:
        """A command of ours beside the cloud."""
        command = (sys.executable, "-m", "hotori.cli", *arguments, "--cloud", self.folder / "cloud", "--json")
        return [json.loads(line) for line in self.wire.run("cloud", *command).splitlines()]

    def images(self, action: str) -> None:
        self.wire.run("cloud", sys.executable, site_images.__file__, action, self.folder / "cloud", self.folder)

    def report(self, device: str) -> dict[str, Any]:
        """What the device's agent last reported to the cloud."""
        reported: dict[str, Any] = self.hotori("twin", f"{device}/$edgeAgent")[0]["properties"]["reported"]
        return reported

    def modules(self, device: str) -> dict[str, Any]:
        found: dict[str, Any] = self.report(device).get("modules", {})
        return found

    def write(self, name: str, modules: Mapping[str, object], **settings: object) -> Path:
        """A manifest file."""
        runtime = {"type": "docker", "settings": settings}
        agent = {"schemaVersion": "1.1", "runtime": runtime, "systemModules": {}, "modules": modules}
        hub = {"schemaVersion": "1.1", "routes": {"up": "FROM /messages/* INTO $upstream"}}
        desired = {"$edgeAgent": agent, "$edgeHub": hub}
        content = {"modulesContent": {each: {"properties.desired": values} for each, values in desired.items()}}
        path = self.folder / f"{name}.json"
        path.write_text(json.dumps(content))
        return path


def module(image: str, options: Mapping[str, object] | None = None, **more: object) -> dict[str, object]:
    """A module of a manifest; `options` are its createOptions."""
    settings = {"image": image, "createOptions": json.dumps(options or {})}
    return {"type": "docker", "status": "running", "restartPolicy": "always", "settings": settings, **more}


@contextmanager
def a_site(folder: Path, names: Sequence[str], disks: Mapping[str, int] | None = None) -> Iterator[Site]:
    """Skips, saying why, where there can be no namespaces or no engines. `disks` are devices whose engines have a disk
    of their own of so many megabytes."""
    wire = Wire(names)
    with ExitStack() as stack:
        stack.callback(wire.remove)
        wire.make()
        cloud = Program(folder / "cloud", "cloud", "serve", "--listen", CLOUD, wrapper=wire.inside("cloud"))
        stack.enter_context(cloud)
        devices: dict[str, Device] = {}
        site = Site(wire, folder, devices)
        site.images("publish")
        for name in names:
            root = stack.enter_context(_disk(folder / f"{name}-disk", disks[name])) if disks and name in disks else None
            devices[name] = stack.enter_context(_device(site, name, root))
        yield site


@contextmanager
def _disk(folder: Path, size: int) -> Iterator[Path]:
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}m", "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        while folder.is_mount():  # a killed engine leaves a mount of its own on top
            subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextmanager
def _device(site: Site, name: str, root: Path | None) -> Iterator[Device]:
    ticket = site.folder / f"{name}-ticket.json"
    site.hotori("device", "add", name, "--edge", "--write", ticket)
    inside = site.wire.inside(name)
    settings = {"insecure-registries": ["198.18.0.0/24"], **({"data-root": str(root)} if root else {})}
    engine = Dockerd(site.folder / f"{name}-engine", settings, inside)
    try:
        try:
            address = engine.start().address
        except EngineMissingError as error:
            pytest.skip(f"no dockerd: {error}")
        run = ("edge", "run", "--enrolment", str(ticket), "--runtime", "docker", "--docker-host", address)
        program = Program(site.folder / name, *run, "--dead-after", "5", wrapper=inside)
        with program:
            yield Device(name, site.wire, engine, program)
    finally:
        engine.end()
