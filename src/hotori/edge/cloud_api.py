"""What an edge device asks of its cloud or parent over HTTPS: whom it is to serve, with keys (contract 11.2)."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any
from urllib.parse import quote

import httpx

from hotori.hub.auth_chain import AuthChain
from hotori.model.identity import EDGE_HUB, Identity
from hotori.model.json import JsonObject
from hotori.model.sas import sign
from hotori.model.secret import Secret
from hotori.net.own_certificate import OwnCertificate
from hotori.problems import Problem, Words
from hotori.problems.identity import DEVICE_UNKNOWN, TOKEN_REFUSED
from hotori.problems.network import CLOUD_UNREACHABLE
from hotori.sdk.connection_file import HubAddress
from hotori.sdk.http_problem import transport_problem

_API_VERSION = "2021-04-12"
_TOKEN_LIFE = 3600
_TIMEOUT = 15.0
_PAGE = 500


class CloudApi:
    """HTTPS calls as the device, or as its `$edgeHub`. Use as an async context manager.

    A device without a key shows a certificate, which is in the `context`; its `$edgeHub` has a key in any case.
    Raises `cloud-unreachable` and `certificate-untrusted` where the cloud cannot be asked, `token-refused`
    `device-unknown` and `certificate-refused` where it says no.
    """

    def __init__(
        self, address: HubAddress, hub: str, context: ssl.SSLContext, clock: Callable[[], float] = time.time
    ) -> None:
        self._address = f"{address.host}:{address.https_port}"
        self._hub, self._context = hub, context
        self._clock = clock
        self._client = httpx.AsyncClient(
            base_url=f"https://{self._address}", verify=context, timeout=_TIMEOUT, trust_env=False
        )

    async def __aenter__(self) -> CloudApi:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def modules(self, device: Identity, key: Secret) -> list[JsonObject]:
        """The modules of the device, as the registry's documents (contract 2.2)."""
        answer: list[JsonObject] = await self._ask(
            "GET", f"/devices/{quote(device.device, safe='')}/modules", device, key
        )
        return answer

    async def scope(self, chain: AuthChain, hub_key: Secret) -> list[JsonObject]:
        """All pages of what stands directly behind the chain's first device, asked for with `$edgeHub`'s key."""
        found: list[JsonObject] = []
        body: JsonObject = {"pageSize": _PAGE, "authChain": str(chain)}
        while True:
            answer = await self._ask_as_hub("devicesAndModulesInTargetDeviceScope", chain, hub_key, body)
            found += [*answer.get("devices", ()), *answer.get("modules", ())]
            if not answer.get("continuationLink"):
                return found
            body = {**body, "continuationLink": answer["continuationLink"]}

    async def one(self, chain: AuthChain, target: Identity, hub_key: Secret) -> list[JsonObject]:
        """The target's device, and the target if it is a module; nothing where there is none behind this device."""
        body: JsonObject = {"authChain": str(chain), "targetDeviceId": target.device}
        if target.module is not None:
            body["targetModuleId"] = target.module
        try:
            answer = await self._ask_as_hub("getDeviceAndModuleOnBehalfOf", chain, hub_key, body)
        except Problem as problem:
            if problem.kind is not DEVICE_UNKNOWN:
                raise
            return []
        return [*answer.get("devices", ()), *answer.get("modules", ())]

    async def forward(
        self, method: str, name: str, actor: str, hub_key: Secret, body: JsonObject, etag: str | None = None
    ) -> tuple[int, bytes]:
        """A registry call on behalf of a device behind `actor`: whatever is answered, as HTTP status and body."""
        headers = {"If-Match": etag} if etag else {}
        answer = await self._send(method, _hub_path(actor, name), Identity(actor, EDGE_HUB), hub_key, body, headers)
        return answer.status_code, answer.content

    def show(self, certificate: OwnCertificate) -> None:
        """Show this one in connections from now on."""
        certificate.show(self._context)

    async def certificate(self, device: Identity, request: str) -> str:
        """The next certificate (PEM, its chain behind it), for a request (PKCS#10, PEM) and in exchange for the one
        that is shown. Raises `certificate-request-refused` too."""
        path = f"/devices/{quote(device.device, safe='')}/certificate"
        answer = await self._ask("POST", path, device, Secret(""), {"csr": request})
        return str(answer["certificate"])

    async def _ask_as_hub(self, name: str, chain: AuthChain, hub_key: Secret, body: JsonObject) -> Any:
        actor = chain.actor.device
        return await self._ask("POST", _hub_path(actor, name), Identity(actor, EDGE_HUB), hub_key, body)

    async def _ask(self, method: str, path: str, asker: Identity, key: Secret, body: JsonObject | None = None) -> Any:
        response = await self._send(method, path, asker, key, body)
        _check(response, asker, self._address, shown=not key)
        return response.json()

    async def _send(
        self,
        method: str,
        path: str,
        asker: Identity,
        key: Secret,
        body: JsonObject | None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        headers = dict(headers or {})
        if key:
            headers["Authorization"] = sign(f"{self._hub}/{asker.path()}", key, int(self._clock()) + _TOKEN_LIFE)
        try:
            return await self._client.request(
                method, path, params={"api-version": _API_VERSION}, headers=headers, json=body
            )
        except httpx.HTTPError as error:
            raise transport_problem(self._address, error) from error


def _hub_path(actor: str, name: str) -> str:
    return f"/devices/{quote(actor, safe='')}/modules/{EDGE_HUB}/{name}"


def _check(response: httpx.Response, asker: Identity, address: str, *, shown: bool) -> None:
    """Who showed a certificate is told what the cloud found wrong with it; a token has other faults."""
    if response.is_success:
        return
    words = f"{response.status_code} {response.text[:300]}"
    if shown and response.status_code in (401, 403) and (told := _told(response)):
        raise told
    match response.status_code:
        case 401 | 403:
            raise Problem(TOKEN_REFUSED, words, identity=asker, reason=_status(response.status_code))
        case 404:
            raise Problem(DEVICE_UNKNOWN, words, device=asker.device)
        case status:
            raise Problem(CLOUD_UNREACHABLE, words, address=address, reason=_status(status))


def _told(response: httpx.Response) -> Problem | None:
    """The problem in the answer of a hub of ours."""
    try:
        return Problem.from_document(response.json()["problem"])
    except (ValueError, KeyError, TypeError):
        return None


def _status(status: int) -> Words:
    return Words(f"it answered with HTTP status {status}", f"HTTP 状態 {status} が返りました")
