"""mosquitto, a broker that is not ours, as a neighbour for tests and measurements."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

from hotori.sdk.endpoint import Endpoint
from hotori.testing.addresses import loopback_address

BROKER = "/usr/sbin/mosquitto"
PORT = 1883


class Broker:
    """mosquitto on an address of its own; it can be ended and started again."""

    def __init__(self, folder: Path) -> None:
        self.endpoint = Endpoint(loopback_address(), PORT)
        self._configuration = folder / "mosquitto.conf"
        self._configuration.write_text(f"listener {PORT} {self.endpoint.host}\nallow_anonymous true\n")
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        command = (BROKER, "-c", str(self._configuration))
        quiet = asyncio.subprocess.DEVNULL
        self._process = await asyncio.create_subprocess_exec(*command, stdout=quiet, stderr=quiet)
        while not _listens(self.endpoint):
            assert self._process.returncode is None
            await asyncio.sleep(0.01)

    async def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            await self._process.wait()
            self._process = None


def _listens(endpoint: Endpoint) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((endpoint.host, endpoint.port)) == 0
