"""The methods that anyone with the right may call on `$edgeHub`: the one of contract 4.2, and about routes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from hotori.hub.queues import Queues
from hotori.hub.route_accounts import route_documents
from hotori.model.json import Json
from hotori.model.message_document import MessageDocumentError, read_message
from hotori.problems import Problem
from hotori.routing.explanation import explain
from hotori.routing.router import Router

Answer: TypeAlias = tuple[int, Json]


@dataclass(frozen=True, slots=True)
class HubMethods:
    """Answers calls. `router` gives the routes in force; `refresh_scope` reads the identities from the cloud again."""

    router: Callable[[], Router]
    queues: Queues
    refresh_scope: Callable[[], None]

    async def call(self, name: str, payload: Json) -> Answer:
        """Status and payload; never raises for what a caller can do wrong."""
        method = _METHODS.get(name.lower())
        if method is None:
            return 404, {"message": f"{name} is not a method of the hub; there are {', '.join(_NAMED)}"}
        return await method(self, payload)

    async def refresh_scope_cache(self, payload: Json) -> Answer:
        if not isinstance(payload, dict) or not isinstance(payload.get("deviceIds"), list):
            return 400, {"message": "deviceIds must be a list of identities"}
        self.refresh_scope()
        return 200, None

    async def list_routes(self, payload: Json) -> Answer:
        return 200, {"routes": route_documents(self.router(), self.queues.accounts())}

    async def explain_routes(self, payload: Json) -> Answer:
        try:
            message = read_message(payload.get("message") if isinstance(payload, dict) else None)
        except (MessageDocumentError, Problem) as error:
            return 400, {"message": str(error)}
        return 200, explain(self.router(), message).document()


_Method: TypeAlias = Callable[[HubMethods, Json], Awaitable[Answer]]
_NAMED: Mapping[str, _Method] = {
    "RefreshDeviceScopeIdentityCache": HubMethods.refresh_scope_cache,
    "ListRoutes": HubMethods.list_routes,
    "ExplainRoutes": HubMethods.explain_routes,
}
_METHODS = {name.lower(): method for name, method in _NAMED.items()}
