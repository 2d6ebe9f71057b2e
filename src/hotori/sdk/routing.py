"""The client of those who say where the cloud's messages go: routes, endpoints, and questions about them."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from hotori.model.identity import EDGE_HUB, Identity
from hotori.model.json import Json, JsonObject
from hotori.problems import Problem
from hotori.problems.service import SERVICE_FAILED
from hotori.sdk.service import ServiceClient


@dataclass(frozen=True, slots=True)
class RoutingClient:
    """Speaks through a service client, and raises what that raises."""

    service: ServiceClient

    async def routing(self) -> JsonObject:
        """`routes` with their accounts, `endpoints`, `fallback`, `unrouted`."""
        return _object(await self.service.ask("GET", "/routing"))

    async def set_fallback(self, fallback: bool) -> None:
        """Whether messages that no route takes go to the event log."""
        await self.service.ask("PATCH", "/routing", {"fallback": fallback})

    async def explain(self, message: JsonObject) -> JsonObject:
        """Where the cloud would send a message, and why. Raises `message-unreadable`."""
        return _object(await self.service.ask("POST", "/routing/explain", message))

    async def put_route(self, name: str, text: str, priority: int | None = None) -> JsonObject:
        """Raises `route-invalid`, `endpoint-unknown`."""
        wanted: JsonObject = {"route": text} | ({} if priority is None else {"priority": priority})
        return _object(await self.service.ask("PUT", f"/routing/routes/{_part(name)}", wanted))

    async def delete_route(self, name: str) -> None:
        """Raises `route-unknown`."""
        await self.service.ask("DELETE", f"/routing/routes/{_part(name)}")

    async def put_endpoint(self, name: str, document: JsonObject) -> JsonObject:
        """Raises `endpoint-invalid`."""
        return _object(await self.service.ask("PUT", f"/routing/endpoints/{_part(name)}", document))

    async def delete_endpoint(self, name: str) -> None:
        """Raises `endpoint-unknown`, `endpoint-in-use`."""
        await self.service.ask("DELETE", f"/routing/endpoints/{_part(name)}")

    async def dead_letters(self, name: str) -> list[JsonObject]:
        """The oldest messages that an endpoint never took. Raises `endpoint-unknown`."""
        return _objects(await self.service.ask("GET", f"/routing/endpoints/{_part(name)}/deadletters"))

    async def retry_dead_letters(self, name: str) -> int:
        """Send them on their way again; how many."""
        answer = await self.service.ask("POST", f"/routing/endpoints/{_part(name)}/deadletters/retry")
        return int(answer["retried"])

    async def edge_routes(self, device: str) -> list[JsonObject]:
        """The routes that are in force on an edge device. Raises `device-offline`."""
        return _objects((await self._call(device, "ListRoutes", None)).get("routes"))

    async def explain_on_edge(self, device: str, message: JsonObject) -> JsonObject:
        """Where an edge device would send a message, and why. Raises `device-offline`."""
        return await self._call(device, "ExplainRoutes", {"message": message})

    async def _call(self, device: str, method: str, payload: Json) -> JsonObject:
        answer = await self.service.invoke(Identity(device, EDGE_HUB), method, payload)
        if answer.status != 200:
            raise Problem(SERVICE_FAILED, str(answer.payload), address=f"{device}/{EDGE_HUB}", status=answer.status)
        return _object(answer.payload)


def _part(name: str) -> str:
    return quote(name, safe="")


def _object(value: Json) -> JsonObject:
    return value if isinstance(value, dict) else {}


def _objects(value: Json) -> list[JsonObject]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
