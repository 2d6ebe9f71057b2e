"""What an edge device asks of its cloud over HTTPS: the identities it is to serve, with their keys (contract 11.2)."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

import httpx

from hotori.diagnosis.evidence import ConnectEvidence
from hotori.diagnosis.findings import findings
from hotori.model.identity import EDGE_HUB, Identity
from hotori.model.json import JsonObject
from hotori.model.sas import sign
from hotori.model.secret import Secret
from hotori.problems import Problem, Words
from hotori.problems.identity import DEVICE_UNKNOWN, TOKEN_REFUSED
from hotori.problems.network import CLOUD_UNREACHABLE
from hotori.sdk.connection_file import HubAddress

_API_VERSION = "2021-04-12"
_TOKEN_LIFE = 3600
_TIMEOUT = 15.0
_PAGE = 500


class CloudApi:
    """HTTPS calls as the device, or as its `$edgeHub`. Use as an async context manager.

    Raises `cloud-unreachable` and `certificate-untrusted` where the cloud cannot be asked, `token-refused`
    and `device-unknown` where it says no.
    """

    def __init__(
        self, address: HubAddress, hub: str, context: ssl.SSLContext, clock: Callable[[], float] = time.time
    ) -> None:
        self._address = f"{address.host}:{address.https_port}"
        self._hub = hub
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
        answer: list[JsonObject] = await self._ask("GET", f"/devices/{device.device}/modules", device, key)
        return answer

    async def children(self, device: Identity, hub_key: Secret) -> list[JsonObject]:
        """The devices and modules behind this one, asked for with `$edgeHub`'s key; one document each."""
        asker = Identity(device.device, EDGE_HUB)
        path = f"/devices/{device.device}/modules/{EDGE_HUB}/devicesAndModulesInTargetDeviceScope"
        found: list[JsonObject] = []
        body: JsonObject = {"pageSize": _PAGE, "authChain": f"{device.device};{asker}"}
        while True:
            answer = await self._ask("POST", path, asker, hub_key, body)
            found += [*answer.get("devices", ()), *answer.get("modules", ())]
            if not answer.get("continuationLink"):
                return found
            body = {**body, "continuationLink": answer["continuationLink"]}

    async def _ask(self, method: str, path: str, asker: Identity, key: Secret, body: JsonObject | None = None) -> Any:
        token = sign(f"{self._hub}/{asker.path()}", key, int(self._clock()) + _TOKEN_LIFE)
        headers = {"Authorization": token}
        try:
            response = await self._client.request(
                method, path, params={"api-version": _API_VERSION}, headers=headers, json=body
            )
        except httpx.HTTPError as error:
            raise findings(ConnectEvidence(self._address, innermost(error)))[0] from error
        _check(response, asker, self._address)
        return response.json()


def _check(response: httpx.Response, asker: Identity, address: str) -> None:
    if response.is_success:
        return
    words = f"{response.status_code} {response.text[:300]}"
    match response.status_code:
        case 401 | 403:
            raise Problem(TOKEN_REFUSED, words, identity=asker, reason=_status(response.status_code))
        case 404:
            raise Problem(DEVICE_UNKNOWN, words, device=asker.device)
        case status:
            raise Problem(CLOUD_UNREACHABLE, words, address=address, reason=_status(status))


def _status(status: int) -> Words:
    return Words(f"it answered with HTTP status {status}", f"HTTP 状態 {status} が返りました")


def innermost(error: BaseException) -> str:
    """The words of the first cause: libraries wrap what the system said in layers of their own."""
    while True:
        inner = error.exceptions[0] if isinstance(error, BaseExceptionGroup) else error.__cause__ or error.__context__
        if inner is None:
            return str(error) or type(error).__name__
        error = inner
