from __future__ import annotations

import base64
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from hotori.model.connection_string import StorageConnection
from hotori.model.secret import Secret
from hotori.net.http import HttpServer
from hotori.net.ports import bind
from hotori.objects.blob_files import BlobFiles
from hotori.objects.server import objects_app
from hotori.store.sqlite import SqliteRecords

ACCOUNT = "hotori"
KEY = Secret(base64.b64encode(bytes(range(64))).decode())


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[BlobFiles]:
    records = SqliteRecords.open(tmp_path / "index.sqlite")
    yield BlobFiles(records, tmp_path / "content")
    await records.close()


@pytest.fixture
async def connection(store: BlobFiles) -> AsyncIterator[StorageConnection]:
    """A running object store."""
    app = objects_app(store, {ACCOUNT: (KEY,)})
    async with HttpServer(app, bind("127.0.0.1", 0, "object store")) as server:
        yield StorageConnection(ACCOUNT, KEY, f"http://127.0.0.1:{server.port}/{ACCOUNT}")


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 1 MB, where this user may mount one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"no disk can be mounted here: {mounted.stderr.strip()}")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)
