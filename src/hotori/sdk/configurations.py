"""Deployments to many devices, for tools."""

from __future__ import annotations

from urllib.parse import quote

from hotori.model.json import JsonObject
from hotori.sdk.service import ServiceClient


class ConfigurationClient:
    """Configurations (contract 2.7) and their rollouts. Raises `configuration-unknown` where an id names none."""

    def __init__(self, service: ServiceClient) -> None:
        self._service = service

    async def create(self, name: str, document: JsonObject) -> JsonObject:
        """Raises `configuration-exists`, and what is wrong with the document."""
        created: JsonObject = await self._service.ask("PUT", _path(name), document)
        return created

    async def all(self) -> list[JsonObject]:
        """Without the results of their metrics."""
        found: list[JsonObject] = await self._service.ask("GET", "/configurations")
        return found

    async def get(self, name: str) -> JsonObject:
        """With the results of its metrics, and the digests of its images."""
        found: JsonObject = await self._service.ask("GET", _path(name))
        return found

    async def delete(self, name: str) -> None:
        await self._service.ask("DELETE", _path(name), headers={"If-Match": "*"})

    async def rollout(self, name: str) -> JsonObject:
        """How it goes: `phase`, `wave`, `reason`, and the health of every device that has it."""
        found: JsonObject = await self._service.ask("GET", f"{_path(name)}/rollout")
        return found

    async def change_rollout(self, name: str, action: str, reason: str | None = None) -> JsonObject:
        """`action` is pause, resume or rollback. Raises `rollout-not-so`."""
        body: JsonObject = {"action": action, **({"reason": reason} if reason else {})}
        changed: JsonObject = await self._service.ask("POST", f"{_path(name)}/rollout", body)
        return changed

    async def effective(self, device: str) -> JsonObject:
        """What a device should have, and the configuration that every value is from. Raises `device-unknown`."""
        found: JsonObject = await self._service.ask("GET", f"/devices/{quote(device, safe='')}/effectiveConfiguration")
        return found


def _path(name: str) -> str:
    return f"/configurations/{quote(name, safe='')}"
