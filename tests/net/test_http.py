from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from hotori.net.authority import Authority
from hotori.net.http import HttpServer
from hotori.net.ports import bind, bind_unix
from hotori.net.tls import client_context
from hotori.problems import Problem


async def hello(_request: Request) -> Response:
    return PlainTextResponse("hello")


async def count(request: Request) -> Response:
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
    return PlainTextResponse(str(size))


async def slow(request: Request) -> Response:
    request.app.state.under_way.set()
    await asyncio.sleep(0.3)
    return PlainTextResponse("done")


async def endless(_request: Request) -> Response:
    async def beats() -> AsyncIterator[bytes]:
        yield b"first"
        await asyncio.Event().wait()

    return StreamingResponse(beats())


def app() -> Starlette:
    return Starlette(
        routes=[
            Route("/", hello),
            Route("/count", count, methods=["PUT"]),
            Route("/slow", slow),
            Route("/endless", endless),
        ]
    )


@pytest.fixture
async def server() -> AsyncIterator[HttpServer]:
    async with HttpServer(app(), bind("127.0.0.1", 0, "test")) as server:
        yield server


async def test_requests_are_answered_once_started(server: HttpServer) -> None:
    async with httpx.AsyncClient() as client:
        assert (await client.get(f"http://127.0.0.1:{server.port}/")).text == "hello"


async def test_the_process_keeps_its_signal_handlers(server: HttpServer) -> None:
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    assert server.port


async def test_a_large_upload_gets_through(server: HttpServer) -> None:
    async def body() -> AsyncIterator[bytes]:
        for _ in range(64):
            yield bytes(1 << 20)

    async with httpx.AsyncClient() as client:
        assert (await client.put(f"http://127.0.0.1:{server.port}/count", content=body())).text == str(64 << 20)


async def test_tls_is_spoken_with_a_certificate(tmp_path: Path) -> None:
    authority = Authority.open(tmp_path)
    issued = authority.issue_server(["127.0.0.1"])
    async with (
        HttpServer(app(), bind("127.0.0.1", 0, "test"), issued) as server,
        httpx.AsyncClient(verify=client_context(authority.certificate)) as client,
    ):
        assert (await client.get(f"https://127.0.0.1:{server.port}/")).text == "hello"


async def test_a_unix_socket_is_served(tmp_path: Path) -> None:
    path = tmp_path / "s"
    transport = httpx.AsyncHTTPTransport(uds=str(path))
    async with HttpServer(app(), bind_unix(path)), httpx.AsyncClient(transport=transport) as client:
        assert (await client.get("http://localhost/")).text == "hello"


async def test_clear_text_off_loopback_is_refused() -> None:
    server = HttpServer(app(), bind("0.0.0.0", 0, "test"))  # noqa: S104
    with pytest.raises(Problem) as met:
        await server.start()
    await server.stop()
    assert met.value.code == "tls-required"


async def test_a_request_under_way_finishes_when_the_server_stops() -> None:
    application = app()
    application.state.under_way = asyncio.Event()
    server = HttpServer(application, bind("127.0.0.1", 0, "test"))
    await server.start()
    async with httpx.AsyncClient() as client:
        answer = asyncio.create_task(client.get(f"http://127.0.0.1:{server.port}/slow"))
        await application.state.under_way.wait()
        await server.stop()
        assert (await answer).text == "done"


async def test_an_endless_stream_ends_when_the_server_stops(caplog: pytest.LogCaptureFixture) -> None:
    server = HttpServer(app(), bind("127.0.0.1", 0, "test"))
    await server.start()
    async with httpx.AsyncClient() as client, client.stream("GET", f"http://127.0.0.1:{server.port}/endless") as answer:
        chunks = answer.aiter_bytes()
        assert await anext(chunks) == b"first"
        stopping = asyncio.create_task(server.stop())
        assert [chunk async for chunk in chunks] == []
    await stopping
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []
