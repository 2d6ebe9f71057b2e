"""The workload API: what a module may ask of the runtime on its device (contract 6.2, 6.3)."""

from __future__ import annotations

import base64
from types import TracebackType
from urllib.parse import quote

import httpx

from hotori.model.identity import Identity
from hotori.model.json import JsonObject
from hotori.model.sas import token_with_digest
from hotori.problems import Problem
from hotori.problems.connections import WORKLOAD_REFUSED, WORKLOAD_UNREACHABLE
from hotori.sdk.endpoint import TokenSource

API_VERSION = "2022-08-03"


class WorkloadClient:
    """Asks at `uri`: `unix:///path/of.sock` or `http://host:port`. Close it in the end, or use it as a context."""

    def __init__(self, uri: str, api_version: str = API_VERSION, *, timeout: float = 10.0) -> None:
        self._uri, self._api_version = uri, api_version
        is_socket = uri.startswith("unix://")
        self._http = httpx.AsyncClient(
            transport=httpx.AsyncHTTPTransport(uds=uri.removeprefix("unix://") if is_socket else None),
            base_url="http://localhost" if is_socket else uri,
            timeout=timeout,
            trust_env=False,  # a proxy of the environment is for the network, not for the device's own runtime
        )

    async def __aenter__(self) -> WorkloadClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await self._http.aclose()

    async def trust_bundle(self) -> str:
        """The roots to trust and no others, PEM. Raises `workload-unreachable`, `workload-refused`."""
        return await self._ask("GET", "/trust-bundle", None, "certificate")

    async def sign(self, module: str, generation: str, data: bytes) -> str:
        """base64 of HMAC-SHA256 over `data` with the module's key, which stays with the runtime. Raises likewise."""
        path = f"/modules/{quote(module, safe='')}/genid/{quote(generation, safe='')}/sign"
        body: JsonObject = {"keyId": "primary", "algo": "HMACSHA256", "data": base64.b64encode(data).decode()}
        return await self._ask("POST", path, body, "digest")

    async def _ask(self, method: str, path: str, body: JsonObject | None, member: str) -> str:
        """The text that a call answers with, in the named member."""
        try:
            answer = await self._http.request(method, path, params={"api-version": self._api_version}, json=body)
        except httpx.HTTPError as error:
            reason = str(error) or type(error).__name__
            raise Problem(WORKLOAD_UNREACHABLE, uri=self._uri, reason=reason) from error
        value = _member(answer, member)
        if answer.status_code >= 300 or not value:
            reason = _member(answer, "message") or f"no {member} in the answer"
            raise Problem(WORKLOAD_REFUSED, request=f"{method} {path}", status=answer.status_code, reason=reason)
        return value


def workload_tokens(workload: WorkloadClient, hub: str, identity: Identity, generation: str) -> TokenSource:
    """Tokens of a module, signed by the runtime (contract 6.2, 3)."""
    resource = quote(f"{hub}/{identity.path()}", safe="")

    async def make(expiry: int) -> str:
        digest = await workload.sign(identity.module or "", generation, f"{resource}\n{expiry}".encode())
        return token_with_digest(resource, expiry, digest)

    return make


def _member(answer: httpx.Response, name: str) -> str | None:
    try:
        document = answer.json()
    except ValueError:
        return None
    value = document.get(name) if isinstance(document, dict) else None
    return value if isinstance(value, str) else None
