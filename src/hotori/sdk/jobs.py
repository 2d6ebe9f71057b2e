"""Jobs over many devices, for tools."""

from __future__ import annotations

from urllib.parse import quote

from hotori.model.json import JsonObject
from hotori.sdk.service import ServiceClient

OVER = ("completed", "failed", "cancelled")
"""The states in which nothing more is done."""


class JobClient:
    """Jobs (contract 2.6). Raises `job-unknown` where an id names none."""

    def __init__(self, service: ServiceClient) -> None:
        self._service = service

    async def create(self, name: str, request: JsonObject) -> JsonObject:
        """Schedule a JobRequest. Raises `job-exists`, `query-invalid`, and what is wrong with the request."""
        created: JsonObject = await self._service.ask("PUT", _path(name), request)
        return created

    async def get(self, name: str) -> JsonObject:
        """How it stands, with its numbers."""
        found: JsonObject = await self._service.ask("GET", _path(name))
        return found

    async def all(self) -> list[JsonObject]:
        """Every job that is kept, in the order of their ids."""
        return await self._service.pages("GET", "/jobs/v2/query")

    async def devices(self, name: str) -> list[JsonObject]:
        """What became of it on every device."""
        quoted = name.replace("'", "''")
        return await self._service.query(" ".join(["SELECT * FROM devices.jobs WHERE jobId =", f"'{quoted}'"]))

    async def cancel(self, name: str) -> JsonObject:
        """What was not begun is not done; one that is over stays as it is."""
        found: JsonObject = await self._service.ask("POST", f"{_path(name)}/cancel")
        return found


def _path(name: str) -> str:
    return f"/jobs/v2/{quote(name, safe='')}"
