"""From what went wrong on the wire to the problem that a person can act on. It connects nothing itself."""

from __future__ import annotations

import socket
import ssl

from hotori.model.identity import Identity
from hotori.mqtt.packets import ConnackCode
from hotori.problems import Problem
from hotori.problems.connections import CONNECTION_REFUSED_BY_HUB, TLS_FAILED
from hotori.problems.identity import TOKEN_REFUSED
from hotori.problems.network import CERTIFICATE_UNTRUSTED, CLOUD_UNREACHABLE
from hotori.sdk.endpoint import Endpoint
from hotori.sdk.mqtt_client import ConnectRefusedError, MqttClientError


def connect_problem(error: OSError | MqttClientError, endpoint: Endpoint, identity: Identity) -> Problem:
    """The problem behind a connection that could not be made, or broke. The error's own words are its evidence."""
    if isinstance(error, ConnectRefusedError):
        return _refusal(error.code, endpoint, identity)
    if isinstance(error, ssl.SSLCertVerificationError):
        reason = error.verify_message or error.reason
        return Problem(CERTIFICATE_UNTRUSTED, str(error), address=endpoint, reason=reason)
    if isinstance(error, ssl.SSLError):
        return Problem(TLS_FAILED, str(error), address=endpoint, reason=error.reason or "the handshake broke off")
    return Problem(CLOUD_UNREACHABLE, f"{type(error).__name__}: {error}", address=endpoint, reason=_reason(error))


def refused_identity(problem: Problem) -> bool:
    """Whether the hub does not know or trust us: that can mend, but not within moments."""
    return problem.kind in (TOKEN_REFUSED, CONNECTION_REFUSED_BY_HUB)


def _refusal(code: int, endpoint: Endpoint, identity: Identity) -> Problem:
    evidence = f"CONNACK {code}"
    if code == ConnackCode.SERVER_UNAVAILABLE:
        reason = "the hub is there but not ready yet"
        return Problem(CLOUD_UNREACHABLE, evidence, address=endpoint, reason=reason)
    if code == ConnackCode.NOT_AUTHORIZED:
        reason = "the identity is unknown or disabled, or its token is wrong or expired"
        return Problem(TOKEN_REFUSED, evidence, identity=identity, reason=reason)
    if code == ConnackCode.BAD_CREDENTIALS:
        reason = "the user name or the token cannot be read"
        return Problem(TOKEN_REFUSED, evidence, identity=identity, reason=reason)
    reasons: dict[int, str] = {
        ConnackCode.UNACCEPTABLE_PROTOCOL: "it does not speak MQTT 3.1.1",
        ConnackCode.IDENTIFIER_REJECTED: "client id and user name do not fit each other",
    }
    reason = reasons.get(code, "the code is not one of MQTT 3.1.1")
    return Problem(CONNECTION_REFUSED_BY_HUB, evidence, address=endpoint, reason=reason, status=code)


def _reason(error: OSError | MqttClientError) -> str:
    if isinstance(error, MqttClientError):
        return str(error)
    if isinstance(error, socket.gaierror):
        return "the name cannot be resolved"
    if isinstance(error, ConnectionRefusedError):
        return "nothing listens on that port (connection refused)"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, ConnectionError):
        return "the connection broke off before the hub answered"
    return error.strerror or str(error)
