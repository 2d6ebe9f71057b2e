"""Modules and devices as their programs see them: beside a real hub over TLS, and a real workload API."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from hotori.edge.workload import WorkloadApi, WorkloadSources
from hotori.edge.workload_sockets import WorkloadSockets, socket_folder
from hotori.model.identity import Identity
from hotori.model.json import Json
from hotori.model.manifest import HubConfig, RouteSpec
from hotori.model.message import Message
from hotori.model.secret import Secret
from hotori.net.authority import Authority
from hotori.net.http import HttpServer
from hotori.net.ports import bind
from hotori.net.tls import server_context
from hotori.problems import Problem
from hotori.routing.router import Router
from hotori.sdk.device import DeviceClient
from hotori.sdk.endpoint import Endpoint
from hotori.sdk.module import ModuleClient
from hotori.sdk.workload import WorkloadClient
from hotori.testing.addresses import loopback_address
from hotori.testing.broker import Broker
from hotori.testing.small_hub import BookDirectory, SmallHub
from tests.sdk.parts import QUICK, reason_of

EDGE, CAMERA, CLASSIFIER = (Identity.parse(text) for text in ("edge-1", "edge-1/camera", "edge-1/classifier"))
PICTURES = 'FROM /messages/modules/camera/outputs/pictures INTO BrokeredEndpoint("/modules/classifier/inputs/pictures")'


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[SmallHub]:
    """An edge device's hub over TLS, which hands the camera's pictures to the classifier."""
    directory = BookDirectory("edge-1", "edge-1/camera", "edge-1/classifier")
    router = Router.compile(HubConfig({"pictures": RouteSpec("pictures", PICTURES)}))
    address = loopback_address()
    async with SmallHub(
        tmp_path / "hub", address, directory, name="hub.example.net", device="edge-1", router=router
    ) as hub:
        yield hub


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[SmallHub]:
    """A cloud's hub over TLS."""
    async with SmallHub(tmp_path / "cloud", loopback_address(), BookDirectory("edge-1")) as hub:
        yield hub


@pytest.fixture
async def sockets(hub: SmallHub, tmp_path: Path) -> AsyncIterator[WorkloadSockets]:
    async def key_of(module: str) -> Secret | None:
        registration = await hub.directory.find(Identity("edge-1", module))
        return registration.primary if registration else None

    sockets = WorkloadSockets(socket_folder(tmp_path), WorkloadSources(key_of, hub.authority_pem, b"s" * 32))
    await sockets.serve(["camera", "classifier"])
    yield sockets
    await sockets.close()


def environment(hub: SmallHub, sockets: WorkloadSockets, module: str) -> dict[str, str]:
    """Contract 6.1."""
    return {
        "IOTEDGE_MODULEID": module,
        "IOTEDGE_DEVICEID": "edge-1",
        "IOTEDGE_IOTHUBHOSTNAME": hub.name,
        "IOTEDGE_GATEWAYHOSTNAME": hub.address,
        "IOTEDGE_MODULEGENERATIONID": "1",
        "IOTEDGE_WORKLOADURI": sockets.uri(module),
        "IOTEDGE_APIVERSION": "2022-08-03",
    }


def device(hub: SmallHub) -> DeviceClient:
    assert hub.authority is not None
    return DeviceClient.from_connection_string(
        hub.connection_string(EDGE), hub.authority.certificate, hub.port, options=QUICK
    )


@asynccontextmanager
async def answering(greeting: bytes, context: ssl.SSLContext | None = None) -> AsyncIterator[Endpoint]:
    """A listener that says one thing to whoever comes."""

    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        writer.close()

    server = await asyncio.start_server(greet, loopback_address(), 0, ssl=context)
    yield Endpoint(*server.sockets[0].getsockname())
    server.close()
    await server.wait_closed()


def client_at(endpoint: Endpoint, authority: Path) -> DeviceClient:
    line = f"HostName={endpoint.host};DeviceId=edge-1;SharedAccessKey=a2V5"
    return DeviceClient.from_connection_string(line, authority, endpoint.port, options=QUICK)


# Modules


async def test_a_picture_goes_from_one_module_to_the_next(hub: SmallHub, sockets: WorkloadSockets) -> None:
    """Contract 6.2: signed by the runtime, and trusting its bundle alone."""
    received: asyncio.Queue[tuple[str, Message]] = asyncio.Queue()

    async def handler(name: str, message: Message) -> None:
        received.put_nowait((name, message))

    camera = ModuleClient.from_environment(environment(hub, sockets, "camera"), options=QUICK)
    classifier = ModuleClient.from_environment(environment(hub, sockets, "classifier"), options=QUICK)
    classifier.on_input(handler)
    async with camera, classifier:
        for number in range(20):
            await camera.send(Message(b"jpeg", {"sequence": str(number)}, {"ct": "image/jpeg"}, output="pictures"))
        arrived = [await asyncio.wait_for(received.get(), 10) for _ in range(20)]
        await asyncio.sleep(0)
    assert [message.properties["sequence"] for _, message in arrived] == [str(number) for number in range(20)]
    name, message = arrived[0]
    assert (name, message.body, message.content_type, message.sender) == ("pictures", b"jpeg", "image/jpeg", CAMERA)


async def test_messages_survive_a_restart_of_the_hub(hub: SmallHub, sockets: WorkloadSockets) -> None:
    received: asyncio.Queue[bytes] = asyncio.Queue()

    async def handler(_: str, message: Message) -> None:
        received.put_nowait(message.body)

    camera = ModuleClient.from_environment(environment(hub, sockets, "camera"), options=QUICK)
    classifier = ModuleClient.from_environment(environment(hub, sockets, "classifier"), options=QUICK)
    classifier.on_input(handler)
    async with camera, classifier:
        await camera.send(Message(b"before", output="pictures"))
        assert await asyncio.wait_for(received.get(), 10) == b"before"
        await hub.stop()
        sending = camera.post(Message(b"meanwhile", output="pictures"))
        await reason_of(camera, "cloud-unreachable")
        await hub.start()
        await asyncio.wait_for(sending, 10)
        async with asyncio.timeout(10):
            while await received.get() != b"meanwhile":  # the first may come again: at least once
                pass


async def test_a_module_started_by_hand_takes_a_connection_string(hub: SmallHub) -> None:
    """Contract 6.2, the second part of item 1."""
    assert hub.authority is not None
    environ = {
        "EdgeHubConnectionString": hub.connection_string(CAMERA, gateway=hub.address),
        "EdgeModuleCACertificateFile": str(hub.authority.certificate),
    }
    async with ModuleClient.from_environment(environ, options=QUICK) as camera:
        await camera.wait_connected(10)
        assert camera.identity == CAMERA


def test_a_program_that_is_no_module_is_told_what_is_missing() -> None:
    with pytest.raises(Problem) as problem:
        ModuleClient.from_environment({"IOTEDGE_MODULEID": "camera"})
    assert problem.value.code == "module-environment-incomplete"
    assert "IOTEDGE_WORKLOADURI" in problem.value.values["missing"]
    assert "IOTEDGE_MODULEID" not in problem.value.values["missing"]


async def test_the_runtime_is_asked_directly_whatever_proxy_the_environment_names(
    hub: SmallHub, sockets: WorkloadSockets, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    async with WorkloadClient(sockets.uri("camera")) as workload:
        assert await workload.trust_bundle() == hub.authority_pem


async def test_a_runtime_may_listen_on_a_port(hub: SmallHub) -> None:
    async def no_key(_: str) -> Secret | None:
        return None

    listener = bind(loopback_address(), 0, "workload API")
    host, port = listener.getsockname()
    server = HttpServer(WorkloadApi("camera", WorkloadSources(no_key, hub.authority_pem, b"s" * 32)).app(), listener)
    await server.start()
    async with WorkloadClient(f"http://{host}:{port}") as workload:
        assert await workload.trust_bundle() == hub.authority_pem
    await server.stop()


async def test_a_module_waits_for_its_runtime(hub: SmallHub, sockets: WorkloadSockets) -> None:
    environ = environment(hub, sockets, "camera")
    await sockets.serve(())
    async with ModuleClient.from_environment(environ, options=QUICK) as camera:
        problem = await reason_of(camera, "workload-unreachable")
        assert problem.values["uri"] == environ["IOTEDGE_WORKLOADURI"]
        await sockets.serve(["camera"])
        await camera.wait_connected(10)


async def test_a_module_that_the_runtime_does_not_know_is_told_so(hub: SmallHub, sockets: WorkloadSockets) -> None:
    hub.directory.remove(CAMERA)
    async with ModuleClient.from_environment(environment(hub, sockets, "camera"), options=QUICK) as camera:
        problem = await reason_of(camera, "workload-refused")
        assert (problem.values["status"], problem.values["reason"]) == ("404", "module camera is not registered")


# Devices


async def test_a_device_speaks_with_its_cloud(cloud: SmallHub) -> None:
    """Telemetry, twin and methods over one connection (contract 1.5 to 1.8)."""

    async def multiply(name: str, payload: Json) -> tuple[int, Json]:
        assert isinstance(payload, int)
        return 200, {name: payload * 2}

    told: asyncio.Queue[tuple[Json, int]] = asyncio.Queue()

    async def desired(patch: Json, version: int) -> None:
        told.put_nowait((patch, version))

    async with device(cloud) as client:
        client.on_method(multiply)
        client.on_desired(desired)
        await client.send(Message(b"{}", {"a": "b c"}, {"ct": "application/json"}))
        (event,) = await cloud.events.read(0)
        assert (event.message.sender, event.message.properties) == (EDGE, {"a": "b c"})

        assert await asyncio.wait_for(told.get(), 10) == ({}, 1)
        await client.report({"colour": "red"})
        await cloud.hub.twins.patch_desired(EDGE, {"rate": 5})
        assert await asyncio.wait_for(told.get(), 10) == ({"rate": 5}, 2)
        assert (await client.twin()).reported.values == {"colour": "red"}

        answer = await cloud.hub.methods.invoke(EDGE, "double", 21, connect_timeout=10)
        assert (answer.status, answer.payload) == (200, {"double": 42})


async def test_a_message_from_the_cloud_waits_for_its_device(cloud: SmallHub) -> None:
    received: asyncio.Queue[Message] = asyncio.Queue()
    async with device(cloud) as client:
        client.on_c2d(received.put)
        await client.wait_connected(10)
    await cloud.hub.send_to_device("edge-1", Message(b"while you were away", {"a": "1"}))
    async with device(cloud) as client:
        client.on_c2d(received.put)
        message = await asyncio.wait_for(received.get(), 10)
        assert (message.body, message.properties["a"]) == (b"while you were away", "1")


async def test_a_wrong_key_is_told_from_a_hub_that_is_away_and_mends_by_itself(cloud: SmallHub) -> None:
    line = cloud.connection_string(EDGE)
    cloud.directory.remove(EDGE)
    assert cloud.authority is not None
    client = DeviceClient.from_connection_string(line, cloud.authority.certificate, cloud.port, options=QUICK)
    async with client:
        problem = await reason_of(client, "token-refused")
        assert problem.values["identity"] == "edge-1"
        cloud.directory.add(EDGE)
        await client.wait_connected(10)
        assert client.problem is None


async def test_a_certificate_of_another_authority_is_not_trusted(cloud: SmallHub, tmp_path: Path) -> None:
    other = Authority.open(tmp_path / "other").certificate
    client = DeviceClient.from_connection_string(cloud.connection_string(EDGE), other, cloud.port, options=QUICK)
    async with client:
        problem = await reason_of(client, "certificate-untrusted")
        assert cloud.address in problem.title()


async def test_a_certificate_made_out_to_another_name_is_not_trusted(tmp_path: Path) -> None:
    """Contract 1.1."""
    authority = Authority.open(tmp_path / "authority")
    issued = authority.issue_server(["elsewhere.example"])
    context = server_context(issued.cert_path, issued.key_path)
    async with answering(b"", context) as endpoint, client_at(endpoint, authority.certificate) as client:
        problem = await reason_of(client, "certificate-untrusted")
        assert endpoint.host in problem.cause()


async def test_a_port_without_encryption_is_told_so(tmp_path: Path) -> None:
    authority = Authority.open(tmp_path / "authority").certificate
    async with answering(b"220 mail.example ready\r\n") as endpoint, client_at(endpoint, authority) as client:
        problem = await reason_of(client, "tls-failed")
        assert str(endpoint) in problem.title()


async def test_a_connection_that_breaks_off_in_the_handshake_is_told_so(broker: Broker, tmp_path: Path) -> None:
    authority = Authority.open(tmp_path / "authority").certificate
    async with client_at(broker.endpoint, authority) as client:
        problem = await reason_of(client, "cloud-unreachable")
        assert "broke off" in problem.cause()


def test_an_authority_file_that_is_none_is_told_so(tmp_path: Path) -> None:
    line = "HostName=hub.example.net;DeviceId=edge-1;SharedAccessKey=a2V5"
    (tmp_path / "ca.pem").write_text("not a certificate")
    for name in ("ca.pem", "absent.pem"):
        with pytest.raises(Problem) as problem:
            DeviceClient.from_connection_string(line, tmp_path / name)
        assert problem.value.code == "file-unreadable"
