"""Whatever stands in a request to the service API: it is refused with an error body, and never a fault of the hub."""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from hotori.model.sas import sign
from hotori.net.tls import client_context
from hotori.testing.addresses import loopback_address
from hotori.testing.cloud_hub import CloudHub

JUNK: list[Any] = [None, -1, 1e308, True, "\0", [None], {"a": None}, 10**30]
MANY = "9" * 5000
"""More digits than Python turns into a number."""
KEYS: dict[str, Any] = {"type": "symmetricKey", "symmetricKey": {}}
CERTIFICATE: dict[str, Any] = {"clientCertificates": {"primary": {"certificate": "x"}}}
CONTAINER = "https://127.0.0.1:1/c?sig=1"

BODIES: list[tuple[str, str, Any]] = [
    ("PUT", "/devices/d1", {"deviceId": "d1", "status": "enabled", "statusReason": ""}),
    ("PUT", "/devices/d1", {"deviceId": "d1", "capabilities": {"iotEdge": False}}),
    ("PUT", "/devices/d1", {"deviceId": "d1", "deviceScope": "", "parentScopes": [], "etag": "x"}),
    ("PUT", "/devices/d1", {"deviceId": "d1", "authentication": {"type": "sas", "symmetricKey": {"primaryKey": "x"}}}),
    ("PUT", "/devices/d1", {"deviceId": "d1", "authentication": {"x509Thumbprint": {"primaryThumbprint": "x"}}}),
    ("PUT", "/devices/d1/modules/m", {"moduleId": "m", "deviceId": "d1", "managedBy": "x"}),
    ("POST", "/devices", [{"id": "d1", "moduleId": None, "importMode": "updateTwin", "eTag": "x", "tags": {}}]),
    ("POST", "/devices", [{"id": "d2", "authentication": {}, "properties": {"desired": {}}, "status": "enabled"}]),
    ("POST", "/devices/keys/regenerate", {"policyKey": "both", "devices": [{"id": "d1", "moduleId": None}]}),
    ("POST", "/devices/query", {"query": "SELECT * FROM devices"}),
    ("PATCH", "/twins/d1", {"tags": {"a": 1}, "properties": {"desired": {"a": 1}, "reported": {}}}),
    ("PUT", "/twins/d1", {"tags": {"a": 1}, "properties": {"desired": {"a": 1}}}),
    ("POST", "/twins/d1/methods", {"methodName": "x", "payload": 1, "responseTimeoutInSeconds": 5}),
    ("PATCH", "/digitaltwins/d1", [{"op": "add", "path": "/a", "value": 1}]),
    ("POST", "/digitaltwins/d1/commands/c", {"a": 1}),
    (
        "PUT",
        "/jobs/v2/j",
        {"type": "scheduleUpdateTwin", "updateTwin": {"tags": {}, "etag": "*"}, "queryCondition": "*"},
    ),
    (
        "PUT",
        "/jobs/v2/j",
        {
            "type": "scheduleDeviceMethod",
            "cloudToDeviceMethod": {"methodName": "x", "responseTimeoutInSeconds": 5},
            "queryCondition": "deviceId = 'none'",
            "startTime": "2020-01-01T00:00:00Z",
            "maxExecutionTimeInSeconds": 60,
        },
    ),
    ("POST", "/jobs/create", {"type": "export", "outputBlobContainerUri": CONTAINER, "excludeKeysInExport": True}),
    ("POST", "/jobs/create", {"type": "import", "inputBlobContainerUri": CONTAINER, "inputBlobName": "x"}),
    ("PUT", "/configurations/c1", {"content": {"deviceContent": {"properties.desired.a": 1}}, "priority": 1}),
    ("PUT", "/configurations/c1", {"content": {"modulesContent": {}}, "labels": {}, "metrics": {"queries": {}}}),
    ("POST", "/configurations/testQueries", {"targetCondition": "*", "customMetricQueries": {"a": "SELECT"}}),
    (
        "POST",
        "/devices/e1/applyConfigurationContent",
        {"modulesContent": {"$edgeAgent": {"properties.desired": {}}, "$edgeHub": {"properties.desired": {}}}},
    ),
    ("PUT", "/enrollments/r1", {"registrationId": "r1", "attestation": KEYS, "capabilities": {"iotEdge": True}}),
    ("PUT", "/enrollments/r1", {"attestation": KEYS, "reprovisionPolicy": {"migrateDeviceData": True}}),
    ("PUT", "/enrollments/r1", {"attestation": KEYS, "initialTwin": {"tags": {}, "properties": {"desired": {}}}}),
    ("PUT", "/enrollments/r1", {"attestation": {"type": "x509", "x509": CERTIFICATE}, "provisioningStatus": "enabled"}),
    ("PUT", "/enrollmentGroups/g1", {"attestation": KEYS, "allocationPolicy": "static", "iotHubs": ["x"]}),
    ("POST", "/enrollments/query", {"query": "SELECT * FROM enrollments"}),
    ("PUT", "/certificates/a", {"certificate": "x", "properties": {"certificate": "x"}}),
    ("PUT", "/routing/routes/r", {"route": "FROM /messages/* INTO $events", "priority": 1}),
    ("PUT", "/routing/endpoints/e", {"type": "webhook", "url": "https://127.0.0.1:1/", "secret": "x"}),
    ("PUT", "/routing/endpoints/e", {"type": "storage", "container": CONTAINER, "batchMessages": 1}),
    ("POST", "/routing/explain", {"body": "x", "properties": {}, "source": "/messages/"}),
    ("POST", "/messages/groups/g/checkpoint", {"0": 1}),
]

REQUESTS: list[tuple[str, str, dict[str, str]]] = [
    ("GET", f"/devices?top={MANY}", {}),
    ("GET", f"/messages/events?from={MANY}", {}),
    ("GET", f"/messages/events/{MANY}", {}),
    ("GET", f"/messages/events/{'9' * 18}", {}),
    ("GET", f"/jobs/v2/query?jobType={MANY}", {"x-ms-max-item-count": MANY}),
    ("POST", f"/messages/groups/g/checkpoint?x={MANY}", {}),
    ("POST", f"/digitaltwins/d1/commands/c?responseTimeoutInSeconds={MANY}", {}),
    ("GET", "/devices", {"authorization": f"SharedAccessSignature sr=a&sig=b&se={MANY}&skn=iothubowner"}),
    ("GET", "/devices", {"authorization": "SharedAccessSignature sr=%ff&sig=%ff&se=1&skn=%ff"}),
    ("GET", "/devices", {"authorization": "Bearer " + "x" * 5000}),
    ("DELETE", "/devices/d1", {"if-match": 'W/"'}),
    ("DELETE", "/devices/d1", {"if-match": '"a","b"'}),
    ("POST", "/devices/d1/messages/devicebound", {"iothub-expiry": "9999-12-31T23:59:59-23:59"}),
    ("POST", "/devices/d1/messages/devicebound", {"iothub-expiry": "0001-01-01T00:00:00+23:59"}),
    ("POST", "/devices/d1/messages/devicebound", {"iothub-ack": "maybe"}),
]
QUERIES = [
    "SELECT TOP MANY * FROM devices".replace("MANY", MANY),
    "SELECT TOP 0 * FROM devices",
    "SELECT * FROM devices WHERE tags.a = MANY".replace("MANY", MANY),
    "SELECT * FROM devices WHERE tags.a * HEX / 0.5 > 1 OR ceiling(1e999) = 1".replace("HEX", "0x" + "f" * 400),
    "SELECT * FROM devices WHERE 10 / 0 = 1 OR 1 % 0 = 1 OR power(10, 400) = 1 OR exp(1000) = 1 OR sqrt(-1) = 1",
    "SELECT * FROM devices WHERE substring('abc', -1, 99999999999999) = 'a' OR substring('abc', 1e999) = 'a'",
    "(" * 5000,
    "\ud7ff",
]


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """The owner's client of a cloud that knows a device and an edge device."""
    async with CloudHub(tmp_path, loopback_address()) as cloud:
        await cloud.registry.create_device("d1")
        context = client_context(cloud.authority.certificate)
        async with httpx.AsyncClient(
            base_url=f"https://{cloud.host}", verify=context, trust_env=False, timeout=30
        ) as http:
            key = cloud.service("iothubowner").key
            http.headers["authorization"] = sign(cloud.host, key, 4_000_000_000, "iothubowner")
            await http.put("/devices/e1", json={"deviceId": "e1", "capabilities": {"iotEdge": True}})
            yield http


def spoilt(value: Any) -> Iterator[Any]:
    """The value with each of its parts in turn replaced by each piece of junk."""
    yield from JUNK
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in [*parts]:
        for other in spoilt(part):
            copy = dict(value) if isinstance(value, dict) else list(value)
            copy[key] = other
            yield copy


def assert_understood(answer: httpx.Response, what: object) -> None:
    assert answer.status_code < 500, (what, answer.text)
    if answer.status_code >= 400 and "isSuccessful" not in answer.text:
        code = answer.headers["iothub-errorcode"]
        body = answer.json()
        assert body["Message"].startswith(f"ErrorCode:{code};"), what
        assert body["ExceptionMessage"].startswith("Tracking ID:"), what


@pytest.mark.parametrize(("method", "path", "body"), BODIES, ids=[f"{at}-{each[1]}" for at, each in enumerate(BODIES)])
async def test_every_member_may_be_anything(
    service: httpx.AsyncClient, caplog: pytest.LogCaptureFixture, method: str, path: str, body: Any
) -> None:
    """2.11"""
    with caplog.at_level(logging.ERROR):
        for number, other in enumerate(spoilt(body)):
            headers = {"if-match": "*"} if method == "PUT" and number % 2 and path.startswith(("/d", "/t")) else {}
            answer = await service.request(method, path, content=json.dumps(other), headers=headers)
            assert_understood(answer, other)
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize(("method", "path", "headers"), REQUESTS)
async def test_every_number_and_header_may_be_anything(
    service: httpx.AsyncClient, method: str, path: str, headers: dict[str, str]
) -> None:
    """2.1, 2.2, 2.5"""
    async with service.stream(method, path, headers=headers) as answer:
        if answer.headers.get("content-type") != "text/event-stream":
            await answer.aread()
        if answer.status_code != 200:
            assert_understood(answer, path[:80])


@pytest.mark.parametrize("query", QUERIES, ids=range(len(QUERIES)))
async def test_every_query_and_continuation_may_be_anything(service: httpx.AsyncClient, query: str) -> None:
    """2.5"""
    for place in ([], ["a", -5], ["a", 10**30], [1, 1], "x"):
        token = base64.urlsafe_b64encode(json.dumps(place).encode()).decode()
        for headers in ({}, {"x-ms-continuation": token}, {"x-ms-continuation": "é".encode().hex() + "="}):
            answer = await service.post("/devices/query", json={"query": query}, headers=headers)
            assert_understood(answer, query[:80])


@pytest.mark.parametrize("body", [b"{", b"\xff", b"[" * 100_000, b'{"tags":' * 3000 + b"1" + b"}" * 3000, b"1" * 5000])
async def test_every_body_may_be_anything(service: httpx.AsyncClient, body: bytes) -> None:
    """2.11"""
    for method, path, _ in BODIES:
        assert_understood(await service.request(method, path, content=body), path)
