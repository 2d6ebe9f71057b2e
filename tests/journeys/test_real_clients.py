"""The unmodified clients that people have, against a cloud and an edge device that run as programs."""

import asyncio
import json
import queue
import uuid
from contextlib import contextmanager
from pathlib import Path

import pytest
from azure.core.exceptions import HttpResponseError
from azure.iot.device import IoTHubDeviceClient, IoTHubModuleClient, Message, MethodResponse
from azure.storage.blob import BlobServiceClient

from hotori.cli.device import service_client
from hotori.model.connection_string import IdentityConnection
from hotori.model.identity import Identity
from tests.journeys.conftest import DEVICE, eventually


@contextmanager
def connected(client):
    """The client while the block runs; its threads are ended."""
    client.connect()
    try:
        yield client
    finally:
        client.shutdown()


async def a_new_device(installation, parent=None):
    """A device without modules that the registry was just told of, behind an edge device or not."""
    async with service_client(installation.cloud) as client:
        view = await client.add_device(f"leaf-{uuid.uuid4().hex[:8]}", parent=parent)
        return IdentityConnection.parse(view.connection_string.reveal())


def authority(installation, at_edge):
    """The certificate of the authority that the server's is to be checked with."""
    if not at_edge:
        return installation.cloud.ca.read_text()
    connect = json.loads(installation.edge_program.connect_file.read_text())
    return Path(connect["ca"]).read_text()


def device_client(installation, connection, at_edge):
    line = connection.format()
    if at_edge:
        line += f";GatewayHostName={installation.edge_address}"
    return IoTHubDeviceClient.create_from_connection_string(
        line, server_verification_cert=authority(installation, at_edge)
    )


@pytest.mark.parametrize("at_edge", [False, True], ids=["cloud", "edge"])
async def test_a_device_sends_and_the_cloud_receives_with_its_properties(installation, at_edge):
    connection = await a_new_device(installation, DEVICE if at_edge else None)
    message = Message(json.dumps({"t": 21.5}), content_encoding="utf-8", content_type="application/json")
    message.custom_properties["level ü/&="] = "a b+c"
    await asyncio.to_thread(send_one, installation, connection, at_edge, message)
    async with service_client(installation.cloud) as client:
        async for event in client.events("earliest", device=connection.identity.device):
            assert event["body"] == {"t": 21.5}
            assert event["properties"]["level ü/&="] == "a b+c"
            return


def send_one(installation, connection, at_edge, message):
    with connected(device_client(installation, connection, at_edge)) as client:
        client.send_message(message)


@pytest.mark.parametrize("at_edge", [False, True], ids=["cloud", "edge"])
async def test_a_devices_twin_is_read_changed_and_followed(installation, at_edge):
    connection = await a_new_device(installation, DEVICE if at_edge else None)
    device = connection.identity
    patches: queue.Queue[dict] = queue.Queue()

    def talk():
        with connected(device_client(installation, connection, at_edge)) as client:
            client.on_twin_desired_properties_patch_received = patches.put
            twin = client.get_twin()
            client.patch_twin_reported_properties({"firmware": "1.2"})
            asyncio.run(change())
            return twin, patches.get(timeout=30)

    async def change():
        async with service_client(installation.cloud) as service:
            await service.patch_twin(device, desired={"interval": 5})

    twin, patch = await asyncio.to_thread(talk)
    assert twin["desired"]["$version"] >= 1
    assert patch["interval"] == 5

    async def reported():
        async with service_client(installation.cloud) as service:
            return (await service.twin(device))["properties"]["reported"].get("firmware") == "1.2"

    await eventually(reported)


@pytest.mark.parametrize("at_edge", [False, True], ids=["cloud", "edge"])
async def test_a_device_answers_a_method_called_in_the_cloud(installation, at_edge):
    connection = await a_new_device(installation, DEVICE if at_edge else None)
    ready = asyncio.Event()
    loop, done = asyncio.get_running_loop(), asyncio.Event()

    def serve():
        with connected(device_client(installation, connection, at_edge)) as client:

            def answer(request):
                response = MethodResponse.create_from_method_request(request, 200, {"heard": request.payload})
                client.send_method_response(response)

            client.on_method_request_received = answer
            loop.call_soon_threadsafe(ready.set)
            asyncio.run_coroutine_threadsafe(done.wait(), loop).result(60)

    serving = asyncio.create_task(asyncio.to_thread(serve))
    await ready.wait()
    async with service_client(installation.cloud) as service:
        result = await service.invoke(connection.identity, "echo", {"n": 1}, connect_timeout=20)
    done.set()
    await serving
    assert (result.status, result.payload) == (200, {"heard": {"n": 1}})


async def test_a_cloud_message_reaches_a_device(installation):
    connection = await a_new_device(installation)
    received: queue.Queue[Message] = queue.Queue()
    async with service_client(installation.cloud) as service:
        await service.send_to_device(connection.identity.device, b"hello", {"colour": "blue"})

    def listen():
        with connected(device_client(installation, connection, at_edge=False)) as client:
            client.on_message_received = received.put
            return received.get(timeout=30)

    message = await asyncio.to_thread(listen)
    assert message.data == b"hello"
    assert message.custom_properties["colour"] == "blue"


async def test_a_module_with_a_connection_string_sends_and_receives_at_the_cloud(installation):
    connection = await a_new_device(installation)
    module = Identity(connection.identity.device, "sensor")
    async with service_client(installation.cloud) as service:
        view = await service.add_module(module)

    def talk():
        client = IoTHubModuleClient.create_from_connection_string(
            view.connection_string.reveal(), server_verification_cert=authority(installation, at_edge=False)
        )
        with connected(client):
            client.send_message_to_output(Message("from a module"), "out1")
            client.patch_twin_reported_properties({"ready": True})

    await asyncio.to_thread(talk)
    async with service_client(installation.cloud) as service:
        assert (await service.twin(module))["properties"]["reported"]["ready"] is True
        async for event in service.events("earliest", device=module.device):
            assert (event["moduleId"], event["output"]) == ("sensor", "out1")
            return


def test_pictures_are_listed_and_read_by_the_storage_client(installation):
    service = BlobServiceClient.from_connection_string(installation.cloud.storage.reveal())
    with service, service.create_container(f"c{uuid.uuid4().hex[:8]}") as container:
        container.upload_blob("a/b c.jpg", b"\xff\xd8picture", overwrite=True)
        assert [blob.name for blob in container.list_blobs()] == ["a/b c.jpg"]
        assert container.download_blob("a/b c.jpg").readall() == b"\xff\xd8picture"


def test_a_wrong_storage_key_is_refused(installation):
    line = installation.cloud.storage.reveal()
    key = line.partition("AccountKey=")[2].partition(";")[0]
    wrong = BlobServiceClient.from_connection_string(line.replace(key, "AAAA" + key[4:]))
    with wrong as service, pytest.raises(HttpResponseError) as met:
        list(service.list_containers())
    assert met.value.status_code == 403
