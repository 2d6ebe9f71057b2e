"""A fleet of edge devices in one process, each as whole as `hotori edge run` makes it; their modules are processes.

`python -m hotori.testing.fleet FOLDER` runs the devices whose enrolments are FOLDER/*.json, in a process of its own.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

import uvloop

from hotori.edge.device import EdgeRules
from hotori.edge.enrolment import EnrolmentFile
from hotori.edge.main import EdgeConfig, run_edge, served_names
from hotori.model.connection_string import IdentityConnection
from hotori.model.identity import Identity
from hotori.model.manifest import RegistryCredential
from hotori.net.authority import Authority
from hotori.sdk.connection_file import CloudConnection
from hotori.sdk.service import ServiceClient
from hotori.testing.addresses import loopback_address

_AT_ONCE = 4
"""Devices that start at the same time: more of them only wait for one another."""
_PATIENCE = 300.0


async def enrol(client: ServiceClient, cloud: CloudConnection, names: Sequence[str]) -> list[EnrolmentFile]:
    """Register edge devices of these names with a cloud, and give them what each must know of it."""
    authority = await asyncio.to_thread(cloud.ca.read_text, encoding="ascii")
    registry = RegistryCredential(cloud.registry_address, cloud.registry_username, cloud.registry_password)
    found = []
    for name in names:
        view = await client.add_device(name, edge=True)
        connection = IdentityConnection(view.hub, view.identity, view.key)
        found.append(EnrolmentFile(connection, authority, cloud.hub, registry))
    return found


class Fleet:
    """Devices in FOLDER/NAME, each on a loopback address of its own. As an async context manager all of them run."""

    def __init__(self, folder: Path, enrolments: Sequence[EnrolmentFile], rules: EdgeRules | None = None) -> None:
        self._configs = {
            enrolment.connection.identity: _config(folder, enrolment, rules or EdgeRules()) for enrolment in enrolments
        }
        self._stop = asyncio.Event()
        self._running: list[asyncio.Task[bool]] = []

    @property
    def devices(self) -> tuple[Identity, ...]:
        return tuple(self._configs)

    async def __aenter__(self) -> Fleet:
        """Start all; what keeps one from starting is raised."""
        turns = asyncio.Semaphore(_AT_ONCE)
        try:
            async with asyncio.timeout(_PATIENCE), asyncio.TaskGroup() as group:
                for config in self._configs.values():
                    group.create_task(self._start(config, turns))
        except BaseException:
            await self._end()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._end()

    async def _start(self, config: EdgeConfig, turns: asyncio.Semaphore) -> None:
        async with turns:
            # A device has this done by another process; here the library is loaded once for all of them.
            authority = Authority.open(config.data / "authority")
            authority.issue_server(served_names(config))
            ready = asyncio.Event()
            running = asyncio.create_task(run_edge(config, self._stop, lambda *_: ready.set()))
            self._running.append(running)
            waiting = asyncio.create_task(ready.wait())
            await asyncio.wait({running, waiting}, return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()
            if running.done():
                running.result()

    async def _end(self) -> None:
        self._stop.set()
        for ended in await asyncio.gather(*self._running, return_exceptions=True):
            if isinstance(ended, Exception):
                raise ended


def _config(folder: Path, enrolment: EnrolmentFile, rules: EdgeRules) -> EdgeConfig:
    address = loopback_address()
    data = folder / enrolment.connection.identity.device
    return EdgeConfig(data, enrolment, address, address, https_port=0, rules=rules)


async def run_fleet(folder: Path) -> None:
    """Run the devices of a folder until SIGTERM; one line of JSON says that all are ready."""
    enrolments = await asyncio.to_thread(read_enrolments, folder)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with Fleet(folder, enrolments):
        sys.stdout.write(json.dumps({"ready": len(enrolments)}) + "\n")
        sys.stdout.flush()
        await stop.wait()


def write_enrolments(folder: Path, enrolments: Sequence[EnrolmentFile]) -> None:
    """For a fleet in a process of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    for enrolment in enrolments:
        enrolment.write(folder / f"{enrolment.connection.identity.device}.json")


def read_enrolments(folder: Path) -> list[EnrolmentFile]:
    return [EnrolmentFile.read(path) for path in sorted(folder.glob("*.json"))]


if __name__ == "__main__":
    uvloop.run(run_fleet(Path(sys.argv[1])))
