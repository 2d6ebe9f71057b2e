"""Devices behind an edge device that show certificates (contract 1.3, 11.1): the unmodified client, both ways in."""

from __future__ import annotations

import asyncio
import gc
import logging
import queue
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from azure.iot.device import X509, IoTHubDeviceClient
from azure.iot.device import Message as SdkMessage

from hotori.edge.trust_bundle import TrustBundle
from hotori.mqtt.packets import Connack, Connect
from hotori.net.tls import client_context
from hotori.problems import Problem
from hotori.testing.addresses import loopback_address
from hotori.testing.certificates import Signer
from hotori.testing.wire_client import WireClient
from tests.edge.test_gateway import an_edge
from tests.edge.whole_cloud import WholeCloud, whole_cloud

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
logging.getLogger("azure").setLevel(logging.ERROR)


@asynccontextmanager
async def a_gateway(folder: Path, trust: TrustBundle, **leaves: Any) -> AsyncIterator[tuple[WholeCloud, str]]:
    """A cloud, and the address of an edge device with these leaves behind it; each is given by its proofs."""
    address = loopback_address()
    async with whole_cloud(folder, loopback_address()) as cloud:
        ticket = await cloud.enrol("top")
        scope = (await cloud.client.get("/devices/top")).json()["deviceScope"]
        for name, proofs in leaves.items():
            draft = {"deviceId": name, "deviceScope": scope, "authentication": proofs}
            (await cloud.client.put(f"/devices/{name}", json=draft)).raise_for_status()
        async with an_edge(folder / "top", ticket, address, 443, trust):
            await known(cloud, address)
            yield cloud, address


@asynccontextmanager
async def leaf(cloud: WholeCloud, gateway: str, signer: Signer, *, websockets: bool) -> AsyncIterator[Any]:
    """An unmodified client that goes through the gateway."""
    files = signer.write(cloud.folder, "leaf")
    trusted = (cloud.folder / "top" / "authority" / "root.pem").read_text()
    client = IoTHubDeviceClient.create_from_x509_certificate(
        X509(str(files[0]), str(files[1])),
        cloud.connection.hub.host,
        "leaf",
        gateway_hostname=gateway,
        server_verification_cert=trusted,
        websockets=websockets,
    )
    try:
        yield client
    finally:
        await asyncio.to_thread(client.shutdown)
        del client
        gc.collect()  # the client leaves a socket to the collector


async def in_thread(work: Any, *values: Any) -> Any:
    return await asyncio.wait_for(asyncio.to_thread(work, *values), 30)


async def known(cloud: WholeCloud, gateway: str) -> None:
    """Wait until the gateway has its scope: before, it says to come back, which the client does after long pauses."""
    context = client_context(cloud.folder / "top" / "authority" / "root.pem")
    hello = Connect("leaf", f"{cloud.connection.hub.host}/leaf/?api-version=2021-04-12", None)
    code = 3
    async with asyncio.timeout(30):
        while code == 3:
            client = WireClient(*await asyncio.open_connection(gateway, 8883, ssl=context))
            client.send(hello)
            code = (await client.expect(Connack)).code
            await client.close()
            await asyncio.sleep(0.1)
    assert code == 5  # it showed nothing


@pytest.mark.parametrize("websockets", [False, True])
async def test_a_leaf_with_a_certificate_works_behind_a_gateway(tmp_path: Path, websockets: bool) -> None:
    """By its thumbprint, through MQTT and through a websocket: messages, twin, and messages from the cloud."""
    own = Signer.self_signed("leaf")
    proofs = {"type": "selfSigned", "x509Thumbprint": {"primaryThumbprint": own.thumbprint()}}
    received: queue.Queue[Any] = queue.Queue()
    async with (
        a_gateway(tmp_path, TrustBundle(), leaf=proofs) as (cloud, gateway),
        leaf(cloud, gateway, own, websockets=websockets) as client,
    ):
        await in_thread(setattr, client, "on_message_received", received.put)  # subscribes, and waits
        await in_thread(client.send_message, SdkMessage("up"))
        await in_thread(client.patch_twin_reported_properties, {"on": True})
        assert [event["deviceId"] for event in await cloud.events(1)] == ["leaf"]
        await cloud.reported("leaf", lambda values: values.get("on") is True)
        (await cloud.client.post("/devices/leaf/messages/devicebound", content=b"down")).raise_for_status()
        assert (await in_thread(received.get, True, 30)).data == b"down"


async def test_a_leaf_is_vouched_for_by_an_authority_that_the_gateway_trusts(tmp_path: Path) -> None:
    root = Signer.root()
    (tmp_path / "trust.pem").write_text(Signer.root("another").pem + root.pem)
    trust = TrustBundle.read(tmp_path / "trust.pem")
    async with (
        a_gateway(tmp_path, trust, leaf={"type": "certificateAuthority"}) as (cloud, gateway),
        leaf(cloud, gateway, root.issue("leaf"), websockets=False) as client,
    ):
        await in_thread(client.send_message, SdkMessage("up"))
        assert [event["deviceId"] for event in await cloud.events(1)] == ["leaf"]


def test_a_bundle_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    for name, content in (("missing.pem", None), ("broken.pem", b"no certificate")):
        path = tmp_path / name
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(Problem) as raised:
            TrustBundle.read(path)
        assert raised.value.code == "file-unreadable"
        assert name in raised.value.title()
