"""The routes and endpoints of the cloud: kept in records, changed one at a time, in force at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

import msgspec

from hotori.hub.endpoint_spec import EndpointSpec, read_spec
from hotori.model.json import JsonObject
from hotori.model.manifest import LOWEST_PRIORITY, RouteSpec
from hotori.model.secret import Secret
from hotori.problems import Problem
from hotori.problems.events import ENDPOINT_IN_USE, ENDPOINT_UNKNOWN, ROUTE_UNKNOWN
from hotori.routing.endpoint import NamedEndpoint, Sinks
from hotori.routing.router import CompiledRoute, Router
from hotori.store.records import Records

ROUTES, ENDPOINTS, SETTINGS = "routes", "endpoints", "routing"
_FALLBACK = "fallback"
FOR_EVER = -1
"""The life of a message on a route that does not say: the endpoint decides."""

Watcher: TypeAlias = Callable[[], Awaitable[None]]


class CloudRoutes:
    """`router` and `fallback` decide. Changes are checked as a whole before they are kept.

    With `fallback`, a message that no route takes goes to the event log, as it does where there are no routes.
    """

    def __init__(self, records: Records) -> None:
        self._records = records
        self._turn = asyncio.Lock()
        self._specs: dict[str, RouteSpec] = {}
        self.endpoints: dict[str, EndpointSpec] = {}
        self.router = Router()
        self.fallback = True
        self.watchers: list[Watcher] = []

    async def load(self) -> None:
        """Read what is kept. Raises the problems of records."""
        for record in await self._records.list(ENDPOINTS):
            self.endpoints[record.key] = read_spec(record.key, msgspec.json.decode(record.value))
        for record in await self._records.list(ROUTES):
            self._specs[record.key] = msgspec.json.decode(record.value, type=RouteSpec)
        setting = await self._records.get(SETTINGS, _FALLBACK)
        self.fallback = setting is None or setting.value == b"true"
        self.router, _ = _compiled(self._specs)

    def route(self, name: str) -> CompiledRoute:
        """Raises `route-unknown`."""
        found = next((compiled for compiled in self.router.routes if compiled.spec.name == name), None)
        if found is None:
            raise Problem(ROUTE_UNKNOWN, name=name)
        return found

    async def put_route(self, name: str, text: str, priority: int = LOWEST_PRIORITY) -> CompiledRoute:
        """Add or replace a route. Raises `route-invalid`, `endpoint-unknown`."""
        spec = RouteSpec(name, text, priority, FOR_EVER)
        async with self._turn:
            (compiled,) = Router.compile({name: spec}, sinks=Sinks.CLOUD).routes
            endpoint = compiled.route.endpoint
            if isinstance(endpoint, NamedEndpoint) and endpoint.name not in self.endpoints:
                raise Problem(ENDPOINT_UNKNOWN, name=endpoint.name)
            await self._records.put(ROUTES, name, msgspec.json.encode(spec))
            self._specs[name] = spec
            self.router, _ = _compiled(self._specs)
        return compiled

    async def delete_route(self, name: str) -> None:
        """Raises `route-unknown`."""
        async with self._turn:
            self.route(name)
            await self._records.delete(ROUTES, name)
            del self._specs[name]
            self.router, _ = _compiled(self._specs)

    def endpoint(self, name: str) -> EndpointSpec:
        """Raises `endpoint-unknown`."""
        if name not in self.endpoints:
            raise Problem(ENDPOINT_UNKNOWN, name=name)
        return self.endpoints[name]

    async def put_endpoint(self, name: str, document: JsonObject) -> EndpointSpec:
        """Add or replace an endpoint; the type of one that is there stays. Raises `endpoint-invalid`."""
        async with self._turn:
            spec = read_spec(name, document)
            await self._records.put(ENDPOINTS, name, msgspec.json.encode(spec.document(Secret.reveal)))
            self.endpoints[name] = spec
        await self._tell()
        return spec

    async def delete_endpoint(self, name: str) -> EndpointSpec:
        """Raises `endpoint-unknown`, and `endpoint-in-use` while a route leads there."""
        async with self._turn:
            spec = self.endpoint(name)
            used = [c.spec.name for c in self.router.routes if c.route.endpoint == NamedEndpoint(name)]
            if used:
                raise Problem(ENDPOINT_IN_USE, name=name, routes=", ".join(used))
            await self._records.delete(ENDPOINTS, name)
            del self.endpoints[name]
        await self._tell()
        return spec

    async def set_fallback(self, fallback: bool) -> None:
        """Whether a message that no route takes goes to the event log."""
        await self._records.put(SETTINGS, _FALLBACK, b"true" if fallback else b"false")
        self.fallback = fallback

    async def _tell(self) -> None:
        for watcher in self.watchers:
            await watcher()


def _compiled(specs: Mapping[str, RouteSpec]) -> tuple[Router, list[Problem]]:
    return Router.compile_each(specs, sinks=Sinks.CLOUD)
