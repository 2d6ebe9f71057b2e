"""All endpoints of the cloud at work: a worker for each, made and ended as they are made and deleted."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import httpx

from hotori.hub.cloud_routes import CloudRoutes
from hotori.hub.endpoint_spec import EndpointSpec, StorageSpec, dead_queue_of, hidden, queue_of
from hotori.hub.endpoint_worker import BACKOFF, EndpointWorker
from hotori.hub.envelope import Delivery
from hotori.hub.lane import Item
from hotori.hub.queues import Queues
from hotori.hub.storage_target import StorageTarget
from hotori.hub.target import Target
from hotori.hub.webhook_target import TIMEOUT, WebhookTarget
from hotori.model.connection_string import StorageConnection
from hotori.model.json import JsonObject
from hotori.model.message import Message
from hotori.net.tls import client_context
from hotori.problems import Problem
from hotori.sdk.backoff import Backoff
from hotori.sdk.storage import StorageClient

StorageFactory = Callable[[], StorageClient]
"""A client for the cloud's own object store."""


@dataclass(frozen=True, slots=True)
class EndpointRules:
    """How patient the workers are, and how they draw lots and tell the time."""

    clock: Callable[[], float] = time.time
    chance: Callable[[], float] = random.random
    backoff: Backoff = BACKOFF


class Endpoints:
    """Follows `routes.endpoints`. `start` before use; what waits stays in the queues after `close`."""

    def __init__(
        self,
        hub: str,
        routes: CloudRoutes,
        queues: Queues,
        own_storage: StorageFactory,
        rules: EndpointRules = EndpointRules(),
    ) -> None:
        self.routes = routes
        self.queues = queues
        self._hub = hub
        self._own_storage, self._rules = own_storage, rules
        self._workers: dict[str, EndpointWorker] = {}
        routes.watchers.append(self._follow)

    async def start(self) -> None:
        await self._follow()

    async def close(self) -> None:
        for worker in self._workers.values():
            await worker.close()
        self._workers.clear()

    def document(self, spec: EndpointSpec) -> JsonObject:
        """The endpoint without its secrets, what waits for it, and why it does not take it."""
        counters = self.queues.queue(queue_of(spec)).counters
        problem = self.problem(spec.name)
        return {
            **spec.document(hidden),
            "delivered": counters.delivered,
            "pending": counters.pending,
            "deadLetters": len(self.queues.queue(dead_queue_of(spec))),
            "problem": None if problem is None else problem.cause(),
        }

    def problem(self, name: str) -> Problem | None:
        """Why an endpoint does not take messages; None while it does."""
        worker = self._workers.get(name)
        return worker.problem if worker else None

    async def dead_letters(self, spec: EndpointSpec, limit: int) -> list[Message]:
        """The oldest that the endpoint never took; they stay where they are."""
        return [message for _, message in await self._dead(spec, limit)]

    async def retry_dead_letters(self, spec: EndpointSpec) -> int:
        """Send all of them on their way again, with a new time of acceptance; how many."""
        queue, now = self.queues.queue(dead_queue_of(spec)), self._rules.clock()
        found = await self._dead(spec, len(queue), keep=False)
        for item, message in found:
            again = Message(message.body, message.properties, message.system, message.sender, message.output, now)
            await self.queues.submit(again, (Delivery(queue_of(spec), 0),))
            queue.deliver(item)
        return len(found)

    async def _dead(self, spec: EndpointSpec, limit: int, *, keep: bool = True) -> list[tuple[Item, Message]]:
        queue = self.queues.queue(dead_queue_of(spec))
        found: list[tuple[Item, Message]] = []
        while len(found) < limit and (item := queue.take(self._rules.clock())) is not None:
            message = await self.queues.load(item)
            if message is None:
                queue.drop(item)
            else:
                found.append((item, message))
        if keep:
            for item, _ in found:
                queue.give_back(item)
        return found

    async def _follow(self) -> None:
        """Bring the workers in line with the specifications."""
        wanted: Mapping[str, EndpointSpec] = dict(self.routes.endpoints)
        for name, worker in list(self._workers.items()):
            if wanted.get(name) != worker.spec:
                del self._workers[name]
                await worker.close()
                if name not in wanted:
                    await self.queues.forget(queue_of(worker.spec))
        for name, spec in wanted.items():
            if name not in self._workers:
                self._workers[name] = self._begin(spec)

    def _begin(self, spec: EndpointSpec) -> EndpointWorker:
        rules = self._rules
        worker = EndpointWorker(spec, self._target(spec), self.queues, rules.clock, rules.chance, rules.backoff)
        worker.start()
        return worker

    def _target(self, spec: EndpointSpec) -> Target:
        if isinstance(spec, StorageSpec):
            own = spec.connection is None
            client = self._own_storage() if own else _storage_client(spec)
            return StorageTarget(spec, self._hub, client)
        context = client_context(None)
        http = httpx.AsyncClient(verify=context, timeout=TIMEOUT, trust_env=False, follow_redirects=False)
        return WebhookTarget(spec, self._hub, http, self._rules.clock)


def _storage_client(spec: StorageSpec) -> StorageClient:
    assert spec.connection is not None
    return StorageClient(StorageConnection.parse(spec.connection.reveal()))
