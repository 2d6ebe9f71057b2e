"""A cloud and an edge device, started once for all journeys, as a person starts them: two processes."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from hotori.cli.deploy import deploy_solution
from hotori.cli.device import enrolment, service_client
from hotori.cli.terminal import Terminal
from hotori.sdk.connection_file import CloudConnection, write_private
from hotori.sdk.program import Program
from hotori.testing.addresses import loopback_address
from hotori.vision.training import train

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
DEVICE = "edge-1"


@dataclass(frozen=True)
class Installation:
    """A running cloud with one edge device, whose addresses are theirs alone."""

    folder: Path
    cloud: CloudConnection
    cloud_program: Program
    edge_program: Program
    cloud_address: str
    edge_address: str


@pytest.fixture(scope="session")
def installation(tmp_path_factory):
    folder = tmp_path_factory.mktemp("installation")
    cloud_address, edge_address = loopback_address(), loopback_address()
    with Program(folder / "cloud", "cloud", "serve", "--listen", cloud_address) as cloud_program:
        cloud = CloudConnection.read(cloud_program.connect_file)
        ticket = folder / f"{DEVICE}.json"
        asyncio.run(_enrol(cloud, ticket))
        arguments = ("edge", "run", "--enrolment", str(ticket), "--listen", edge_address)
        with Program(folder / DEVICE, *arguments) as edge_program:
            yield Installation(folder, cloud, cloud_program, edge_program, cloud_address, edge_address)


async def _enrol(cloud: CloudConnection, ticket: Path) -> None:
    async with service_client(cloud) as client:
        write_private(ticket, enrolment(cloud, await client.add_device(DEVICE, edge=True)))


@dataclass(frozen=True)
class Trained:
    """A model, and the photographs that it has not seen."""

    model: Path
    shown: Path
    count: int


@pytest.fixture(scope="session")
def trained(tmp_path_factory) -> Trained:
    folder = tmp_path_factory.mktemp("trained")
    report = train(EXAMPLES / "pictures", folder / "model.onnx", held_out=0.5, seed=1)
    for name in report.held_out_pictures:
        (folder / "shown" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(EXAMPLES / "pictures" / name, folder / "shown" / name)
    return Trained(folder / "model.onnx", folder / "shown", report.held_out)


@pytest.fixture(scope="session")
def main_job(installation, trained) -> Installation:
    """The main job, deployed and running: two pictures a second."""
    settings = {
        "MODEL": str(trained.model),
        "PICTURES": str(trained.shown),
        "CAMERA": "/app/pictures",
        "INTERVAL": "0.5",
    }
    terminal = Terminal.open(None, as_json=True)
    asyncio.run(deploy_solution(terminal, installation.cloud, EXAMPLES / "main-job", DEVICE, settings))
    return installation


async def eventually(question: Callable, within: float = 60.0):
    """The first true answer of an async question, asked again and again for `within` seconds."""
    async with asyncio.timeout(within):
        while not (answer := await question()):
            await asyncio.sleep(0.2)
        return answer
