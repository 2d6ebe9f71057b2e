"""Certificates by the workload API (contract 6.3), used for real, and who may call it (contract 6.2)."""

from __future__ import annotations

import asyncio
import os
import ssl
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from hotori.edge.module_certificates import ModuleCertificates
from hotori.edge.module_details import module_details
from hotori.edge.workload import WorkloadSources
from hotori.edge.workload_sockets import WorkloadSockets, socket_folder
from hotori.model.identity import Identity
from hotori.model.secret import Secret
from hotori.net.authority import Authority
from hotori.net.tls import client_context
from hotori.runtimes.process_tree import belongs
from hotori.testing.addresses import loopback_address
from hotori.testing.small_hub import BookDirectory, SmallHub
from tests.edge.parts import a_key

VERSION = {"api-version": "2022-08-03"}
IDENTITY, SERVER = "/modules/camera/certificate/identity", "/modules/camera/genid/1/certificate/server"
CAMERA = Identity("edge-1", "camera")


async def key_of(module: str) -> Secret | None:
    return Secret(a_key(module))


def sources(folder: Path, **changes: Any) -> WorkloadSources:
    authority = Authority.open(folder / "authority")
    issuer = ModuleCertificates(authority, "hub.example.net", "edge-1")
    return replace(WorkloadSources(key_of, authority.pem, b"s" * 32, issuer), **changes)


@asynccontextmanager
async def calling(folder: Path, module: str = "camera", **changes: Any) -> AsyncIterator[httpx.AsyncClient]:
    sockets = WorkloadSockets(socket_folder(folder), sources(folder, **changes))
    await sockets.serve([module])
    transport = httpx.AsyncHTTPTransport(uds=sockets.uri(module).removeprefix("unix://"))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost", params=VERSION) as client:
        yield client
    await sockets.close()


def in_days(count: float) -> str:
    return (datetime.now(UTC) + timedelta(days=count)).isoformat()


def names(leaf: x509.Certificate, kind: type[Any]) -> list[Any]:
    return leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(kind)


async def test_an_identity_certificate_says_who_the_module_is(tmp_path: Path) -> None:
    """6.3"""
    async with calling(tmp_path) as client:
        answer = await client.post(IDENTITY, json={"expiration": in_days(7)})
        plain = await client.post(IDENTITY)
    assert (answer.status_code, plain.status_code) == (201, 201)
    document = answer.json()
    leaf, root = x509.load_pem_x509_certificates(document["certificate"].encode())
    leaf.verify_directly_issued_by(root)
    assert names(leaf, x509.UniformResourceIdentifier) == ["azureiot://hub.example.net/devices/edge-1/modules/camera"]
    usage = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    assert document["privateKey"]["type"] == "key"
    assert document["privateKey"]["bytes"].startswith("-----BEGIN PRIVATE KEY-----")
    assert datetime.fromisoformat(document["expiration"]) == leaf.not_valid_after_utc
    left = leaf.not_valid_after_utc - datetime.now(UTC)
    assert timedelta(days=6, hours=23) < left <= timedelta(days=7)


async def test_a_server_certificate_serves_whoever_has_the_trust_bundle(tmp_path: Path) -> None:
    """6.3"""
    async with calling(tmp_path) as client:
        answer = await client.post(SERVER, json={"commonName": "localhost", "expiration": in_days(1)})
        bundle = (await client.get("/trust-bundle")).json()["certificate"]
    assert answer.status_code == 201
    document = answer.json()
    chain, key = tmp_path / "chain.pem", tmp_path / "chain.key"
    chain.write_text(document["certificate"])
    key.write_text(document["privateKey"]["bytes"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)
    server = await asyncio.start_server(lambda _, writer: writer.write(b"hello"), "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    for name in ("localhost", "camera"):
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=client_context(bundle), server_hostname=name
        )
        assert await reader.readexactly(5) == b"hello"
        writer.close()
    with pytest.raises(ssl.SSLCertVerificationError):
        await asyncio.open_connection("127.0.0.1", port, ssl=client_context(bundle), server_hostname="other")
    server.close()


async def test_the_edge_hubs_own_certificate_names_it_without_its_dollar(tmp_path: Path) -> None:
    """6.3"""
    async with calling(tmp_path, "$edgeHub") as client:
        answer = await client.post(
            "/modules/%24edgeHub/genid/1/certificate/server",
            json={"commonName": "edge-1.example.net", "expiration": "2099-01-01T00:00:00.0000000Z"},
        )
    leaf = x509.load_pem_x509_certificate(answer.json()["certificate"].encode())
    assert names(leaf, x509.DNSName) == ["edge-1.example.net", "edgeHub"]


async def test_no_certificate_lives_longer_than_is_allowed(tmp_path: Path) -> None:
    async with calling(tmp_path) as client:
        answer = await client.post(IDENTITY, json={"expiration": in_days(5000)})
    ends = datetime.fromisoformat(answer.json()["expiration"])
    assert ends - datetime.now(UTC) <= timedelta(days=90)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (IDENTITY, {"expiration": "2001-01-01T00:00:00Z"}),
        (IDENTITY, {"expiration": "soon"}),
        (IDENTITY, {"expiration": 7}),
        (SERVER, {"commonName": "x"}),
        (SERVER, {"expiration": "2099-01-01T00:00:00Z"}),
        (SERVER, {"commonName": "湖", "expiration": "2099-01-01T00:00:00Z"}),
    ],
)
async def test_what_cannot_be_issued_is_answered_400(tmp_path: Path, path: str, body: dict[str, Any]) -> None:
    async with calling(tmp_path) as client:
        answer = await client.post(path, json=body)
    assert answer.status_code == 400
    assert answer.json()["message"]


async def test_modules_are_listed_without_their_environment(tmp_path: Path) -> None:
    """6.3, 6.4"""
    module = {
        "type": "docker",
        "settings": {"image": "camera:1", "createOptions": "{}"},
        "env": {"KEY": {"value": "secret"}},
        "runtimeStatus": "backoff",
        "statusDescription": "it waits",
        "exitCode": 3,
        "lastStartTimeUtc": "2026-01-01T00:00:00Z",
        "lastExitTimeUtc": "2026-01-02T00:00:00Z",
    }
    listed = [*module_details({"modules": {"camera": module}})]
    async with calling(tmp_path, modules=lambda: listed) as client:
        answer = await client.get("/modules")
    assert answer.json() == {
        "modules": [
            {
                "id": "camera",
                "name": "camera",
                "type": "docker",
                "config": {"settings": {"image": "camera:1"}, "env": []},
                "status": {
                    "startTime": "2026-01-01T00:00:00Z",
                    "exitStatus": {"exitTime": "2026-01-02T00:00:00Z", "statusCode": "3"},
                    "runtimeStatus": {"status": "failed", "description": "it waits"},
                },
            }
        ]
    }


def owned_by(root: Callable[[], int]) -> Callable[[str, int], Any]:
    async def owns(module: str, pid: int) -> bool:
        return belongs(pid, root())

    return owns


async def test_a_process_that_is_none_of_the_modules_is_turned_away(tmp_path: Path) -> None:
    """6.2: the caller is who the kernel says, not who has the path."""
    other = await asyncio.create_subprocess_exec("sleep", "60", start_new_session=True)
    try:
        async with calling(tmp_path, owns=owned_by(lambda: other.pid)) as client:
            stranger = await client.get("/trust-bundle")
    finally:
        other.kill()
        await other.wait()
    async with calling(tmp_path, owns=owned_by(os.getpid)) as client:
        owner = await client.get("/trust-bundle")
    assert (stranger.status_code, stranger.json()) == (403, {"message": "forbidden"})
    assert owner.status_code == 200


_MODULE = """
from azure.iot.device import IoTHubModuleClient, Message
client = IoTHubModuleClient.create_from_edge_environment()
client.connect()
client.send_message_to_output(Message("hello"), "a")
client.shutdown()
print("sent")
"""


async def test_an_unmodified_client_starts_in_its_own_process_and_nobody_else_by_its_socket(tmp_path: Path) -> None:
    """6.2: `create_from_edge_environment`, as a child of the module's program."""
    directory = BookDirectory("edge-1", "edge-1/camera")
    module: list[int] = []
    async with SmallHub(tmp_path / "hub", loopback_address(), directory, device="edge-1") as hub:

        async def key(name: str) -> Secret | None:
            return directory.key(Identity("edge-1", name))

        given = sources(tmp_path, key_of=key, trust_bundle=hub.authority_pem, owns=owned_by(lambda: module[0]))
        sockets = WorkloadSockets(socket_folder(tmp_path), given)
        await sockets.serve(["camera"])
        env = {
            "PATH": os.environ["PATH"],
            "IOTEDGE_MODULEID": "camera",
            "IOTEDGE_DEVICEID": "edge-1",
            "IOTEDGE_IOTHUBHOSTNAME": hub.name,
            "IOTEDGE_GATEWAYHOSTNAME": hub.address,
            "IOTEDGE_MODULEGENERATIONID": "1",
            "IOTEDGE_WORKLOADURI": sockets.uri("camera"),
            "IOTEDGE_APIVERSION": "2022-08-03",
        }
        command = ("sh", "-c", '"$0" -W ignore -c "$1"; exit $?', sys.executable, _MODULE)
        process = await asyncio.create_subprocess_exec(
            *command, env=env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, start_new_session=True
        )
        module.append(process.pid)
        said, _ = await asyncio.wait_for(process.communicate(), 60)
        assert (process.returncode, said.split()[-1:]) == (0, [b"sent"]), said.decode()
        assert hub.hub.meters.received == {(CAMERA, "a"): 1}
        transport = httpx.AsyncHTTPTransport(uds=sockets.uri("camera").removeprefix("unix://"))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost", params=VERSION) as client:
            answer = await client.post("/modules/camera/genid/1/sign", json={"data": ""})
        assert answer.status_code == 403
        await sockets.close()
