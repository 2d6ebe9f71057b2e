"""The workload API (contract 6.3): what a module asks of its device. It signs, and gives out whom to trust.

Each module has a Unix socket of its own in a private folder, and that socket is who the caller is: another
module's name in the path is answered 403, and so is a process that is none of the module's. Keys never leave this
process.
"""

from __future__ import annotations

import base64
import binascii
import logging
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from hotori.edge.module_certificates import ModuleCertificates
from hotori.model.json import JsonObject
from hotori.model.sas import hmac_sha256
from hotori.model.secret import Secret
from hotori.net.certificates import IssuedCertificate
from hotori.net.http_protocol import PEER_PROCESS
from hotori.problems import Problem

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_log = logging.getLogger(__name__)
API_VERSIONS = frozenset(
    ("2018-06-28", "2019-01-30", "2019-10-22", "2019-11-05", "2020-07-07", "2021-12-07", "2022-08-03")
)
KeyOf: TypeAlias = "Callable[[str], Awaitable[Secret | None]]"
_Answer: TypeAlias = Callable[[Request], Awaitable[JSONResponse]]


class _RefusedError(Exception):
    """An answer other than 2xx: its status and message."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


async def _anybody(module: str, pid: int) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class WorkloadSources:
    """What the answers are made from. `trust_bundle` is PEM; `seal` is 32 secret bytes of this device.

    `owns` says whether a process is a module's; `modules` are those of the device (`module_details`).
    """

    key_of: KeyOf
    trust_bundle: str
    seal: bytes = field(repr=False)
    certificates: ModuleCertificates | None = None
    owns: Callable[[str, int], Awaitable[bool]] = _anybody
    modules: Callable[[], Iterable[JsonObject]] = tuple


class WorkloadApi:
    """The answers for one module."""

    def __init__(self, module: str, sources: WorkloadSources) -> None:
        self._module, self._sources = module, sources

    def app(self) -> Starlette:
        module = "/modules/{module}"
        own = f"{module}/genid/{{generation}}"
        return Starlette(
            routes=[
                Route("/trust-bundle", self._asked(self._trust), methods=["GET"]),
                Route("/manifest-trust-bundle", self._asked(self._manifest_trust), methods=["GET"]),
                Route("/modules", self._asked(self._list), methods=["GET"]),
                Route(f"{module}/certificate/identity", self._asked(self._identity), methods=["POST"]),
                Route(f"{own}/certificate/server", self._asked(self._server), methods=["POST"]),
                Route(f"{own}/sign", self._asked(self._sign), methods=["POST"]),
                Route(f"{own}/encrypt", self._asked(self._encrypt), methods=["POST"]),
                Route(f"{own}/decrypt", self._asked(self._decrypt), methods=["POST"]),
            ]
        )

    def _asked(self, answer: _Answer) -> _Answer:
        async def checked(request: Request) -> JSONResponse:
            try:
                await self._check(request)
                return await answer(request)
            except Problem as problem:
                _log.warning("workload API: %s was not answered: %s", self._module, problem)
                return JSONResponse({"message": f"{problem.title()}. {problem.cause()}"}, 500)
            except _RefusedError as refusal:
                _log.warning("workload API: %s was answered %d: %s", self._module, refusal.status, refusal.message)
                return JSONResponse({"message": refusal.message}, refusal.status)

        return checked

    async def _check(self, request: Request) -> None:
        version = request.query_params.get("api-version")
        if version is None:
            raise _RefusedError(400, "api-version not specified")
        if version not in API_VERSIONS:
            raise _RefusedError(400, f"invalid api-version {version}")
        if request.path_params.get("module", self._module) != self._module:
            raise _RefusedError(403, "forbidden")
        caller = request.scope.get(PEER_PROCESS)
        if caller is not None and not await self._sources.owns(self._module, caller):
            raise _RefusedError(403, "forbidden")

    async def _trust(self, request: Request) -> JSONResponse:
        return JSONResponse({"certificate": self._sources.trust_bundle})

    async def _manifest_trust(self, request: Request) -> JSONResponse:
        return JSONResponse({"certificate": ""})

    async def _list(self, request: Request) -> JSONResponse:
        return JSONResponse({"modules": [*self._sources.modules()]})

    async def _identity(self, request: Request) -> JSONResponse:
        body = await _body(request) if await request.body() else {}
        return self._issued(lambda issuer: issuer.identity(self._module, _time(body.get("expiration"))))

    async def _server(self, request: Request) -> JSONResponse:
        body = await _body(request)
        name, until = body.get("commonName"), body.get("expiration")
        if not isinstance(name, str) or not name or until is None:
            raise _RefusedError(400, "commonName and expiration are needed")
        return self._issued(lambda issuer: issuer.server(self._module, name, _time(until)))

    def _issued(self, issue: Callable[[ModuleCertificates], IssuedCertificate]) -> JSONResponse:
        if self._sources.certificates is None:
            raise _RefusedError(404, "no certificates are issued here")
        try:
            issued = issue(self._sources.certificates)
        except ValueError as error:
            raise _RefusedError(400, f"no such certificate can be issued: {error}") from error
        document = {
            "privateKey": {"type": "key", "bytes": issued.key.decode()},
            "certificate": issued.chain.decode(),
            "expiration": issued.expires.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        return JSONResponse(document, 201)

    async def _sign(self, request: Request) -> JSONResponse:
        data = _bytes(await _body(request), "data")
        key = await self._sources.key_of(self._module)
        if key is None:
            raise _RefusedError(404, f"module {self._module} is not registered")
        return JSONResponse({"digest": hmac_sha256(key, data)})

    async def _encrypt(self, request: Request) -> JSONResponse:
        body = await _body(request)
        cipher, nonce, context = self._cipher(request, body)
        sealed = cipher.encrypt(nonce, _bytes(body, "plaintext"), context)
        return JSONResponse({"ciphertext": base64.b64encode(sealed).decode()})

    async def _decrypt(self, request: Request) -> JSONResponse:
        body = await _body(request)
        from cryptography.exceptions import InvalidTag

        cipher, nonce, context = self._cipher(request, body)
        try:
            plain = cipher.decrypt(nonce, _bytes(body, "ciphertext"), context)
        except InvalidTag as error:
            raise _RefusedError(400, "the ciphertext was not made here for this module") from error
        return JSONResponse({"plaintext": base64.b64encode(plain).decode()})

    def _cipher(self, request: Request, body: dict[str, Any]) -> tuple[AESGCM, bytes, bytes]:
        """AES-256-GCM with a key for this module and generation alone. A vector may have any length: it is hashed."""
        # Few modules encrypt, and the library is 12 MB: see hub/client_certificate.
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.ciphers import aead
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF

        context = f"{self._module}/{request.path_params['generation']}".encode()
        key = HKDF(hashes.SHA256(), 32, salt=None, info=context).derive(self._sources.seal)
        digest = hashes.Hash(hashes.SHA256())
        digest.update(_bytes(body, "initializationVector"))
        return aead.AESGCM(key), digest.finalize()[:12], context


def _time(text: object) -> datetime | None:
    """RFC 3339; without a zone it is UTC. Raises ValueError."""
    if text is None:
        return None
    if not isinstance(text, str):
        raise ValueError("expiration is not a text")
    read = datetime.fromisoformat(text)
    return read if read.tzinfo else read.replace(tzinfo=UTC)


async def _body(request: Request) -> dict[str, Any]:
    """The JSON object in the request, whatever its Content-Type: device clients send none (contract 6.2)."""
    try:
        return msgspec.json.decode(await request.body(), type=dict[str, Any])
    except msgspec.MsgspecError as error:
        raise _RefusedError(400, "the body is not a JSON object") from error


def _bytes(body: dict[str, Any], name: str) -> bytes:
    value = body.get(name)
    if not isinstance(value, str):
        raise _RefusedError(400, f"{name} is missing")
    try:
        return base64.b64decode(value, validate=True)
    except binascii.Error as error:
        raise _RefusedError(400, f"{name} is not base64") from error
