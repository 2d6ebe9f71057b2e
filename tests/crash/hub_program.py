"""An edge hub to be killed: this program stays, and forks a hub for every line that it reads.

The hub prints a line of JSON when it serves: its accounts, its problems, and how long its start took. SIGTERM ends it
cleanly, once nothing waits.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from pathlib import Path

import uvloop

from hotori.hub.upstream import Upstream
from hotori.sdk.backoff import Backoff
from hotori.sdk.endpoint import Endpoint
from hotori.sdk.link import ConnectionOptions
from hotori.testing.witnessed_disk import WitnessedDisk
from tests.crash.place import edge_hub

OPTIONS = ConnectionOptions(backoff=Backoff(first=0.02, longest=0.05, refused=0.05))


async def serve(folder: Path, address: str, above: Endpoint) -> None:
    begun, ended = time.monotonic(), asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    edge = edge_hub(folder, address, disk=WitnessedDisk(folder / "witness"))
    async with edge:
        upstream = Upstream(edge.hub, above, options=OPTIONS, catch_up=1e6)
        await upstream.start()
        queues = edge.hub.queues
        queues.page = 100  # so that starts read pages too
        say(
            pid=os.getpid(),
            seconds=time.monotonic() - begun,
            accounts=[
                [account.endpoint, account.route, account.counters.accepted, account.counters.delivered]
                for account in queues.accounts()
            ],
            lost=sum(account.counters.lost for account in queues.accounts()),
            unrouted=sum(queues.unrouted.counts.values()),
            problems=[problem.code for problem in queues.problems],
        )
        await ended.wait()
        while queues.total("module:classifier").pending or upstream.counters.pending:
            await asyncio.sleep(0.01)
        await upstream.close()


def say(**values: object) -> None:
    os.write(1, json.dumps(values).encode() + b"\n")


def main() -> None:
    folder, address, above, port = Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])
    for _ in sys.stdin:
        child = os.fork()
        if child == 0:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(serve(folder, address, Endpoint(above, port, None)))
            os._exit(0)
        os.waitpid(child, 0)
        say(ended=child)


if __name__ == "__main__":
    main()
