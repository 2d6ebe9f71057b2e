from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hotori.net.authority import Authority
from hotori.net.ports import bind
from hotori.net.tls import client_context, server_context
from hotori.problems import Problem


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority.open(tmp_path / "authority")


@pytest.fixture
async def port(authority: Authority) -> AsyncIterator[int]:
    """Where a TLS server for 127.0.0.1 says `hello`."""

    async def greet(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello")
        writer.close()

    issued = authority.issue_server(["127.0.0.1"])
    listener = bind("127.0.0.1", 0, "greeter")
    server = await asyncio.start_server(greet, sock=listener, ssl=server_context(issued.cert_path, issued.key_path))
    yield listener.getsockname()[1]
    server.close()
    await server.wait_closed()


async def greeting(host: str, port: int, context: ssl.SSLContext) -> tuple[bytes, str]:
    reader, writer = await asyncio.open_connection(host, port, ssl=context)
    try:
        version = writer.get_extra_info("ssl_object").version()
        return await reader.read(), version
    finally:
        writer.close()


@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
async def test_a_client_that_trusts_the_authority_gets_through(authority: Authority, port: int, version: str) -> None:
    context = client_context(authority.certificate)
    context.maximum_version = context.minimum_version = ssl.TLSVersion[version.replace(".", "_")]
    assert await greeting("127.0.0.1", port, context) == (b"hello", version)


async def test_the_authority_can_be_given_as_text(authority: Authority, port: int) -> None:
    assert (await greeting("127.0.0.1", port, client_context(authority.pem)))[0] == b"hello"


async def test_another_authority_is_not_trusted(tmp_path: Path, port: int) -> None:
    other = Authority.open(tmp_path / "other")
    with pytest.raises(ssl.SSLCertVerificationError):
        await greeting("127.0.0.1", port, client_context(other.certificate))


async def test_a_name_that_is_not_in_the_certificate_is_refused(authority: Authority, port: int) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="mismatch"):
        await greeting("localhost", port, client_context(authority.certificate))


def test_a_missing_or_broken_file_is_a_problem(tmp_path: Path) -> None:
    broken = tmp_path / "broken.pem"
    broken.write_text("not a certificate")
    for path in (tmp_path / "missing.pem", broken):
        with pytest.raises(Problem) as met:
            client_context(path)
        assert met.value.code == "file-unreadable"
        with pytest.raises(Problem) as met:
            server_context(path, path)
        assert met.value.code == "file-unreadable"
