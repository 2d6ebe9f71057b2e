"""A cloud and one edge device on this machine, each a process of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from hotori.cli.device import enrolment, service_client
from hotori.problems import Problem
from hotori.problems.identity import DEVICE_EXISTS
from hotori.sdk.connection_file import CloudConnection, write_private
from hotori.sdk.program import Program, running

CLOUD_ADDRESS = "127.0.0.1"
EDGE_ADDRESS = "127.0.1.1"


@dataclass(frozen=True, slots=True)
class Together:
    """Both, running."""

    cloud: CloudConnection
    cloud_program: Program
    edge_program: Program
    device: str


@asynccontextmanager
async def together(
    data: Path,
    device: str = "edge-1",
    cloud_address: str = CLOUD_ADDRESS,
    edge_address: str = EDGE_ADDRESS,
    cloud_options: tuple[str, ...] = (),
    edge_options: tuple[str, ...] = (),
) -> AsyncIterator[Together]:
    """Start a cloud in DATA/cloud, enrol the device on first use, start it in DATA/DEVICE; end both on leaving."""
    cloud_program = Program(data / "cloud", "cloud", "serve", "--listen", cloud_address, *cloud_options)
    async with running(cloud_program):
        cloud = CloudConnection.read(cloud_program.connect_file)
        ticket = data / f"{device}.json"
        await _enrol(cloud, device, ticket)
        edge_program = Program(
            data / device, "edge", "run", "--enrolment", str(ticket), "--listen", edge_address, *edge_options
        )
        async with running(edge_program):
            yield Together(cloud, cloud_program, edge_program, device)


async def _enrol(cloud: CloudConnection, device: str, ticket: Path) -> None:
    """Add the device, or take up the one that an earlier run of this cloud added."""
    async with service_client(cloud) as client:
        try:
            view = await client.add_device(device, edge=True)
        except Problem as problem:
            if problem.code != DEVICE_EXISTS.code:
                raise
            view = await client.device(device)
    write_private(ticket, enrolment(cloud, view))
