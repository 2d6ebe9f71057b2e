"""A device's container engine, as a check sees it: its version, its disk, and what a module sees of the network."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hotori.edge.check import module_view
from hotori.edge.check.device_folder import check_disk
from hotori.edge.check.host import Machine, is_address
from hotori.edge.module_engine import ModuleEngine
from hotori.problems import Problem
from hotori.problems.checks import HUB_SHUT_TO_MODULES, MODULES_WITHOUT_NAMES

if TYPE_CHECKING:
    from hotori.runtimes.engine import Engine

_OWNER = "org.hotori.owner"
_MTU = "com.docker.network.driver.mtu"
_USUAL_MTU = 1500


@dataclass(frozen=True, slots=True)
class EngineChecks:
    """`owner` is the device; only its containers are looked into."""

    engine: ModuleEngine
    owner: str = ""
    machine: Machine = field(default_factory=Machine)

    async def version(self) -> str:
        """FAILURES.md D35. Raises `engine-unreachable`, `engine-forbidden`, `engine-too-old`, `libseccomp-old`."""
        async with self._open() as engine:
            found = await engine.identity()
        library = await asyncio.to_thread(self.machine.libseccomp)
        return f"{'podman' if found.podman else 'docker'} {found.version}, {found.platform}, {library}"

    async def room(self) -> str:
        """FAILURES.md D19. Raises `disk-short` for the disk that images and containers are on."""
        from hotori.runtimes.engine_shelf import EngineShelf

        async with self._open() as engine:
            disk = await EngineShelf(engine).disk()
        return check_disk(disk.path) if disk else "the engine's disk cannot be seen from here"

    async def way_out(self) -> str:
        """FAILURES.md D14. Raises `packets-too-large` and `forwarding-off`."""
        async with self._open() as engine:
            size = _mtu(await _network(engine, self.engine.network))
        self.machine.forwarding()
        return self.machine.packets(self.engine.network, size)

    async def network(self, cloud: str, mqtt_port: int) -> str:
        """FAILURES.md D13: the hub and the cloud's name, from inside a module. Raises `hub-shut-to-modules` and
        `modules-without-names`."""
        async with self._open() as engine:
            container = await self._container(engine)
        if container is None:
            return "no module runs that could be looked into"
        if not engine.local or os.geteuid() != 0 or shutil.which("nsenter") is None:
            return "looking into a module needs root and nsenter"
        return await self._inside(container, cloud, mqtt_port)

    async def _inside(self, container: Any, cloud: str, mqtt_port: int) -> str:
        name, pid = container["Name"].lstrip("/"), container["State"]["Pid"]
        root = Path("/proc") / str(pid) / "root/etc"
        hub = _address_of("edgeHub", root / "hosts")
        server = _name_server(root / "resolv.conf")
        asked = "" if is_address(cloud) or not server else cloud
        found = await _look_from(pid, {"hub": hub, "port": mqtt_port, "server": server, "name": asked})
        if found.get("looked"):
            return f"{name} could not be looked into: {found['looked']}"
        if hub and found["hub"]:
            raise Problem(HUB_SHUT_TO_MODULES, found["hub"], module=name, address=f"{hub}:{mqtt_port}")
        if found["name"]:
            raise Problem(MODULES_WITHOUT_NAMES, found["name"], module=name, name=cloud, server=server)
        if not server and not is_address(cloud):
            raise Problem(MODULES_WITHOUT_NAMES, "no name server", module=name, name=cloud, server="-")
        return f"{name} reaches the hub" if hub else f"{name} has a network of its own"

    async def _container(self, engine: Engine) -> Any:
        """One of the device's modules that runs in the modules' network; None where there is none."""
        query = json.dumps({"label": [f"{_OWNER}={self.owner}"], "status": ["running"]})
        for found in await engine.get("containers/json", filters=query):
            document = await engine.get(f"containers/{found['Id']}/json")
            # Podman says `bridge` for the mode, whatever the network's name.
            if self.engine.network in (document["NetworkSettings"].get("Networks") or {}):
                return document
        return None

    @asynccontextmanager
    async def _open(self) -> AsyncIterator[Engine]:
        # The engine's client is large, so only a device that has an engine loads it.
        from hotori.runtimes.engine import Engine

        engine = Engine(self.engine.address)
        try:
            yield engine
        finally:
            await engine.close()


async def _network(engine: Engine, name: str) -> Any:
    from hotori.runtimes.engine import EngineRefusedError

    try:
        return await engine.get(f"networks/{name}")
    except EngineRefusedError:
        return {}


def _mtu(network: Any) -> int:
    return int((network.get("Options") or {}).get(_MTU, _USUAL_MTU))


def _address_of(name: str, hosts: Path) -> str:
    """What /etc/hosts says; empty where it says nothing."""
    for line in _lines(hosts):
        address, *names = line.partition("#")[0].split() or [""]
        if name in names:
            return address
    return ""


def _name_server(file: Path) -> str:
    return next((line.split()[1] for line in _lines(file) if line.startswith("nameserver ")), "")


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(errors="replace").splitlines()
    except OSError:
        return []


async def _look_from(pid: int, questions: dict[str, object]) -> dict[str, str]:
    """Ask from inside the network of a process; empty answers are good ones."""
    program = Path(module_view.__file__)
    command = ["nsenter", f"--net=/proc/{pid}/ns/net", sys.executable, "-I", str(program), json.dumps(questions)]
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    output, errors = await process.communicate()
    if process.returncode:
        last = (errors.decode(errors="replace").strip().splitlines() or ["it said nothing"])[-1]
        return {"hub": "", "name": "", "looked": last}
    found: dict[str, str] = json.loads(output)
    return found
