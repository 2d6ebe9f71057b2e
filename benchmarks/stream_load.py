"""Readers of an event stream: `python -m benchmarks.stream_load PORT PID READERS SECONDS [TOKEN]`.

Counts the events that arrive, and their delay since the time in their bodies (as the load generator writes it), and
takes the server's processor time meanwhile. Prints JSON.
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
import struct
import sys
import time
from collections.abc import Sequence

from hotori.sdk.program import cpu_seconds

_BODY = re.compile(rb'"base64":"([A-Za-z0-9+/]{12})')
_TOO_MUCH = 1 << 20


class Readers:
    """What all connections saw while `measuring`."""

    def __init__(self) -> None:
        self.measuring = False
        self.count = 0
        self.delays: list[int] = []

    async def read(self, port: int, token: str) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=_TOO_MUCH)
        lines = ("GET /messages/events?api-version=2021-04-12 HTTP/1.1", "Host: bench", f"Authorization: {token}")
        writer.write("\r\n".join([*lines, "", ""]).encode())
        status = await reader.readline()
        assert b" 200 " in status, status
        rest = b""
        while data := await reader.read(_TOO_MUCH):
            whole, found, rest = (rest + data).rpartition(b"\n\n")
            if found and self.measuring:
                self._take(_BODY.findall(whole), time.monotonic_ns())

    def _take(self, bodies: Sequence[bytes], now: int) -> None:
        self.count += len(bodies)
        self.delays += [now - struct.unpack_from("=Q", base64.b64decode(body))[0] for body in bodies]


async def measure(port: int, pid: int, readers: int, seconds: float, token: str) -> dict[str, float]:
    seen = Readers()
    tasks = [asyncio.create_task(seen.read(port, token)) for _ in range(readers)]
    await asyncio.sleep(seconds / 2)
    seen.measuring, began, used = True, time.monotonic(), cpu_seconds(pid)
    await asyncio.sleep(seconds)
    cpu, elapsed = cpu_seconds(pid) - used, time.monotonic() - began
    for task in tasks:
        if task.done():
            task.result()
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    delays = sorted(seen.delays) or [0]
    quantiles = {f"p{part}_ms": delays[len(delays) * part // 100] / 1e6 for part in (50, 99)}
    return {"cpu_us": cpu / max(seen.count, 1) * 1e6, "per_second": seen.count / elapsed, **quantiles}


if __name__ == "__main__":
    port, pid, readers = (int(text) for text in sys.argv[1:4])
    token = sys.argv[5] if len(sys.argv) > 5 else ""
    print(json.dumps(asyncio.run(measure(port, pid, readers, float(sys.argv[4]), token))))
