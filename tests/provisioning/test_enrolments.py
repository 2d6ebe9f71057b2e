"""Enrolments over REST, and devices that ask over HTTPS (contract 12.2 to 12.4)."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from hotori.edge.enrolment import EnrolmentFile
from hotori.model.identity import Identity
from hotori.model.json import JsonObject
from hotori.model.sas import derived_key, sign
from hotori.model.secret import Secret
from hotori.mqtt.packets import Connack, Connect, Pingreq, Pingresp, Publish
from hotori.mqtt.packets5 import (
    Auth5,
    Connack5,
    Packet5,
    Puback5,
    Publish5,
    Reason,
    Subscribe5,
    Unsuback5,
    Unsubscribe5,
    Wish,
)
from hotori.mqtt.properties import NO_PROPERTIES, Properties
from hotori.net.tls import client_context
from hotori.problems import Problem
from hotori.problems.provisioning import DEVICE_TAKEN
from hotori.sdk.enrolments import AuthorityClient, EnrolmentClient
from hotori.sdk.provisioning import Applicant, provision
from hotori.testing.addresses import loopback_address
from hotori.testing.certificates import Signer
from hotori.testing.cloud_hub import CloudHub
from hotori.testing.small_hub import FAR_FUTURE
from hotori.testing.wire_client import WireClient
from hotori.testing.wire_client5 import WireClient5

KEY = Secret("MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=")
SYMMETRIC: JsonObject = {"attestation": {"type": "symmetricKey", "symmetricKey": {"primaryKey": KEY.reveal()}}}
REGISTER = "$dps/registrations/PUT/iotdps-register/"
Answer = tuple[int, Any]


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[CloudHub]:
    async with CloudHub(tmp_path / "cloud", loopback_address()) as hub:
        yield hub


class Device:
    """Registers over HTTPS, with a key or what its TLS shows."""

    def __init__(self, cloud: CloudHub, name: str, key: Secret | None = KEY, scope: str | None = None) -> None:
        self.scope, self.name, self.key = scope or cloud.provisioning.scope, name, key
        self.context = client_context(cloud.authority.certificate)
        self._base = f"https://{cloud.host}"

    async def call(self, method: str, path: str, body: JsonObject | None = None) -> httpx.Response:
        resource = f"{self.scope}/registrations/{self.name}"
        token = {"Authorization": sign(resource, self.key, FAR_FUTURE, "registration")} if self.key else {}
        async with httpx.AsyncClient(base_url=self._base, verify=self.context, trust_env=False) as http:
            return await http.request(method, f"/{resource}{path}?api-version=2021-06-01", json=body, headers=token)

    async def register(self) -> JsonObject:
        """The registration state in the end."""
        begun = await self.call("PUT", "/register", {"registrationId": self.name})
        assert (begun.status_code, begun.json()["status"]) == (202, "assigning"), begun.text
        assert int(begun.headers["retry-after"]) > 0
        ended = await self.call("GET", f"/operations/{begun.json()['operationId']}")
        assert ended.status_code == 200
        state: JsonObject = ended.json()["registrationState"]
        assert ended.json()["status"] == state["status"]
        return state

    async def refused(self) -> str:
        """The problem that it is refused with."""
        answer = await self.call("PUT", "/register", {})
        assert answer.status_code == 401, answer.text
        assert {"errorCode", "trackingId", "message", "timestampUtc"} <= answer.json().keys()
        return str(answer.json()["problem"]["code"])


async def enrol(cloud: CloudHub, name: str, *, group: bool = False, **more: Any) -> JsonObject:
    async with cloud.client() as service:
        return await EnrolmentClient(service, group=group).create(name, {**SYMMETRIC, **more})


def test_the_contracts_vector_of_a_derived_key() -> None:
    """0.4"""
    assert derived_key(KEY, "reg-1").reveal() == "YNjE5wCiB/QiFCiTQDa9LbvyCVWcu2EMyrO/zzqr7Ko="


async def test_a_device_registers_over_https(cloud: CloudHub) -> None:
    """12.3"""
    await enrol(cloud, "reg-1")
    state = await Device(cloud, "reg-1").register()
    assert (state["status"], state["substatus"]) == ("assigned", "initialAssignment")
    assert (state["assignedHub"], state["deviceId"]) == (cloud.address, "reg-1")
    assert (await cloud.registry.get(Identity("reg-1"))).primary == KEY


@pytest.mark.parametrize(
    "body",
    [b"{", b"[]", b"\xff", b'{"registrationId": 7}', b'{"registrationId": "reg-2"}', b"[" * 5000],
    ids=["unfinished", "array", "no text", "number", "another", "nested"],
)
async def test_what_is_no_registration_is_refused_over_https(cloud: CloudHub, body: bytes) -> None:
    """12.3: errorCode, trackingId, message, timestampUtc; and nobody is assigned"""
    await enrol(cloud, "reg-1")
    device = Device(cloud, "reg-1")
    resource = f"{device.scope}/registrations/reg-1"
    token = {"Authorization": sign(resource, KEY, FAR_FUTURE, "registration")}
    async with httpx.AsyncClient(base_url=f"https://{cloud.host}", verify=device.context, trust_env=False) as http:
        answer = await http.put(f"/{resource}/register", content=body, headers=token)
    assert answer.status_code == 400
    assert {"errorCode", "trackingId", "message", "timestampUtc"} <= answer.json().keys()
    assert (answer.json()["errorCode"], answer.json()["problem"]["code"]) == (400004, "request-malformed")
    with pytest.raises(Problem, match="There is no device reg-1"):
        await cloud.registry.get(Identity("reg-1"))


async def test_what_is_no_registration_is_refused_over_mqtt(cloud: CloudHub) -> None:
    """12.1: in the topic, with the same body; the visit goes on"""
    await enrol(cloud, "reg-1")
    resource = f"{cloud.provisioning.scope}/registrations/reg-1"
    client = WireClient(
        *await asyncio.open_connection(cloud.address, 8883, ssl=client_context(cloud.authority.certificate))
    )
    token = sign(resource, KEY, FAR_FUTURE).encode()
    client.send(Connect("reg-1", f"{resource}/api-version=2019-03-31", token, False))
    assert (await client.expect(Connack)).code == 0
    for rid, body in enumerate((b"nonsense", b'{"registrationId": "reg-2"}')):
        client.send(Publish(f"{REGISTER}?$rid={rid}", body, 1, 1))
        answer = await client.expect_publish()
        assert answer.topic == f"$dps/registrations/res/400/?$rid={rid}"
        assert {"errorCode", "trackingId", "message", "timestampUtc"} == json.loads(answer.payload).keys()
    client.send(Publish(f"{REGISTER}?$rid=9", b'{"payload": null, "registrationId": "reg-1"}', 1, 1))
    assert (await client.expect_publish()).topic == "$dps/registrations/res/202/?$rid=9&retry-after=2"
    await client.close()


class Visit(WireClient5):
    """A device at the counter, in MQTT 5."""

    @classmethod
    async def begin(
        cls, cloud: CloudHub, name: str, properties: Properties = NO_PROPERTIES, key: Secret = KEY
    ) -> Visit:
        context = client_context(cloud.authority.certificate)
        visit = cls(*await asyncio.open_connection(cloud.address, 8883, ssl=context))
        resource = f"{cloud.provisioning.scope}/registrations/{name}"
        user, token = f"{resource}/api-version=2019-03-31", sign(resource, key, FAR_FUTURE).encode()
        visit.send(Connect(name, user, token, clean_session=True, level=5, properties=properties))
        visit.welcome = await visit.expect(Connack5)
        return visit


async def test_a_device_registers_over_mqtt_5(cloud: CloudHub) -> None:
    """12.1, with what MQTT 5 lets a server say [3.2.2.3, 3.9.3, 3.14]"""
    await enrol(cloud, "reg-1")
    visit = await Visit.begin(cloud, "reg-1")
    said = visit.welcome.properties
    assert (visit.welcome.reason, said.maximum_qos, said.receive_maximum, said.retain_available) == (0, 1, 20, 0)
    assert (said.subscription_ids_available, said.shared_available, said.topic_alias_maximum) == (0, 0, None)
    assert await visit.subscribe("$dps/registrations/res/#", "#") == (1, Reason.TOPIC_FILTER_INVALID)
    visit.send(Publish5(f"{REGISTER}?$rid=a", b'{"registrationId": "reg-1"}', 1, 1))
    assert await visit.expect(Puback5) == Puback5(1)
    begun = await visit.expect_publish()
    assert begun.topic == "$dps/registrations/res/202/?$rid=a&retry-after=2"
    assert begun.properties.content_type == "application/json"
    operation = json.loads(begun.payload)["operationId"]
    poll = f"$dps/registrations/GET/iotdps-get-operationstatus/?$rid=b&operationId={operation}"
    visit.send(Publish5(poll, b" ", 1, 2))
    ended = json.loads((await visit.expect_publish()).payload)
    assert (ended["status"], ended["registrationState"]["deviceId"]) == ("assigned", "reg-1")
    visit.send(Unsubscribe5(3, ("$dps/registrations/res/#",)), Pingreq())
    assert await visit.expect(Unsuback5) == Unsuback5(3, (0,))
    await visit.expect(Pingresp)
    visit.send(Publish5("elsewhere", b"", 1, 4))
    assert await visit.expect_disconnect() == Reason.NOT_AUTHORIZED


async def test_who_may_not_register_over_mqtt_5_is_told_why(cloud: CloudHub) -> None:
    """3.2.2.2, 3.2.2.3.9"""
    await enrol(cloud, "reg-1")
    visit = await Visit.begin(cloud, "reg-1", key=derived_key(KEY, "x"))
    assert visit.welcome.reason == Reason.NOT_AUTHORIZED
    assert (visit.welcome.properties.reason or "").startswith("applicant-refused: ")
    await visit.expect_closed()


@pytest.mark.parametrize(
    "packet",
    [
        Publish5(f"{REGISTER}?$rid=1", b"", properties=Properties(topic_alias=1)),
        Subscribe5(1, (Wish("$dps/registrations/res/#"),), Properties(subscription_ids=(1,))),
        Auth5(),
    ],
    ids=["topic alias", "subscription identifier", "AUTH"],
)
async def test_what_was_not_offered_ends_a_visit_over_mqtt_5(cloud: CloudHub, packet: Packet5) -> None:
    """4.13"""
    await enrol(cloud, "reg-1")
    visit = await Visit.begin(cloud, "reg-1")
    visit.send(packet)
    assert await visit.expect_disconnect() == Reason.PROTOCOL_ERROR


async def test_an_answer_that_is_larger_than_the_device_takes_is_not_sent(cloud: CloudHub) -> None:
    """[MQTT-3.1.2-24]"""
    await enrol(cloud, "reg-1")
    visit = await Visit.begin(cloud, "reg-1", Properties(maximum_packet_size=50))
    visit.send(Publish5(f"{REGISTER}?$rid=1", b""))
    assert await visit.expect_disconnect() == Reason.PACKET_TOO_LARGE


async def test_a_device_with_a_certificate_registers_over_https(cloud: CloudHub, tmp_path: Path) -> None:
    """12.3: by a group's registered authority"""
    root = Signer.root()
    attestation = {"type": "x509", "x509": {"caReferences": {"primary": "factory"}}}
    async with cloud.client() as service:
        await AuthorityClient(service).add("factory", root.pem)
        await EnrolmentClient(service, group=True).create("line-7", {"attestation": attestation})
    device = Device(cloud, "robot-1", key=None)
    root.issue("robot-1").show(device.context, tmp_path)
    assert (await device.register())["deviceId"] == "robot-1"
    stranger = Device(cloud, "robot-2", key=None)
    root.issue("robot-1").show(stranger.context, tmp_path)
    assert await stranger.refused() == "enrolment-unknown"


@pytest.mark.parametrize(
    ("device", "problem"),
    [
        (lambda cloud: Device(cloud, "reg-1", scope="0ne99999999"), "scope-foreign"),
        (lambda cloud: Device(cloud, "reg-2"), "enrolment-unknown"),
        (lambda cloud: Device(cloud, "off"), "enrolment-disabled"),
        (lambda cloud: Device(cloud, "reg-1", key=derived_key(KEY, "x")), "applicant-refused"),
        (lambda cloud: Device(cloud, "reg-1", key=None), "applicant-refused"),
        (lambda cloud: Device(cloud, "a+b"), "enrolment-unknown"),
    ],
)
async def test_who_may_not_register_is_told_why(
    cloud: CloudHub, device: Callable[[CloudHub], Device], problem: str
) -> None:
    """12.3"""
    await enrol(cloud, "reg-1")
    await enrol(cloud, "off", provisioningStatus="disabled")
    assert await device(cloud).refused() == problem


@pytest.mark.parametrize(
    ("policy", "substatus", "left"),
    [
        ({"updateHubAssignment": True, "migrateDeviceData": True}, "deviceDataMigrated", {"mine": 1, "first": True}),
        ({"updateHubAssignment": True, "migrateDeviceData": False}, "deviceDataReset", {"first": True}),
        ({"updateHubAssignment": False, "migrateDeviceData": False}, "initialAssignment", {"mine": 1, "first": True}),
    ],
)
async def test_a_device_that_comes_again_keeps_its_twin_or_not(
    cloud: CloudHub, policy: JsonObject, substatus: str, left: JsonObject
) -> None:
    """12.4: reprovisionPolicy"""
    twin = {"properties": {"desired": {"first": True}}}
    await enrol(cloud, "reg-1", reprovisionPolicy=policy, initialTwin=twin)
    await Device(cloud, "reg-1").register()
    await cloud.hub.twins.patch_desired(Identity("reg-1"), {"mine": 1})
    assert (await Device(cloud, "reg-1").register())["substatus"] == substatus
    desired = (await cloud.hub.twins.get(Identity("reg-1"))).desired.document()
    assert {name: value for name, value in desired.items() if name != "$version"} == left


async def test_a_groups_key_does_not_open_a_device_that_is_not_its_own(cloud: CloudHub) -> None:
    await enrol(cloud, "line-7", group=True)
    made = await cloud.registry.create_device("gate")
    for _ in range(2):
        state = await Device(cloud, "gate", key=derived_key(KEY, "gate")).register()
        assert state["status"] == "failed"
        taken = Problem(DEVICE_TAKEN, registration="gate", device="gate")
        assert state["errorMessage"] == f"{taken.title()}. {taken.cause()}"
    assert (await cloud.registry.get(Identity("gate"))).keys == made.keys


async def test_an_old_operation_is_not_found(cloud: CloudHub) -> None:
    await enrol(cloud, "reg-1")
    device = Device(cloud, "reg-1")
    assert (await device.call("GET", "/operations/4.x.y")).status_code == 404
    await device.register()
    assert (await device.call("GET", "/operations/4.x.y")).status_code == 404


async def test_enrolments_are_made_changed_listed_and_deleted(cloud: CloudHub) -> None:
    """12.4: with etags, and keys that are made and stay"""
    async with cloud.client() as service:
        for group in (False, True):
            client = EnrolmentClient(service, group=group)
            made = await client.create("line-7", {"attestation": {"type": "symmetricKey"}})
            changed = await client.replace(
                "line-7", {"attestation": {"type": "symmetricKey"}, "allocationPolicy": "static"}
            )
            assert changed["attestation"] == made["attestation"]
            assert changed["etag"] != made["etag"]
            with pytest.raises(Problem) as exists:
                await client.create("line-7", SYMMETRIC)
            assert exists.value.code == "enrolment-exists"
            assert [each["etag"] for each in await client.all()] == [changed["etag"]]
            await client.delete("line-7")
            with pytest.raises(Problem) as gone:
                await client.get("line-7")
            assert gone.value.code == "no-such-enrolment"


async def test_what_came_of_a_group_is_listed_and_forgotten(cloud: CloudHub) -> None:
    """12.4"""
    await enrol(cloud, "line-7", group=True)
    for name in ("b", "a"):
        await Device(cloud, name, key=derived_key(KEY, name)).register()
    async with cloud.client() as service:
        found = await EnrolmentClient(service, group=True).registrations("line-7")
        assert [each["registrationId"] for each in found] == ["a", "b"]
        assert (await service.ask("GET", "/registrations/a"))["enrollmentGroupId"] == "line-7"
        await service.ask("DELETE", "/registrations/a")
        with pytest.raises(Problem) as gone:
            await service.ask("GET", "/registrations/a")
        assert gone.value.code == "registration-unknown"


@pytest.mark.parametrize(
    "document",
    [
        {"attestation": {"type": "x509"}},
        {"attestation": {"type": "x509", "x509": {"clientCertificates": {"primary": {"certificate": "x"}}}}},
        {"attestation": {"type": "symmetricKey", "symmetricKey": {"primaryKey": "short"}}},
        {**SYMMETRIC, "registrationId": "other"},
        {**SYMMETRIC, "iotHubHostName": "elsewhere.example.test"},
        {**SYMMETRIC, "provisioningStatus": "perhaps"},
        {**SYMMETRIC, "capabilities": []},
        {**SYMMETRIC, "initialTwin": {"properties": {"desired": {"a.b": 1}}}},
    ],
)
async def test_an_enrolment_that_cannot_be_is_refused(cloud: CloudHub, document: JsonObject) -> None:
    async with cloud.client() as service:
        with pytest.raises(Problem) as caught:
            await EnrolmentClient(service).create("reg-1", document)
        assert caught.value.code in ("enrolment-malformed", "key-malformed", "authority-unreadable", "twin-invalid")
        assert await EnrolmentClient(service).all() == []


async def test_a_tpm_is_refused_by_name(cloud: CloudHub) -> None:
    """12.3, 12.4: 400, for the enrolment and for the device, over HTTPS and MQTT"""
    token = {"Authorization": sign(cloud.host, cloud.service().key, FAR_FUTURE, "iothubowner")}
    context = client_context(cloud.authority.certificate)
    async with httpx.AsyncClient(base_url=f"https://{cloud.host}", verify=context, trust_env=False) as http:
        tpm = {"attestation": {"type": "tpm", "tpm": {"endorsementKey": "eA=="}}}
        put = await http.put("/enrollments/reg-1?api-version=2021-10-01", json=tpm, headers=token)
    assert (put.status_code, put.json()["problem"]["code"]) == (400, "tpm-unsupported")
    body: JsonObject = {"registrationId": "reg-1", "tpm": {"endorsementKey": "eA==", "storageRootKey": "eA=="}}
    answer = await Device(cloud, "reg-1", key=None).call("PUT", "/register", body)
    assert (answer.status_code, answer.json()["errorCode"]) == (400, 400004)
    assert answer.json()["problem"]["code"] == "tpm-unsupported"
    await enrol(cloud, "reg-1")
    visit = await Visit.begin(cloud, "reg-1")
    visit.send(Publish5(f"{REGISTER}?$rid=1", json.dumps(body).encode()))
    said = await visit.expect_publish()
    assert said.topic == "$dps/registrations/res/400/?$rid=1"
    assert json.loads(said.payload)["message"].startswith("reg-1 cannot be provisioned by a TPM")
    await visit.close()


async def test_rights_are_needed(cloud: CloudHub) -> None:
    """12.4: `provisioningserviceowner`"""
    async with cloud.client("enrollmentread") as reader:
        assert await EnrolmentClient(reader).all() == []
        with pytest.raises(Problem) as refused:
            await EnrolmentClient(reader).create("reg-1", SYMMETRIC)
        assert refused.value.code == "right-missing"
    async with cloud.client("provisioningserviceowner") as owner:
        await EnrolmentClient(owner).create("reg-1", SYMMETRIC)


async def test_the_scope_stays_over_restarts(cloud: CloudHub) -> None:
    async with cloud.client() as service:
        scope = await EnrolmentClient(service).scope()
    assert scope.startswith("0ne")
    await cloud.stop()
    await cloud.start()
    assert cloud.provisioning.scope == scope


async def test_keys_are_regenerated_many_at_a_time(cloud: CloudHub) -> None:
    """2.2: POST /devices/keys/regenerate"""
    before = await cloud.registry.create_device("dev-1")
    async with cloud.client() as service:
        body: JsonObject = {"policyKey": "primary", "devices": [{"id": "dev-1"}, {"id": "nobody"}]}
        answer = await service.ask("POST", "/devices/keys/regenerate", body)
    after = await cloud.registry.get(Identity("dev-1"))
    assert (after.primary == before.primary, after.secondary == before.secondary) == (False, True)
    [rotated] = answer["rotatedKeys"]
    assert (rotated["id"], rotated["primaryKey"]) == ("dev-1", after.primary.reveal())
    assert [error["errorCode"] for error in answer["errors"]] == ["DeviceNotFound"]


async def test_authorities_are_added_proven_and_removed(cloud: CloudHub) -> None:
    root = Signer.root()
    async with cloud.client() as service:
        client = AuthorityClient(service)
        added: Any = await client.add("factory", root.pem, verified=False)
        assert added["properties"]["isVerified"] is False
        code = await client.new_code("factory")
        for wrong in (root.issue("another"), Signer.root().issue(code)):
            with pytest.raises(Problem) as unproven:
                await client.verify("factory", wrong.pem)
            assert unproven.value.code == "possession-unproven"
        proven: Any = await client.verify("factory", root.issue(code).pem)
        assert proven["properties"]["isVerified"] is True
        with pytest.raises(Problem) as exists:
            await client.add("factory", root.pem)
        assert exists.value.code == "authority-exists"
        with pytest.raises(Problem) as leaf:
            await client.add("leaf", root.issue("x").pem)
        assert leaf.value.code == "authority-unreadable"
        await client.remove("factory")
        with pytest.raises(Problem) as gone:
            await client.new_code("factory")
        assert gone.value.code == "authority-unknown"


async def test_a_devices_own_api_takes_its_certificate(cloud: CloudHub, tmp_path: Path) -> None:
    """1.10: no Authorization for X.509"""
    own = Signer.self_signed("dev-1")
    async with cloud.client() as service:
        prints = {"primaryThumbprint": own.thumbprint(), "secondaryThumbprint": None}
        await service.add_device("dev-1", authentication={"type": "selfSigned", "x509Thumbprint": prints})
    for signer, expected in ((own, 204), (Signer.self_signed("dev-1"), 401)):
        context = signer.show(client_context(cloud.authority.certificate), tmp_path)
        async with httpx.AsyncClient(base_url=f"https://{cloud.host}", verify=context, trust_env=False) as http:
            response = await http.post("/devices/dev-1/messages/events?api-version=2021-04-12", content=b"x")
            assert response.status_code == expected, response.text


async def test_our_own_client_is_told_whom_to_be(cloud: CloudHub) -> None:
    """12.3"""
    await enrol(cloud, "line-7", group=True, capabilities={"iotEdge": True})
    key = derived_key(KEY, "robot-1")
    applicant = Applicant(cloud.host, cloud.provisioning.scope, "robot-1", key)
    connection = await provision(applicant, cloud.authority.pem)
    assert (connection.host, connection.identity, connection.key) == (cloud.address, Identity("robot-1"), key)
    with pytest.raises(Problem) as stranger:
        await provision(replace(applicant, registration="robot-2"), cloud.authority.pem)
    assert stranger.value.code == "enrolment-unknown"
    await cloud.registry.create_device("gate")
    taken = replace(applicant, registration="gate", key=derived_key(KEY, "gate"))
    with pytest.raises(Problem) as failed:
        await provision(taken, cloud.authority.certificate)
    assert failed.value.code == "provisioning-failed"


async def test_an_edge_device_fetches_its_enrolment_file(cloud: CloudHub, tmp_path: Path) -> None:
    await enrol(cloud, "reg-1", deviceId="edge-1", capabilities={"iotEdge": True})
    arguments = ["edge", "provision", "reg-1", "--host", cloud.address, "--hub-https-port", str(cloud.https_port)]
    arguments += ["--id-scope", cloud.provisioning.scope, "--ca", str(cloud.authority.certificate)]
    arguments += ["--key", KEY.reveal(), "--write", str(tmp_path / "edge-1.json"), "--json"]
    program = await asyncio.create_subprocess_exec(sys.executable, "-m", "hotori.cli", *arguments)
    assert await asyncio.wait_for(program.wait(), 60) == 0
    ticket = EnrolmentFile.read(tmp_path / "edge-1.json")
    assert (ticket.connection.identity, ticket.connection.key) == (Identity("edge-1"), KEY)
    assert ticket.hub.https_port == cloud.https_port
