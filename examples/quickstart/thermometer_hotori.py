"""The same thermometer with Hotori's own client: it waits out lost connections and loses nothing.

    DEVICE_CONNECTION_STRING='HostName=…' HUB_CA=root.pem python thermometer_hotori.py

It sends a temperature every two seconds. The desired property `interval` changes the pace and is reported back;
the method `reset` begins again at 20 degrees.
"""

import asyncio
import contextlib
import json
import math
import os
from pathlib import Path

from hotori.model.message import Message
from hotori.sdk.device import DeviceClient


class Thermometer:
    """A temperature that rises and falls."""

    def __init__(self) -> None:
        self.interval = 2.0
        self.reset()

    def reset(self) -> None:
        self.readings = 0

    def read(self) -> float:
        self.readings += 1
        return round(20 + 5 * math.sin((self.readings - 1) / 10), 2)


async def main(line: str, ca: Path) -> None:
    thermometer = Thermometer()
    async with DeviceClient.from_connection_string(line, ca) as client:

        async def on_desired(patch, version) -> None:
            thermometer.interval = float(patch.get("interval") or thermometer.interval)
            await client.report({"interval": thermometer.interval})

        async def on_method(name, payload):
            if name == "reset":
                thermometer.reset()
            return (200 if name == "reset" else 404), None

        client.on_desired(on_desired)
        client.on_method(on_method)
        while True:
            body = json.dumps({"temperature": thermometer.read()}).encode()
            await client.send(Message(body, system={"ct": "application/json", "ce": "utf-8"}))
            await asyncio.sleep(thermometer.interval)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main(os.environ["DEVICE_CONNECTION_STRING"], Path(os.environ["HUB_CA"])))
