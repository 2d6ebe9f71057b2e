"""An unmodified client behind a gateway: `python leaf_device.py CONNECTION_STRING CA_FILE [stay]`.

Sends a message, reports what is desired, waits for a message of the cloud; each is written as a line of JSON.
"""

from __future__ import annotations

import json
import queue
import sys
from pathlib import Path

from azure.iot.device import IoTHubDeviceClient, Message, MethodResponse


def say(**values: object) -> None:
    print(json.dumps(values), flush=True)


def main(connection: str, ca: Path) -> None:
    client = IoTHubDeviceClient.create_from_connection_string(connection, server_verification_cert=ca.read_text())
    received: queue.Queue[object] = queue.Queue()

    def answer(request):
        client.send_method_response(MethodResponse.create_from_method_request(request, 200, {"leaf": request.payload}))
        received.put({"method": request.name})

    client.on_method_request_received = answer
    client.on_message_received = lambda message: received.put({"message": message.data.decode()})
    client.connect()
    client.send_message(Message(json.dumps({"leaf": 1}), content_encoding="utf-8", content_type="application/json"))
    twin = client.get_twin()
    client.patch_twin_reported_properties({"seen": twin["desired"].get("wanted")})
    say(ready=True)
    for _ in range(2):
        say(**received.get(timeout=60))
    client.shutdown()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
