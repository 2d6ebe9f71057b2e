"""A thermometer that speaks with the client that many devices have already: azure-iot-device, unmodified.

    DEVICE_CONNECTION_STRING='HostName=…' HUB_CA=root.pem python thermometer_azure.py

It sends a temperature every two seconds. The desired property `interval` changes the pace and is reported back;
the method `reset` begins again at 20 degrees. Needs: pip install azure-iot-device
"""

import asyncio
import contextlib
import json
import math
import os
from pathlib import Path

from azure.iot.device import Message, MethodResponse
from azure.iot.device.aio import IoTHubDeviceClient


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


async def main(line: str, ca: str) -> None:
    thermometer = Thermometer()
    client = IoTHubDeviceClient.create_from_connection_string(line, server_verification_cert=ca)

    async def on_desired(patch: dict) -> None:
        thermometer.interval = float(patch.get("interval") or thermometer.interval)
        await client.patch_twin_reported_properties({"interval": thermometer.interval})

    async def on_method(request) -> None:
        if request.name == "reset":
            thermometer.reset()
        status = 200 if request.name == "reset" else 404
        await client.send_method_response(MethodResponse.create_from_method_request(request, status))

    await client.connect()
    client.on_twin_desired_properties_patch_received = on_desired
    client.on_method_request_received = on_method
    await on_desired((await client.get_twin())["desired"])
    try:
        while True:
            body = json.dumps({"temperature": thermometer.read()})
            await client.send_message(Message(body, content_encoding="utf-8", content_type="application/json"))
            await asyncio.sleep(thermometer.interval)
    finally:
        await client.shutdown()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main(os.environ["DEVICE_CONNECTION_STRING"], Path(os.environ["HUB_CA"]).read_text()))
