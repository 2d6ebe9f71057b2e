"""Run beside a cloud, in its network: three edge devices one behind the other, a leaf, and a module for the lowest.

`python nested_cloud.py CLOUD FOLDER` writes FOLDER/NAME.json for each device, and FOLDER/leaf.txt.
"""

from __future__ import annotations

import asyncio
import sys
import sysconfig
from pathlib import Path

from hotori.cli.device import enrolment, service_client
from hotori.model.manifest import RegistryCredential
from hotori.sdk.connection_file import CloudConnection, write_private
from hotori.testing.registry_server import TinyImages

SENDER = f"""\
import json, os, sys, time
sys.path.insert(0, {sysconfig.get_paths()["purelib"]!r})
from azure.iot.device import IoTHubModuleClient, Message, MethodResponse

client = IoTHubModuleClient.create_from_edge_environment()

def answer(request):
    payload = {{"echo": request.payload, "parent": os.environ.get("IOTEDGE_PARENTHOSTNAME")}}
    client.send_method_response(MethodResponse.create_from_method_request(request, 200, payload))

def desired(patch):
    client.patch_twin_reported_properties({{"interval": patch.get("interval")}})

client.on_method_request_received = answer
client.on_twin_desired_properties_patch_received = desired
client.connect()
run, number = str(int(time.time() * 1000)), 0
while True:
    message = Message(json.dumps({{"run": run, "number": number}}), content_encoding="utf-8",
                      content_type="application/json")
    client.send_message_to_output(message, "numbers")
    number += 1
    time.sleep(0.2)
"""
DEVICES = (("top", None), ("middle", "top"), ("bottom", "middle"))


async def main(folder: Path, target: Path) -> None:
    cloud = CloudConnection.read(folder / "connect.json")
    async with service_client(cloud) as client:
        for name, parent in DEVICES:
            view = await client.add_device(name, edge=True, parent=parent)
            write_private(target / f"{name}.json", enrolment(cloud, view))
        leaf = await client.add_device("leaf", parent="bottom")
        (target / "leaf.txt").write_text(leaf.connection_string.reveal())
        credential = RegistryCredential(cloud.registry_address, cloud.registry_username, cloud.registry_password)
        images = TinyImages(cloud.registry_address, target / "sources", credential, ca=cloud.ca)
        await images.publish({"main.py": SENDER}, name="sender")
        await client.apply_manifest("bottom", manifest("$upstream:443/sender:1.0"))


def manifest(image: str) -> dict[str, object]:
    module = {"type": "docker", "status": "running", "restartPolicy": "always", "settings": {"image": image}}
    agent = {
        "schemaVersion": "1.1",
        "runtime": {"type": "docker", "settings": {}},
        "systemModules": {},
        "modules": {"sender": module},
    }
    hub = {"schemaVersion": "1.1", "routes": {"up": "FROM /messages/* INTO $upstream"}}
    desired = {"$edgeAgent": agent, "$edgeHub": hub}
    return {"modulesContent": {name: {"properties.desired": values} for name, values in desired.items()}}


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2])))
