"""A certificate that is renewed while it is served, seen by real clients."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509

from hotori.net.authority import Authority
from hotori.net.http import AsgiApp, HttpServer, Receive, Scope, Send
from hotori.net.live_certificate import LiveCertificate
from hotori.net.ports import bind
from hotori.net.tls import client_context

NAMES = ("127.0.0.1", "localhost")


def aged(days: float) -> Callable[[], float]:
    """A clock so many days behind."""
    return lambda: time.time() - timedelta(days=days).total_seconds()


async def hello(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "http":
        headers = [(b"content-length", b"5")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"hello"})


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    await reader.readuntil(b"\r\n\r\n")
    return await reader.readexactly(5)


def serial(writer: asyncio.StreamWriter) -> int:
    shown = writer.get_extra_info("ssl_object").getpeercert(True)
    return x509.load_der_x509_certificate(shown).serial_number


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_certificate_near_its_end_is_replaced_and_connections_live_on(
    tmp_path: Path, version: ssl.TLSVersion
) -> None:
    now = [time.time() - timedelta(days=300).total_seconds()]
    authority = Authority.open(tmp_path, lambda: now[0])
    live = LiveCertificate(authority, NAMES)
    app: AsgiApp = hello
    context = client_context(authority.certificate)
    context.minimum_version = context.maximum_version = version
    async with HttpServer(app, bind("127.0.0.1", 0, "http"), live) as server:
        old = await asyncio.open_connection("127.0.0.1", server.port, ssl=context)
        assert await ask(*old) == b"hello"
        assert not live.renew()
        now[0] = time.time()
        assert live.renew()
        new = await asyncio.open_connection("127.0.0.1", server.port, ssl=context)
        assert await ask(*new) == await ask(*old) == b"hello"
        assert serial(new[1]) != serial(old[1])
        assert not live.renew()
        for _, writer in (old, new):
            writer.close()


async def test_it_looks_by_itself_and_a_disk_that_fails_only_delays_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    now = [time.time() - timedelta(days=300).total_seconds()]
    authority = Authority.open(tmp_path, lambda: now[0])
    key = authority.issue_server(NAMES).key_path
    async with LiveCertificate(authority, NAMES, look=0.01) as live:
        context = live.context()
        good = key.read_bytes()
        key.write_text("damaged")
        async with asyncio.timeout(20):
            while "could not be renewed" not in caplog.text:
                await asyncio.sleep(0.01)
            key.write_bytes(good)
            first = (await shown(context)).serial_number
            now[0] = time.time()
            while (await shown(context)).serial_number == first:
                await asyncio.sleep(0.01)


async def shown(context: ssl.SSLContext) -> x509.Certificate:
    """What a listener with this context shows."""
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=context)
    async with server:
        address = server.sockets[0].getsockname()
        pem = await asyncio.to_thread(ssl.get_server_certificate, address[:2])
    return x509.load_pem_x509_certificate(pem.encode())
