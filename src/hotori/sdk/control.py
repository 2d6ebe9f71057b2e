"""A client of the socket that a running edge device opens for people on the device itself."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import quote

import httpx

from hotori.model.json import JsonObject
from hotori.problems import Problem
from hotori.problems.modules import DEVICE_NOT_RUNNING

_SECONDS = 60.0


class ControlClient:
    """`async with ControlClient(socket)`. Raises `device-not-running` where nobody answers there."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket
        transport = httpx.AsyncHTTPTransport(uds=str(socket))
        self._http = httpx.AsyncClient(transport=transport, base_url="http://device", timeout=_SECONDS)

    async def __aenter__(self) -> ControlClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def modules(self) -> list[JsonObject]:
        """The modules by name, with the members of the agent's report (contract 4.1)."""
        found: list[JsonObject] = (await self._ask("GET", "/modules")).json()
        return found

    async def report(self) -> JsonObject:
        """What the agent reports now."""
        found: JsonObject = (await self._ask("GET", "/report")).json()
        return found

    async def hub(self) -> JsonObject:
        """What the hub reports now, with its problems."""
        found: JsonObject = (await self._ask("GET", "/hub")).json()
        return found

    async def logs(self, module: str, **chosen: str) -> str:
        """`tail`, `since` and `until` as in contract 7.1. Raises `module-unknown`."""
        return (await self._ask("GET", f"/modules/{quote(module, safe='')}/logs", chosen)).text

    async def restart(self, module: str) -> None:
        """Raises `module-unknown`."""
        await self._ask("POST", f"/modules/{quote(module, safe='')}/restart")

    async def support_bundle(self, **chosen: str) -> bytes:
        """A zip file; `since`, `until`, `runtimeOnly`."""
        return (await self._ask("GET", "/support-bundle", chosen)).content

    async def _ask(self, method: str, path: str, query: Mapping[str, str] | None = None) -> httpx.Response:
        try:
            response = await self._http.request(method, path, params=query)
        except httpx.TransportError as error:
            raise Problem(DEVICE_NOT_RUNNING, str(error), socket=self._socket) from error
        if response.is_error:
            document: Any = response.json()
            raise Problem.from_document(document)
        return response
