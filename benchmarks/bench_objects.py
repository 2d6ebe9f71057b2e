"""The object store alone in a process of its own, as the cloud hosts it: `python -m benchmarks.bench_objects FOLDER`.

Index in SQLite, content in files, everything flushed before it is answered; signatures are checked. Prints its
connection string once it listens, and serves until it is terminated.
"""

from __future__ import annotations

import asyncio
import base64
import signal
import sys
from pathlib import Path

import uvloop

from hotori.model.connection_string import StorageConnection
from hotori.model.secret import Secret
from hotori.net.http import HttpServer
from hotori.net.ports import bind
from hotori.objects.blob_files import BlobFiles
from hotori.objects.server import objects_app
from hotori.store.sqlite import SqliteRecords

ACCOUNT = "bench"
KEY = Secret(base64.b64encode(bytes(range(64))).decode())


async def serve(folder: Path) -> None:
    records = SqliteRecords.open(folder / "index.sqlite")
    app = objects_app(BlobFiles(records, folder / "content"), {ACCOUNT: (KEY,)})
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with HttpServer(app, bind("127.0.0.1", 0, "object store")) as server:
        print(StorageConnection(ACCOUNT, KEY, f"http://127.0.0.1:{server.port}/{ACCOUNT}").format(), flush=True)
        await stop.wait()
    await records.close()


if __name__ == "__main__":
    uvloop.run(serve(Path(sys.argv[1])))
