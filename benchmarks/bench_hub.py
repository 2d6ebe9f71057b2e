"""The hub alone in a process of its own, as an edge device hosts it: `python -m benchmarks.bench_hub FOLDER`.

Segment log with a flush before every acknowledgement, SQLite records, tokens that are checked, routes and property
bags. Prints its two ports as JSON (`plain`, `tls`) once it listens, and serves until it is terminated.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from pathlib import Path

import uvloop

from benchmarks.clients import DEVICE, HUB_NAME, registration
from hotori.cli.serving import calm_collector
from hotori.hub.hub import Hub
from hotori.hub.intake import RoutingIntake
from hotori.hub.listener import serve_mqtt
from hotori.hub.queues import Queues
from hotori.hub.registration import Registration
from hotori.model.identity import Identity
from hotori.model.manifest import RouteSpec
from hotori.net.authority import Authority
from hotori.net.tls import server_context
from hotori.routing.router import Router
from hotori.store.segments import SegmentLog
from hotori.store.sqlite import SqliteRecords

ROUTES = (
    "FROM /messages/* WHERE level = 'alarm' INTO $upstream",
    "FROM /messages/modules/camera/outputs/* INTO $upstream",
)
"""Two that take nothing of the load: one that asks every message, one of another source."""


class Everybody:
    """A directory that knows every client of the benchmarks."""

    async def find(self, identity: Identity) -> Registration | None:
        return registration(identity)


def routes(sinks: int) -> Router:
    """The routes above, and one to the input of each sink."""
    texts = [*ROUTES, *(_to_sink(number) for number in range(sinks))]
    return Router.compile({f"r{at}": RouteSpec(f"r{at}", text) for at, text in enumerate(texts)})


def _to_sink(number: int) -> str:
    return f"FROM /messages/* WHERE level = 'info' INTO BrokeredEndpoint(\"/modules/sink{number}/inputs/in\")"


async def serve(folder: Path, sinks: int) -> None:
    records = SqliteRecords.open(folder / "records.db")
    queues = Queues(SegmentLog.open(folder / "queues"), records)
    hub = Hub(HUB_NAME, Everybody(), records, queues, RoutingIntake(routes(sinks), queues), device=DEVICE)
    await hub.start()
    issued = Authority.open(folder / "authority").issue_server(["127.0.0.1", "localhost"])
    plain = await serve_mqtt(hub, "127.0.0.1", 0)
    tls = await serve_mqtt(hub, "127.0.0.1", 0, server_context(issued.cert_path, issued.key_path))
    ports = {"plain": plain.sockets[0].getsockname()[1], "tls": tls.sockets[0].getsockname()[1]}
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    calm_collector()
    print(json.dumps(ports), flush=True)
    await stop.wait()
    plain.close()
    tls.close()
    await hub.close()
    await records.close()


if __name__ == "__main__":
    uvloop.run(serve(Path(sys.argv[1]), int(sys.argv[2])))
