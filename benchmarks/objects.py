"""The object store beside Azurite, with the client that people use (azure-storage-blob), in one run.

Servers and client may use both processors, since both servers work in threads too. Ours flushes to the disk before it
answers; Azurite does not.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec

from benchmarks.blob_load import Effort, Figures, Order, Store
from benchmarks.row import Row

PEER = "Azurite, not flushed"
_AZURITE = Path(__file__).resolve().parent.parent / "build" / "peers" / "npm" / "node_modules" / ".bin" / "azurite-blob"
_ACCOUNT = "devstoreaccount1"
_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""The account that every Azurite has, and its published key."""
_PATIENCE = 30.0


_DEFAULT = Effort()


async def measure(effort: Effort = _DEFAULT) -> list[Row]:
    """Uploads, downloads and a listing: throughput, and the server's processor time."""
    with tempfile.TemporaryDirectory(prefix="hotori-bench-") as folder:
        async with _ours(Path(folder)) as ours, _azurite(Path(folder)) as peer:
            order = msgspec.json.encode(Order((ours, peer), effort)).decode()
            figures = await _output(sys.executable, "-m", "benchmarks.blob_load", order)
    return _rows(*msgspec.json.decode(figures, type=tuple[Figures, Figures]))


def _rows(ours: Figures, peer: Figures) -> list[Row]:
    flushed = "ours flushes to the disk before it answers, Azurite does not"
    cpu = f"{flushed}; {ours.large_cpu_ms:.1f} and {peer.large_cpu_ms:.1f} ms of the server's processor each"
    small = f"{flushed}; {ours.small_a_second:.0f} and {peer.small_a_second:.0f} uploads a second seen"
    listed = f"{ours.list_cpu_ms:.0f} and {peer.list_cpu_ms:.0f} ms of the server's processor each"
    return [
        Row("objects-upload", "8 MiB uploads, one after another", PEER, ours.upload, peer.upload, "MB/s", ">= 2.0",
            cpu),
        Row("objects-upload-threads", "8 MiB uploads, 4 threads", PEER, ours.upload_by_4, peer.upload_by_4, "MB/s",
            ">= 2.0", flushed),
        Row("objects-upload-blocks", "64 MiB in blocks of 4 MiB, 4 threads", PEER, ours.upload_by_blocks,
            peer.upload_by_blocks, "MB/s", ">= 1.5", flushed),
        Row("objects-upload-cpu", "processor time of the server for an upload of 100 KiB", PEER, ours.small_cpu_ms,
            peer.small_cpu_ms, "ms", "<= 0.33", small),
        Row("objects-download", "8 MiB downloads, one after another", PEER, ours.download, peer.download, "MB/s",
            ">= 1.0"),
        Row("objects-list", "a container of 5,000 blobs, listed", PEER, ours.list_seconds * 1000,
            peer.list_seconds * 1000, "ms", "<= 1.0", listed),
    ]  # fmt: skip


@contextlib.asynccontextmanager
async def _ours(folder: Path) -> AsyncIterator[Store]:
    async with _process(sys.executable, "-m", "benchmarks.bench_objects", str(folder / "ours")) as process:
        assert process.stdout is not None
        line = await asyncio.wait_for(process.stdout.readline(), _PATIENCE)
        yield Store(line.decode().strip(), process.pid)


@contextlib.asynccontextmanager
async def _azurite(folder: Path) -> AsyncIterator[Store]:
    """Azurite knows only the versions of the protocol that were there when it was made; the client's is newer."""
    port = _free_port()
    settings = ("--silent", "--skipApiVersionCheck", "--disableTelemetry", "--location", str(folder / "azurite"))
    async with _process("node", str(_AZURITE), "--blobPort", str(port), *settings) as process:
        await _listening(process, port)
        url = f"http://127.0.0.1:{port}/{_ACCOUNT}"
        words = f"DefaultEndpointsProtocol=http;AccountName={_ACCOUNT};AccountKey={_KEY};BlobEndpoint={url}"
        yield Store(words, process.pid)


@contextlib.asynccontextmanager
async def _process(*command: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.communicate()


async def _output(*command: str) -> bytes:
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    answer, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"{command[0]} ended with {process.returncode}")
    return answer


async def _listening(process: asyncio.subprocess.Process, port: int) -> None:
    async with asyncio.timeout(_PATIENCE):
        while True:
            assert process.returncode is None, "Azurite has ended"
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return
            await asyncio.sleep(0.05)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
