"""What an event stream costs at least: server-sent events by a bare application on uvicorn, from memory.

`python -m benchmarks.bench_sse RATE` prints its port as JSON. Every event has the size of ours and carries the time of
its making; each reader has a queue, and each event is sent as it comes.
"""

from __future__ import annotations

import asyncio
import base64
import json
import socket
import struct
import sys
import time

import uvicorn
import uvloop

from hotori.net.http import Receive, Scope, Send

_FRAME = (
    b'id: %d\ndata: {"offset":%d,"partition":2,"enqueuedTime":"2026-12-01T00:00:00.000Z","deviceId":"d17",'
    b'"moduleId":null,"output":null,"properties":{"level":"info","site":"kyoto north","seq":"1234567"},'
    b'"system":{"ct":"application/json"},"body":{"base64":"%b"}}\n\n'
)
_PERIOD = 0.002


class Source:
    """Makes `rate` events a second and hands each to every reader."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self.readers: list[asyncio.Queue[bytes]] = []

    async def run(self) -> None:
        began, made = time.monotonic(), 0
        while True:
            await asyncio.sleep(_PERIOD)
            due = int((time.monotonic() - began) * self._rate)
            for number in range(made, due):
                body = base64.b64encode(struct.pack("=Q", time.monotonic_ns()) + b"x" * 248)
                frame = _FRAME % (number, number, body)
                for reader in self.readers:
                    reader.put_nowait(frame)
            made = due


async def serve(rate: int) -> None:
    source = Source(rate)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        queue: asyncio.Queue[bytes] = asyncio.Queue()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
        source.readers.append(queue)
        while True:
            await send({"type": "http.response.body", "body": await queue.get(), "more_body": True})

    listener = socket.create_server(("127.0.0.1", 0))
    print(json.dumps({"https": listener.getsockname()[1]}), flush=True)
    making = asyncio.create_task(source.run())
    config = uvicorn.Config(app, log_level="error", lifespan="off", timeout_graceful_shutdown=1)
    await uvicorn.Server(config).serve(sockets=[listener])
    making.cancel()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
