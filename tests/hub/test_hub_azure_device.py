"""The unmodified azure-iot-device client, over TLS on its hard-wired port."""

from __future__ import annotations

import asyncio
import gc
import logging
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from queue import Queue
from typing import Any

import pytest
from azure.iot.device import IoTHubDeviceClient, IoTHubModuleClient, MethodResponse
from azure.iot.device import Message as SdkMessage

from hotori.hub.methods import MethodResult
from hotori.model.identity import Identity
from hotori.model.manifest import HubConfig, RouteSpec
from hotori.model.message import Message
from hotori.routing.router import Router
from hotori.testing.addresses import loopback_address
from hotori.testing.small_hub import BookDirectory, SmallHub

DEVICE, CAMERA, CLASSIFIER = Identity("dev-1"), Identity("edge-1", "camera"), Identity("edge-1", "classifier")
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
logging.getLogger("azure").setLevel(logging.ERROR)


class Sdk:
    """A synchronous client and its calls, each in a thread, as a program of its user would make them."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.patches: Queue[Any] = Queue()
        self.messages: Queue[Any] = Queue()
        self.connected = threading.Event()
        client.on_twin_desired_properties_patch_received = self.patches.put
        client.on_message_received = self.messages.put
        client.on_method_request_received = self._answer
        client.on_connection_state_change = self._state_changed

    async def call(self, name: str, *arguments: object) -> Any:
        return await asyncio.wait_for(asyncio.to_thread(getattr(self.client, name), *arguments), 20)

    async def get(self, queue: Queue[Any]) -> Any:
        return await asyncio.to_thread(queue.get, timeout=15)

    async def patch_with(self, name: str) -> Any:
        """The first desired patch that has a member; the client also tells of the whole when it connects."""
        while name not in (patch := await self.get(self.patches)):
            pass
        return patch

    def _answer(self, request: Any) -> None:
        payload = {"name": request.name, "got": request.payload}
        self.client.send_method_response(MethodResponse.create_from_method_request(request, 200, payload))

    def _state_changed(self) -> None:
        (self.connected.set if self.client.connected else self.connected.clear)()


Connect = Callable[[Identity], Awaitable[Sdk]]


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[SmallHub]:
    """A hub that is an edge device's too, so that modules have inputs; a leaf device goes through it."""
    route = 'FROM /messages/modules/camera/outputs/* INTO BrokeredEndpoint("/modules/classifier/inputs/pictures")'
    everything = RouteSpec("all", "FROM /* INTO $upstream")
    router = Router.compile(HubConfig({"one": RouteSpec("one", route), "all": everything}))
    directory = BookDirectory("dev-1", "edge-1", "edge-1/camera", "edge-1/classifier")
    house = SmallHub(
        tmp_path / "hub", loopback_address(), directory, name="hub.example.test", device="edge-1", router=router
    )
    async with house:
        yield house


@pytest.fixture
async def connect(hub: SmallHub) -> AsyncIterator[Connect]:
    """Makes clients that come through the hub as their gateway."""
    clients: list[Sdk] = []

    async def make(identity: Identity) -> Sdk:
        kind = IoTHubDeviceClient if identity.module is None else IoTHubModuleClient
        client = kind.create_from_connection_string(
            hub.connection_string(identity, gateway=hub.address),
            server_verification_cert=hub.authority_pem,
            connection_retry_interval=1,
        )
        clients.append(await asyncio.to_thread(Sdk, client))
        return clients[-1]

    yield make
    await asyncio.gather(*(asyncio.to_thread(sdk.client.shutdown) for sdk in clients))
    clients.clear()
    gc.collect()  # the client below leaves sockets to the collector when it reconnects: here, and not in another test


async def test_telemetry_arrives_with_its_properties(hub: SmallHub, connect: Connect) -> None:
    """1.5, 1.6"""
    sdk = await connect(DEVICE)
    message = SdkMessage('{"t": 21}', message_id="id 1", content_encoding="utf-8", content_type="application/json")
    message.custom_properties["a key"] = "1/2&3=é"
    await sdk.call("send_message", message)
    queue = hub.hub.queues.queue("upstream/dev-1")
    item = queue.take(0.0)
    assert item is not None
    stored = await hub.hub.queues.load(item)
    assert stored is not None
    assert (stored.body, stored.sender) == (b'{"t": 21}', DEVICE)
    assert stored.properties == {"a key": "1/2&3=é"}
    assert stored.system == {"mid": "id 1", "ce": "utf-8", "ct": "application/json"}


async def test_a_modules_output_arrives_at_another_modules_input(hub: SmallHub, connect: Connect) -> None:
    """1.5, 5.3: and what the hub stamps is not taken from the client"""
    camera, classifier = await connect(CAMERA), await connect(CLASSIFIER)
    await classifier.call("connect")
    message = SdkMessage(b"\xff\x00picture", content_type="image/jpeg")
    message.custom_properties["$.cmid"] = "forged"
    message.custom_properties["picture"] = "a b.jpg"
    await camera.call("send_message_to_output", message, "pictures")
    received = await classifier.get(classifier.messages)
    assert (received.data, received.input_name, received.content_type) == (
        b"\xff\x00picture",
        "pictures",
        "image/jpeg",
    )
    assert received.custom_properties == {"$.cdid": "edge-1", "$.cmid": "camera", "picture": "a b.jpg"}


async def test_twin_methods_and_messages_from_the_cloud(hub: SmallHub, connect: Connect) -> None:
    """1.7, 1.8, 1.5"""
    sdk = await connect(DEVICE)
    await sdk.call("connect")
    await sdk.call("patch_twin_reported_properties", {"state": {"ok": True}})
    twin = await sdk.call("get_twin")
    assert twin == {"desired": {"$version": 1}, "reported": {"state": {"ok": True}, "$version": 2}}

    await hub.hub.twins.patch_desired(DEVICE, {"interval": 5})
    assert await sdk.patch_with("interval") == {"interval": 5, "$version": 2}

    assert await hub.hub.methods.invoke(DEVICE, "blink", [1, None]) == MethodResult(
        200, {"name": "blink", "got": [1, None]}
    )
    await hub.hub.send_to_device("dev-1", Message(b"hello", {"x": "y z"}, {"mid": "7"}))
    received = await sdk.get(sdk.messages)
    assert (received.data, received.message_id, received.custom_properties) == (b"hello", "7", {"x": "y z"})


async def test_a_client_goes_on_after_the_hub_was_started_again(hub: SmallHub, connect: Connect) -> None:
    """1.4, traps 1 and 2: it reconnects by itself, does not subscribe again, and is told what it missed"""
    sdk = await connect(DEVICE)
    await sdk.call("connect")
    await hub.stop()
    hub.directory.ready = False
    await hub.start()
    refused = hub.hub.admissions.refused
    async with asyncio.timeout(20):
        while not refused:  # it meets a hub that knows nobody yet, and must not be told "unauthorised"
            await asyncio.sleep(0.01)
    hub.directory.ready = True
    await hub.hub.twins.patch_desired(DEVICE, {"missed": True})
    assert await sdk.patch_with("missed") == {"missed": True, "$version": 2}
    result = await hub.hub.methods.invoke(DEVICE, "again", connect_timeout=15)
    assert result.payload == {"name": "again", "got": None}
    await hub.hub.send_to_device("dev-1", Message(b"still here"))
    assert (await sdk.get(sdk.messages)).data == b"still here"
