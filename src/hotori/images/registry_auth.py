"""How a client shows its credential to a registry: Basic, or a token fetched with Basic (contract 4)."""

from __future__ import annotations

import base64
import re
from collections.abc import AsyncGenerator, Mapping

import httpx

from hotori.model.manifest import RegistryCredential

_PARAMETER = re.compile(r'(\w+)="([^"]*)"')


class RegistryAuth(httpx.Auth):
    """Answers the registry's challenge. The password goes to the registry itself, or to the token server it names."""

    def __init__(self, host: str, credential: RegistryCredential | None) -> None:
        self._host = host
        self._basic = _basic(credential)
        self._header = self._basic

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        # Through a URL, since one leaves out the port that its scheme has anyway.
        own = request.url.netloc == httpx.URL(f"{request.url.scheme}://{self._host}").netloc
        if own and self._header:
            request.headers["Authorization"] = self._header
        response = yield request
        scheme, parameters = parse_challenge(response.headers.get("WWW-Authenticate", ""))
        if response.status_code != 401 or not own or scheme != "bearer" or "realm" not in parameters:
            return
        answer = yield self._token_request(parameters)
        await answer.aread()
        token = answer.json() if answer.status_code == 200 else {}
        if text := token.get("token") or token.get("access_token"):
            self._header = f"Bearer {text}"
            request.headers["Authorization"] = self._header
            yield request

    def _token_request(self, parameters: Mapping[str, str]) -> httpx.Request:
        query = {name: parameters[name] for name in ("service", "scope") if name in parameters}
        headers = {"Authorization": self._basic} if self._basic else {}
        return httpx.Request("GET", parameters["realm"], params=query, headers=headers)


def parse_challenge(header: str) -> tuple[str, dict[str, str]]:
    """`Bearer realm="…",service="…"` as its scheme in lower case and its parameters."""
    scheme, _, rest = header.strip().partition(" ")
    return scheme.lower(), dict(_PARAMETER.findall(rest))


def _basic(credential: RegistryCredential | None) -> str | None:
    if credential is None:
        return None
    text = f"{credential.username}:{credential.password.reveal()}"
    return f"Basic {base64.b64encode(text.encode()).decode()}"
