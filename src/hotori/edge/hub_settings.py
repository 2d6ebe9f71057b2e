"""What `$edgeHub` is told to do, and what it reports (contract 3.3, 4.2)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from hotori import __version__
from hotori.edge.own_twin import key_safe
from hotori.edge.report import problem_documents
from hotori.edge.times import iso_time
from hotori.hub.rates import ClientRates
from hotori.hub.store_limits import StoreLimits
from hotori.model.identity import EDGE_HUB, Identity
from hotori.model.json import JsonObject
from hotori.model.manifest import HubConfig, RouteSpec
from hotori.problems import Problem
from hotori.routing.router import Router

FIRST_ROUTES = {"upstream": RouteSpec("upstream", "FROM /messages/* INTO $upstream")}
"""What holds until the cloud says otherwise: everything goes up."""


@dataclass(frozen=True, slots=True)
class HubSettings:
    """The routes and limits in force, and what became of the last configuration.

    A route that is wrong stops no other one.
    """

    router: Router = field(default_factory=lambda: Router.compile(FIRST_ROUTES))
    limits: StoreLimits = field(default_factory=StoreLimits)
    rates: ClientRates = field(default_factory=ClientRates)
    version: int = 0
    code: int = 200
    problems: Sequence[Problem] = ()

    def configured(self, desired: JsonObject, version: int) -> HubSettings:
        """The settings after a change of desired. Nothing desired, or nothing readable, keeps the routes."""
        if not desired:
            return replace(self, version=version, code=200, problems=())
        try:
            config = HubConfig.parse(desired)
            router, problems = Router.compile_each(config)
        except Problem as problem:
            return replace(self, version=version, code=400, problems=(problem,))
        rates = ClientRates(config.client_messages, config.client_bytes)
        return HubSettings(router, StoreLimits.of(config), rates, version, 400 if problems else 200, tuple(problems))

    @property
    def description(self) -> str:
        if not self.problems:
            return ""
        faults = "; ".join(f"{problem.title()}. {problem.cause()}" for problem in self.problems)
        return f"Error while parsing desired properties: {faults}"


class Clients:
    """Who is, and was, connected to this hub; `changed` is called after every coming and going."""

    def __init__(self, clock: Callable[[], float], changed: Callable[[], None]) -> None:
        self._clock, self._changed = clock, changed
        self._entries: dict[str, JsonObject] = {}

    def presence(self, identity: Identity, connected: bool) -> None:
        """A watcher for the hub's sessions. A device that leaves is no longer listed; a module is."""
        if identity.module == EDGE_HUB:
            return
        name, now = key_safe(str(identity)), iso_time(self._clock())
        if connected:
            self._entries[name] = {"status": "Connected", "lastConnectedTimeUtc": now}
        elif identity.module is None:
            self._entries.pop(name, None)
        else:
            before = self._entries.get(name, {})
            self._entries[name] = {**before, "status": "Disconnected", "lastDisconnectedTimeUtc": now}
        self._changed()

    def document(self) -> JsonObject:
        return {name: dict(entry) for name, entry in self._entries.items()}


def hub_report(settings: HubSettings, clients: Clients, others: Sequence[Problem] = ()) -> JsonObject:
    """Reported properties of `$edgeHub`. `problems` is an addition of ours: of the settings, and `others`."""
    document: JsonObject = {
        "schemaVersion": "1.0",
        "version": {"version": __version__, "build": "", "commit": ""},
        "lastDesiredVersion": settings.version,
        "lastDesiredStatus": {"code": settings.code, "description": settings.description[:4000]},
        "clients": clients.document(),
    }
    if settings.problems or others:
        document["problems"] = problem_documents([*settings.problems, *others])
    return document
