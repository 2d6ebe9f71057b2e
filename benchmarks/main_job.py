"""The main job as a user runs it, against the same work done bare."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import bare, mosquitto_pipeline
from benchmarks.row import Row
from hotori.cli.deploy import deploy_solution
from hotori.cli.device import service_client
from hotori.cli.score import Score, Sighting, percentile
from hotori.cli.terminal import Terminal
from hotori.cli.together import Together, together
from hotori.model.connection_string import StorageConnection
from hotori.sdk.connection_file import CloudConnection
from hotori.sdk.program import cpu_seconds
from hotori.sdk.storage import StorageClient
from hotori.testing.addresses import loopback_address
from hotori.vision.training import train

ROOT = Path(__file__).resolve().parent.parent
CALM = 40
"""Pictures, one each CALM_INTERVAL seconds, whose delay is measured."""
CALM_INTERVAL = 0.25
BUSY = 200
"""Pictures, as fast as the camera's pace of BUSY_INTERVAL allows, whose cost is measured."""
BUSY_INTERVAL = 0.0


@dataclass(frozen=True, slots=True)
class Prepared:
    """A model, and a folder of pictures that it has not seen."""

    model: Path
    shown: Path


def _prepare(folder: Path) -> Prepared:
    report = train(ROOT / "examples" / "pictures", folder / "model.onnx", held_out=0.5, seed=1)
    for name in report.held_out_pictures:
        (folder / "shown" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / "examples" / "pictures" / name, folder / "shown" / name)
    return Prepared(folder / "model.onnx", folder / "shown")


async def _deploy(both: Together, prepared: Prepared, interval: float) -> None:
    settings = {
        "MODEL": str(prepared.model),
        "PICTURES": str(prepared.shown),
        "CAMERA": "/app/pictures",
        "INTERVAL": str(interval),
    }
    await deploy_solution(
        Terminal.open(None, as_json=True), both.cloud, ROOT / "examples/main-job", both.device, settings
    )


async def _sightings(cloud: CloudConnection, count: int, start: str) -> list[Sighting]:
    found: list[Sighting] = []
    async with service_client(cloud) as client:
        async for event in client.events(start):
            if sighting := Sighting.from_event(event):
                found.append(sighting)
            if len(found) == count:
                break
    return found


async def _pictures(cloud: CloudConnection, sightings: Sequence[Sighting]) -> list[bytes]:
    async with StorageClient(StorageConnection.parse(cloud.storage.reveal())) as storage:
        pictures = []
        for sighting in sightings:
            async with asyncio.timeout(60):
                while not await storage.exists("pictures", sighting.picture):
                    await asyncio.sleep(0.1)
            pictures.append(await storage.get("pictures", sighting.picture))
        return pictures


def _pid(word: bytes, address: str) -> int:
    """The process that has the word in its command, and the address there or in its environment."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command, environment = (process / "cmdline").read_bytes(), (process / "environ").read_bytes()
        except OSError:
            continue
        if word in command and address.encode() in command + environment and b"python" in command:
            return int(process.name)
    raise LookupError(f"no process has {word!r} in its command")


async def _cost_of_a_prediction(both: Together, address: str) -> float:
    """Processor seconds of the classifier's process for one picture, over BUSY of them."""
    await _sightings(both.cloud, 5, "latest")
    pid = _pid(b"hotori.modules.classifier", address)
    before = cpu_seconds(pid)
    await _sightings(both.cloud, BUSY, "latest")
    return (cpu_seconds(pid) - before) / BUSY


async def measure() -> list[Row]:
    """Delay in a calm run, cost in a busy one, each beside its peer on the same pictures."""
    with tempfile.TemporaryDirectory(prefix="hotori-bench-") as name:
        folder = Path(name)
        prepared = await asyncio.to_thread(_prepare, folder)
        cloud_address, edge_address = loopback_address(), loopback_address()
        async with together(folder, "edge-1", cloud_address, edge_address) as both:
            await _deploy(both, prepared, CALM_INTERVAL)
            calm = (await _sightings(both.cloud, CALM + 5, "earliest"))[5:]
            pictures = await _pictures(both.cloud, calm)
            await _deploy(both, prepared, BUSY_INTERVAL)
            ours = await _cost_of_a_prediction(both, edge_address)
        peer_delays = await mosquitto_pipeline.delays(pictures, prepared.model, CALM_INTERVAL)
        bare_cost = await asyncio.to_thread(bare.cost, prepared.model, pictures * 5)
    score = Score({sighting.picture: sighting for sighting in calm})
    peer = "mosquitto and bare ONNX Runtime, no TLS, not durable"
    return [
        Row("capture-to-cloud-median", "capture to durable prediction in the cloud", peer,
            score.delay(0.5) * 1000, percentile(peer_delays, 0.5) * 1000, "ms", "<= 2.0"),
        Row("capture-to-cloud-p99", "the same, 99th percentile", peer,
            score.delay(0.99) * 1000, percentile(peer_delays, 0.99) * 1000, "ms", "<= 2.0"),
        Row("classified-per-core", "pictures classified a second and core, decoding included", "bare ONNX Runtime",
            1 / ours, 1 / bare_cost, "pictures/s", ">= 0.9"),
    ]  # fmt: skip
