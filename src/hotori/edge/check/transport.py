"""The ways to the cloud, tried as far as their handshake: what answers, and which certificate it shows."""

from __future__ import annotations

import asyncio
import base64
import os
import ssl
from dataclasses import dataclass

from cryptography import x509

from hotori.diagnosis.evidence import ConnectEvidence
from hotori.diagnosis.findings import findings
from hotori.net.tls import client_context
from hotori.problems import Problem
from hotori.problems.checks import WEBSOCKETS_BLOCKED
from hotori.problems.network import CERTIFICATE_UNTRUSTED

_SECONDS = 10.0
_WEBSOCKET = "/$iothub/websocket?iothub-no-client-cert=true"


@dataclass(frozen=True, slots=True)
class Shown:
    """What a listener showed."""

    where: str
    version: str
    certificate: x509.Certificate


async def handshake(host: str, port: int, trusted: str) -> Shown:
    """TLS up to the end of the handshake, trusting these authorities. Raises `cloud-unreachable`, and
    `certificate-untrusted` with what was shown instead."""
    try:
        _, writer = await _connect(host, port, client_context(trusted))
    except (OSError, ssl.SSLError, TimeoutError) as error:
        problem = findings(ConnectEvidence(f"{host}:{port}", str(error) or "timed out"))[0]
        if problem.kind is CERTIFICATE_UNTRUSTED:
            problem.evidence += tuple(await _shown_instead(host, port))
        raise problem from error
    found: ssl.SSLObject = writer.get_extra_info("ssl_object")
    writer.close()
    return Shown(f"{host}:{port}", found.version() or "", _peer(found))


async def websocket(host: str, port: int, trusted: str) -> str:
    """MQTT inside a websocket: the way that is left where only HTTPS gets out. Raises `websockets-blocked`."""
    try:
        reader, writer = await _connect(host, port, client_context(trusted))
        key = base64.b64encode(os.urandom(16)).decode()
        asked = (
            f"GET {_WEBSOCKET} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n"
        )
        writer.write(asked.encode())
        async with asyncio.timeout(_SECONDS):
            answer = (await reader.readline()).decode(errors="replace").strip()
        writer.close()
    except (OSError, ssl.SSLError, TimeoutError, ValueError) as error:
        answer = str(error) or "timed out"
    if " 101 " not in f"{answer} ":
        answer = answer or "the connection was closed"
        raise Problem(WEBSOCKETS_BLOCKED, answer, address=f"{host}:{port}", answer=answer)
    return f"{host}:{port}, 101"


def certificate_text(certificate: x509.Certificate) -> str:
    """Whose it is, who signed it, for which names, how long."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        names = ", ".join(str(name.value) for name in found)
    except x509.ExtensionNotFound:
        names = "no names"
    subject, issuer = certificate.subject.rfc4514_string(), certificate.issuer.rfc4514_string()
    ends = certificate.not_valid_after_utc.date().isoformat()
    return f"shown: {subject or '-'}, signed by {issuer or '-'}, for {names}, until {ends}"


async def _shown_instead(host: str, port: int) -> list[str]:
    """A certificate that is not trusted, looked at without believing it: a proxy that reads along names itself."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        _, writer = await _connect(host, port, context)
    except (OSError, ssl.SSLError, TimeoutError):
        return []
    shown = certificate_text(_peer(writer.get_extra_info("ssl_object")))
    writer.close()
    return [shown, f"dialled: {host}"]


async def _connect(host: str, port: int, context: ssl.SSLContext) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    async with asyncio.timeout(_SECONDS):
        return await asyncio.open_connection(host, port, ssl=context, server_hostname=host)


def _peer(found: ssl.SSLObject) -> x509.Certificate:
    content = found.getpeercert(binary_form=True)
    assert content
    return x509.load_der_x509_certificate(content)
