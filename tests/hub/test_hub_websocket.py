"""MQTT inside a websocket, on the port of the hub's HTTPS (contract 1.1)."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import websockets
from azure.iot.device import IoTHubDeviceClient, MethodResponse
from azure.iot.device import Message as SdkMessage
from websockets.asyncio.client import ClientConnection, connect

from hotori.hub.listener import WEBSOCKET_PATH, mqtt_tunnel
from hotori.model.identity import Identity
from hotori.mqtt.decoder import Decoder
from hotori.mqtt.encoder import encode
from hotori.mqtt.packets import Connack, Connect, Disconnect, Packet, Pingreq, Pingresp, Puback, Publish, Subscribe
from hotori.mqtt.topics import DESIRED_CHANGES
from hotori.net.http import AsgiApp, HttpServer, Receive, Scope, Send
from hotori.net.ports import bind
from hotori.net.websocket import MAX_FRAME
from hotori.testing.addresses import loopback_address
from hotori.testing.small_hub import BookDirectory, SmallHub

DEVICE = Identity("dev-1")
EVENTS = "devices/dev-1/messages/events/"
logging.getLogger("azure").setLevel(logging.ERROR)


def answering(text: bytes) -> AsgiApp:
    """The other inhabitant of the port."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await send(
                {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(text))]}
            )
            await send({"type": "http.response.body", "body": text})

    return app


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[SmallHub]:
    async with SmallHub(tmp_path / "hub", loopback_address(), BookDirectory("dev-1")) as hub:
        assert hub.authority is not None
        certificate = hub.authority.issue_server([hub.address])
        listener = bind(hub.address, 443, "message hub (HTTPS)")
        async with HttpServer(answering(b"the registry"), listener, certificate, (mqtt_tunnel(hub.hub),)):
            yield hub


async def dial(hub: SmallHub, path: str = WEBSOCKET_PATH, subprotocol: str | None = "mqtt") -> ClientConnection:
    offered = [websockets.Subprotocol(subprotocol)] if subprotocol else None
    url = f"wss://{hub.address}{path}"
    return await connect(url, ssl=hub.client_context(), subprotocols=offered, ping_interval=None, max_queue=None)


def introduction(hub: SmallHub) -> bytes:
    return encode(Connect("dev-1", hub.user_name(DEVICE), hub.token(DEVICE).encode()))


async def receive(client: ClientConnection, count: int) -> list[Packet]:
    decoder, packets = Decoder(1 << 20), list[Packet]()
    async with asyncio.timeout(10):
        while len(packets) < count:
            frame = await client.recv()
            assert isinstance(frame, bytes)
            packets += decoder.feed(frame)
    return packets


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_the_unmodified_client_speaks_through_a_websocket(hub: SmallHub) -> None:
    """1.1: port 443, path and sub-protocol are wired into it"""
    client = IoTHubDeviceClient.create_from_connection_string(
        hub.connection_string(DEVICE), websockets=True, server_verification_cert=hub.authority_pem
    )

    def answer(request: object) -> None:
        client.send_method_response(MethodResponse.create_from_method_request(request, 200, {"on": True}))

    def connect() -> None:
        client.connect()
        client.on_method_request_received = answer  # asks for methods, and waits

    try:
        await asyncio.wait_for(asyncio.to_thread(connect), 20)
        await asyncio.wait_for(asyncio.to_thread(client.send_message, SdkMessage("x" * 100_000)), 20)
        await asyncio.wait_for(asyncio.to_thread(client.patch_twin_reported_properties, {"a": 1}), 20)
        assert (await hub.hub.methods.invoke(DEVICE, "turn", None, connect_timeout=10)).payload == {"on": True}
    finally:
        await asyncio.to_thread(client.shutdown)
        gc.collect()
    [event] = await hub.events.read(0)
    assert event.message.body == b"x" * 100_000
    assert (await hub.hub.twins.get(DEVICE)).reported.values == {"a": 1}


@pytest.mark.parametrize("path", [WEBSOCKET_PATH, WEBSOCKET_PATH + "?iothub-no-client-cert=true"])
async def test_a_query_is_ignored_and_the_sub_protocol_echoed(hub: SmallHub, path: str) -> None:
    """1.1"""
    async with await dial(hub, path) as client:
        assert client.subprotocol == "mqtt"
        await client.send(introduction(hub))
        assert await receive(client, 1) == [Connack(False, 0)]


async def test_packets_may_be_split_over_frames_and_joined_in_one(hub: SmallHub) -> None:
    """[MQTT-6.0.0-2]"""
    async with await dial(hub) as client:
        stream = introduction(hub) + encode(Publish(EVENTS, b"split", 1, 1)) + encode(Publish(EVENTS, b"joined", 1, 2))
        for start in range(0, 60, 7):
            await client.send(stream[start : start + 7])
        await client.send([stream[63:80], stream[80:]])  # fragments of one message
        assert await receive(client, 3) == [Connack(False, 0), Puback(1), Puback(2)]
        await client.send(encode(Pingreq()) + encode(Pingreq()))
        assert await receive(client, 2) == [Pingresp(), Pingresp()]


async def test_a_goodbye_in_the_last_frame_is_heard(hub: SmallHub) -> None:
    client = await dial(hub)
    await client.send(introduction(hub))
    await receive(client, 1)
    await client.send(encode(Publish(EVENTS, b"last", 1, 1)) + encode(Disconnect()))
    await client.wait_closed()
    assert client.close_code == 1000
    assert not hub.hub.sessions.connected(DEVICE)
    assert not hub.hub.connections


async def test_text_frames_and_frames_that_are_too_big_end_the_connection(hub: SmallHub) -> None:
    """[MQTT-6.0.0-1]"""
    for frame, code in (("text", 1003), (b"\x00" * (MAX_FRAME + 1), 1009)):
        client = await dial(hub)
        await client.send(introduction(hub))
        await receive(client, 1)
        await client.send(frame)
        await asyncio.wait_for(client.wait_closed(), 10)
        assert client.close_code == code
    async with asyncio.timeout(10):
        while hub.hub.connections:
            await asyncio.sleep(0)


async def test_what_is_not_mqtt_is_refused_in_the_handshake(hub: SmallHub) -> None:
    """[MQTT-6.0.0-3]: the client must offer `mqtt`; there is one path"""
    for path, subprotocol, status in (
        (WEBSOCKET_PATH, None, 400),
        (WEBSOCKET_PATH, "amqp", 400),
        ("/elsewhere", "mqtt", 404),
    ):
        with pytest.raises(websockets.InvalidStatus) as refused:
            await dial(hub, path, subprotocol)
        assert refused.value.response.status_code == status


async def test_requests_are_answered_on_the_same_port(hub: SmallHub) -> None:
    async with httpx.AsyncClient(verify=hub.client_context() or True) as client:
        assert (await client.get(f"https://{hub.address}/devices")).text == "the registry"


async def test_a_client_that_does_not_read_is_dropped(hub: SmallHub) -> None:
    """The buffers for one client are bounded here too."""
    client = await dial(hub)
    await client.send(introduction(hub))
    await receive(client, 1)
    await client.send(encode(Subscribe(1, ((DESIRED_CHANGES, 0),))))
    await receive(client, 1)
    client.transport.pause_reading()
    big = {f"key{n}": "x" * 4000 for n in range(8)}
    while hub.hub.sessions.connected(DEVICE):
        await hub.hub.twins.patch_desired(DEVICE, big)
    client.transport.abort()
    await client.wait_closed()
