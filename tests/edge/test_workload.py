"""The workload API (contract 6.3), over a real Unix socket."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from hotori.edge.workload import WorkloadSources
from hotori.edge.workload_sockets import WorkloadSockets, socket_folder
from hotori.model.secret import Secret
from tests.edge.parts import PEM, a_key

VERSION = {"api-version": "2019-01-30"}
SIGN = "/modules/camera/genid/1/sign"


async def key_of(module: str) -> Secret | None:
    return Secret(a_key(module)) if module != "unregistered" else None


@asynccontextmanager
async def calling(folder: Path, module: str = "camera") -> AsyncIterator[httpx.AsyncClient]:
    """A client on the socket of one module."""
    sockets = WorkloadSockets(socket_folder(folder), WorkloadSources(key_of, PEM, b"s" * 32))
    await sockets.serve([module])
    path = sockets.uri(module).removeprefix("unix://")
    transport = httpx.AsyncHTTPTransport(uds=path)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost", params=VERSION) as client:
        yield client
    await sockets.close()


async def test_a_signature_is_made_with_the_modules_key_although_no_content_type_is_sent(tmp_path: Path) -> None:
    # Contract 6.2, item 3, with the test vector of 0.4.
    data = b"hub.example.net%2Fdevices%2Fdev-1%2Fmodules%2Fmod-1\n1900000000"
    body = {"keyId": "primary", "algo": "HMACSHA256", "data": base64.b64encode(data).decode()}

    async def vector(_: str) -> Secret:
        return Secret("MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=")

    sockets = WorkloadSockets(socket_folder(tmp_path), WorkloadSources(vector, PEM, b"s" * 32))
    await sockets.serve(["mod-1"])
    transport = httpx.AsyncHTTPTransport(uds=sockets.uri("mod-1").removeprefix("unix://"))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        request = client.build_request("POST", "/modules/mod-1/genid/7/sign", params=VERSION, json=body)
        del request.headers["Content-Type"]
        answer = await client.send(request)
    await sockets.close()

    assert answer.json() == {"digest": "OCRiGDLhzDXc6+LzE5YSYy5AQeFaBiVse/NRtlk9zZ8="}


async def test_the_trust_bundle_is_plain_pem(tmp_path: Path) -> None:
    async with calling(tmp_path) as client:
        answer = await client.get("/trust-bundle")

    assert (answer.status_code, answer.json()) == (200, {"certificate": PEM})


async def test_a_module_cannot_speak_for_another(tmp_path: Path) -> None:
    async with calling(tmp_path) as client:
        answer = await client.post("/modules/classifier/genid/1/sign", json={"data": ""})

    assert (answer.status_code, answer.json()) == (403, {"message": "forbidden"})


@pytest.mark.parametrize(
    ("version", "message"),
    [(None, "api-version not specified"), ("1999-01-01", "invalid api-version 1999-01-01")],
)
async def test_an_api_version_is_needed(tmp_path: Path, version: str | None, message: str) -> None:
    async with calling(tmp_path) as client:
        client.params = httpx.QueryParams({"api-version": version} if version else {})
        answer = await client.get("/trust-bundle")

    assert (answer.status_code, answer.json()) == (400, {"message": message})


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"data": 1}', b'{"data": "%%"}'])
async def test_a_request_that_cannot_be_read_is_answered_400(tmp_path: Path, body: bytes) -> None:
    async with calling(tmp_path) as client:
        answer = await client.post(SIGN, content=body)

    assert answer.status_code == 400
    assert answer.json()["message"]


async def test_a_module_that_is_not_registered_gets_no_signature(tmp_path: Path) -> None:
    async with calling(tmp_path, "unregistered") as client:
        answer = await client.post("/modules/unregistered/genid/1/sign", json={"data": ""})

    assert answer.status_code == 404


async def test_what_is_encrypted_can_be_decrypted_by_that_module_and_generation_alone(tmp_path: Path) -> None:
    vector, secret = base64.b64encode(b"any length").decode(), base64.b64encode(b"the secret").decode()
    async with calling(tmp_path) as client:
        sealed = await client.post(
            "/modules/camera/genid/1/encrypt", json={"plaintext": secret, "initializationVector": vector}
        )
        body = {**sealed.json(), "initializationVector": vector}
        opened = await client.post("/modules/camera/genid/1/decrypt", json=body)
        other = await client.post("/modules/camera/genid/2/decrypt", json=body)

    assert opened.json() == {"plaintext": secret}
    assert other.status_code == 400


def test_sockets_of_a_deep_data_folder_are_in_a_short_private_one(tmp_path: Path) -> None:
    deep = tmp_path / ("deep" * 30)
    deep.mkdir()

    folder = socket_folder(deep)

    assert len(str(folder)) < 70
    assert folder.stat().st_mode & 0o777 == 0o700
    assert socket_folder(deep) == folder
    folder.rmdir()
