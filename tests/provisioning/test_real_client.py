"""The unmodified provisioning client (contract 12), over MQTT and MQTT in websockets."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from azure.iot.device import X509, IoTHubDeviceClient, ProvisioningDeviceClient
from azure.iot.device.exceptions import ClientError

from hotori.model.identity import Identity
from hotori.model.json import JsonObject
from hotori.model.sas import derived_key
from hotori.problems import Problem
from hotori.testing.addresses import loopback_address
from hotori.testing.certificates import Signer
from hotori.testing.cloud_hub import CloudHub

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
logging.getLogger("azure").setLevel(logging.CRITICAL)


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[CloudHub]:
    async with CloudHub(tmp_path / "cloud", loopback_address()) as hub:
        yield hub
    gc.collect()  # the client leaves sockets to the collector


async def enrol(cloud: CloudHub, name: str, document: JsonObject, *, group: bool = False) -> Any:
    return await cloud.provisioning.enrolments.put(name, document, group=group, etag=None, change=False)


async def register(client: ProvisioningDeviceClient) -> Any:
    return await asyncio.wait_for(asyncio.to_thread(client.register), 25)


def by_key(cloud: CloudHub, registration: str, key: str) -> ProvisioningDeviceClient:
    return ProvisioningDeviceClient.create_from_symmetric_key(
        cloud.address, registration, cloud.provisioning.scope, key, server_verification_cert=cloud.authority.pem
    )


async def test_a_device_of_its_own_enrolment_is_assigned_and_connects_with_its_key(cloud: CloudHub) -> None:
    """12.1, 12.2, 12.4: with its initial twin"""
    made = await enrol(
        cloud,
        "reg-1",
        {
            "deviceId": "dev-1",
            "attestation": {"type": "symmetricKey"},
            "initialTwin": {"tags": {"site": "north"}, "properties": {"desired": {"interval": 5}}},
        },
    )
    result = await register(by_key(cloud, "reg-1", made.primary.reveal()))
    assert (result.status, result.registration_state.device_id) == ("assigned", "dev-1")
    assert result.registration_state.assigned_hub == cloud.address
    assert result.registration_state.sub_status == "initialAssignment"
    twin = await cloud.hub.twins.get(Identity("dev-1"))
    assert (twin.tags, twin.desired.document()["interval"]) == ({"site": "north"}, 5)
    device = IoTHubDeviceClient.create_from_symmetric_key(
        made.primary.reveal(), cloud.address, "dev-1", server_verification_cert=cloud.authority.pem
    )
    try:
        await asyncio.wait_for(asyncio.to_thread(device.connect), 20)
        assert cloud.hub.sessions.connected(Identity("dev-1"))
    finally:
        await asyncio.to_thread(device.shutdown)


async def test_an_edge_device_of_a_group_uses_a_derived_key(cloud: CloudHub) -> None:
    """12.2: the device keeps its key at the hub"""
    document: JsonObject = {"attestation": {"type": "symmetricKey"}, "capabilities": {"iotEdge": True}}
    group = await enrol(cloud, "line-7", document, group=True)
    key = derived_key(group.secondary, "robot-1").reveal()
    result = await register(by_key(cloud, "robot-1", key))
    assert result.status == "assigned"
    device = await cloud.registry.get(Identity("robot-1"))
    assert (device.edge, device.secondary.reveal()) == (True, key)
    assert (await cloud.provisioning.assignments.get("robot-1")).enrolment == "line-7"


@pytest.mark.parametrize("group", [False, True])
async def test_a_device_with_a_certificate_is_assigned(cloud: CloudHub, tmp_path: Path, group: bool) -> None:
    """12.1: no password; for one device its own certificate, for a group that of an authority"""
    root = Signer.root()
    own = root.issue("line", authority=True).issue("robot-1") if group else Signer.self_signed("robot-1")
    shown: JsonObject = {"primary": {"certificate": (root if group else own).pem}}
    member = "signingCertificates" if group else "clientCertificates"
    document: JsonObject = {"attestation": {"type": "x509", "x509": {member: shown}}}
    await enrol(cloud, "line-7" if group else "robot-1", document, group=group)
    cert, key = own.write(tmp_path, "robot")
    client = ProvisioningDeviceClient.create_from_x509_certificate(
        cloud.address,
        "robot-1",
        cloud.provisioning.scope,
        X509(str(cert), str(key)),
        server_verification_cert=cloud.authority.pem,
    )
    assert (await register(client)).status == "assigned"
    assert (await cloud.registry.get(Identity("robot-1"))).primary_thumbprint == own.thumbprint()


async def test_a_wrong_key_is_refused_for_good(cloud: CloudHub) -> None:
    await enrol(cloud, "reg-1", {"attestation": {"type": "symmetricKey"}})
    with pytest.raises(ClientError):
        await register(by_key(cloud, "reg-1", "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="))
    assert cloud.hub.admissions.refused[-1].problem.code == "applicant-refused"


async def test_a_device_is_assigned_through_a_websocket(tmp_path: Path) -> None:
    """12.1: on 443, at the hub's own path"""
    hub = CloudHub(tmp_path / "cloud", loopback_address())
    hub.https_port = 443
    try:
        await hub.start()
    except Problem as problem:
        pytest.skip(f"port 443 is not to be had here: {problem}")
    try:
        made = await enrol(hub, "reg-1", {"attestation": {"type": "symmetricKey"}})
        client = ProvisioningDeviceClient.create_from_symmetric_key(
            hub.address,
            "reg-1",
            hub.provisioning.scope,
            made.primary.reveal(),
            server_verification_cert=hub.authority.pem,
            websockets=True,
        )
        assert (await register(client)).status == "assigned"
    finally:
        await hub.stop()
        gc.collect()
