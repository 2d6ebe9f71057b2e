"""Websockets of the running programs: the unmodified client on port 443 of a cloud and of an edge device."""

import asyncio
import gc

import pytest
from azure.iot.device import IoTHubDeviceClient, Message

from hotori.model.sas import sign
from hotori.net.tls import client_context
from hotori.sdk.dial import introduction
from hotori.sdk.mqtt_client import MqttClient
from hotori.testing.small_hub import FAR_FUTURE
from tests.journeys.conftest import DEVICE
from tests.journeys.test_commands_at_work import answer
from tests.journeys.test_real_clients import a_new_device, authority

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.mark.parametrize("at_edge", [False, True])
async def test_the_unmodified_client_speaks_by_websocket_with_the_programs(installation, at_edge):
    """Contract 1.1: messages and the twin, directly and through the gateway."""
    connection = await a_new_device(installation, DEVICE if at_edge else None)
    line = connection.format() + (f";GatewayHostName={installation.edge_address}" if at_edge else "")
    client = IoTHubDeviceClient.create_from_connection_string(
        line, websockets=True, server_verification_cert=authority(installation, at_edge)
    )
    try:
        await asyncio.wait_for(asyncio.to_thread(client.send_message, Message("x" * 100_000)), 60)
        await asyncio.wait_for(asyncio.to_thread(client.patch_twin_reported_properties, {"by": "websocket"}), 60)
        twin = await asyncio.wait_for(asyncio.to_thread(client.get_twin), 60)
        assert twin["reported"]["by"] == "websocket"
    finally:
        await asyncio.to_thread(client.shutdown)
        del client
        gc.collect()  # the client leaves a socket to the collector


async def test_clients_that_share_an_identity_are_told_by_a_command(installation):
    device = await a_new_device(installation)
    hub, context = installation.cloud.hub, client_context(installation.cloud.ca)
    token = sign(f"{device.host}/{device.identity.path()}", device.key, FAR_FUTURE)
    hello = introduction(device.host, device.identity, token, 60)
    clients = [
        await MqttClient.connect(hub.host, hub.mqtt_port, context, hello, on_publish=lambda *_: None) for _ in range(5)
    ]
    for client in clients:
        await client.close()
    (problems,) = await asyncio.to_thread(answer, installation, "cloud", "problems")
    assert [each["code"] for each in problems if str(device.identity) in each["title"]] == ["identity-shared"]
