"""The edge hub's HTTPS: modules call methods of one another (contract 6.5)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from hotori.hub.service_api.edge import edge_app
from hotori.model.identity import Identity
from hotori.net.http import HttpServer
from hotori.net.ports import bind
from hotori.net.tls import client_context
from hotori.sdk.connection import HubConnection
from hotori.sdk.endpoint import key_tokens
from hotori.testing.addresses import loopback_address
from hotori.testing.small_hub import BookDirectory, SmallHub

CAMERA, CLASSIFIER = Identity("edge-1", "camera"), Identity("edge-1", "classifier")
PATH = "/twins/edge-1/modules/classifier/methods?api-version=2019-10-01"


@pytest.fixture
async def edge(tmp_path: Path) -> AsyncIterator[SmallHub]:
    directory = BookDirectory("edge-1/camera", "edge-1/classifier", "leaf", "edge-2/camera")
    async with SmallHub(
        tmp_path / "edge", loopback_address(), directory, name="hub.example.net", device="edge-1"
    ) as hub:
        yield hub


@pytest.fixture
async def http(edge: SmallHub) -> AsyncIterator[httpx.AsyncClient]:
    assert edge.authority is not None
    app = edge_app(edge.hub, edge.directory, "edge-1", edge.hub.clock)
    certificate = edge.authority.issue_server([edge.address])
    async with (
        HttpServer(app, bind(edge.address, 0, "edge"), certificate) as server,
        httpx.AsyncClient(
            base_url=f"https://{edge.address}:{server.port}",
            verify=client_context(edge.authority.certificate),
            trust_env=False,
        ) as client,
    ):
        yield client


def headers(edge: SmallHub, caller: Identity = CAMERA) -> dict[str, str]:
    return {"x-ms-edge-moduleId": str(caller), "Authorization": edge.token(caller)}


async def test_a_module_calls_a_method_of_another(edge: SmallHub, http: httpx.AsyncClient) -> None:
    tokens = key_tokens(edge.name, CLASSIFIER, edge.directory.key(CLASSIFIER))
    async with HubConnection(edge.endpoint, edge.name, CLASSIFIER, tokens) as classifier:

        async def on_method(name: str, payload: Any) -> tuple[int, Any]:
            return 200, {name: payload}

        classifier.on_method(on_method)
        body = {"methodName": "threshold", "payload": 0.5, "connectTimeoutInSeconds": 10}
        answer = await http.post(PATH, json=body, headers=headers(edge))
    assert answer.json() == {"status": 200, "payload": {"threshold": 0.5}}


async def test_errors_have_a_message_and_a_status(edge: SmallHub, http: httpx.AsyncClient) -> None:
    """6.5: 400, 401, 404"""
    body = {"methodName": "m"}
    good = headers(edge)
    forged = {**good, "Authorization": edge.token(CLASSIFIER)}
    foreign = headers(edge, Identity("edge-2", "camera"))
    device = {**good, "x-ms-edge-moduleId": "leaf"}
    cases: list[tuple[int, str, dict[str, str], Any]] = [
        (404, PATH, good, body),
        (404, PATH.replace("classifier", "nobody"), good, body),
        (404, "/twins/leaf/methods", good, body),
        (401, PATH, {**good, "Authorization": ""}, body),
        (401, PATH, forged, body),
        (401, PATH, foreign, body),
        (401, PATH, device, body),
        (400, PATH, {"Authorization": edge.token(CAMERA)}, body),
        (400, PATH, good, {}),
        (400, PATH, good, {"methodName": "m", "responseTimeoutInSeconds": 1}),
    ]
    for status, path, sent, document in cases:
        response = await http.post(path, json=document, headers=sent)
        assert (response.status_code, bool(response.json()["message"])) == (status, True), (path, sent)


async def test_a_directory_that_is_not_ready_is_told_as_such(edge: SmallHub, http: httpx.AsyncClient) -> None:
    edge.directory.ready = False
    response = await http.post(PATH, json={"methodName": "m"}, headers=headers(edge))
    assert (response.status_code, response.json()["problem"]["code"]) == (503, "hub-not-ready")
