"""A cloud's hub in a process of its own: `python -m benchmarks.bench_cloud FOLDER DEVICES`.

Registry, routes, event log and service API as a cloud has them; messages are flushed before they are acknowledged. It
registers the devices of the load generator, prints as JSON its ports (`plain`, `https`: both in clear text, on
loopback), its name and a token for its events, and serves until it is terminated.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from pathlib import Path

import uvloop

from benchmarks.clients import DEVICE, EXPIRY, registration
from hotori.hub.listener import serve_mqtt
from hotori.hub.registry import Draft
from hotori.hub.service_api.app import service_app
from hotori.model.identity import Identity
from hotori.model.sas import sign
from hotori.net.http import HttpServer
from hotori.net.ports import bind
from hotori.testing.addresses import loopback_address
from hotori.testing.cloud_hub import CloudHub


async def serve(folder: Path, devices: int) -> None:
    key = registration(Identity(DEVICE)).primary
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with CloudHub(folder, loopback_address(), time.time) as cloud:
        for number in range(devices):
            await cloud.registry.create_device(f"d{number}", Draft(primary=key, secondary=key))
        plain = await serve_mqtt(cloud.hub, "127.0.0.1", 0)
        async with HttpServer(service_app(cloud.services), bind("127.0.0.1", 0, "service API")) as https:
            ports = {"plain": plain.sockets[0].getsockname()[1], "https": https.port}
            service = cloud.service()
            token = sign(cloud.address, service.key, EXPIRY, service.policy)
            print(json.dumps({**ports, "name": cloud.address, "token": token}), flush=True)
            await stop.wait()
        plain.close()


if __name__ == "__main__":
    uvloop.run(serve(Path(sys.argv[1]), int(sys.argv[2])))
