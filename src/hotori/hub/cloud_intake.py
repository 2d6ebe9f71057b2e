"""Where the cloud's messages go: its routes decide, and what none takes goes to the event log."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from hotori.hub.cloud_routes import CloudRoutes
from hotori.hub.endpoint_spec import queue_of
from hotori.hub.envelope import FOR_EVER, Delivery
from hotori.hub.events import Events
from hotori.hub.promise import Promise
from hotori.hub.queues import Queues
from hotori.model.message import Message
from hotori.routing.endpoint import EventLog, NamedEndpoint
from hotori.routing.router import Destination
from hotori.routing.source import TWIN_CHANGES, message_source

_OWN_SOURCES = {"twinChangeEvents": TWIN_CHANGES}
"""What the hub tells of by itself has a source of its own, by its system property (contract 1.6)."""


def cloud_source(message: Message) -> str:
    """The source of a message as the cloud's routes name it: as on an edge device, and `/deviceLifecycleEvents` and
    `/deviceConnectionStateEvents`."""
    own = message.system.get("iothub-message-source")
    return message_source(message) if own is None else _OWN_SOURCES.get(own, f"/{own}/")


class CloudIntake:
    """A message is acknowledged once every log that it goes to has it."""

    def __init__(self, events: Events, queues: Queues, routes: CloudRoutes) -> None:
        self._events, self._queues, self._routes = events, queues, routes

    def enter(self, message: Message) -> Promise:
        routes = self._routes
        if not routes.router.routes and routes.fallback:
            return self._events.enter(message)
        destinations = routes.router.route(message, cloud_source(message))
        if not destinations:
            return self._unrouted(message)
        return self._enter(message, destinations)

    def enter_each(self, messages: Sequence[Message]) -> Sequence[tuple[Promise, int]]:
        if not self._routes.router.routes and self._routes.fallback:
            return ((self._events.enter(*messages), len(messages)),)
        return [(self.enter(message), 1) for message in messages]

    def _unrouted(self, message: Message) -> Promise:
        if self._routes.fallback or message.sender is None:
            return self._events.enter(message)
        return self._queues.submit_unrouted(message.sender)

    def _enter(self, message: Message, destinations: tuple[Destination, ...]) -> Promise:
        deliveries = tuple(
            self._delivery(each, each.endpoint.name)
            for each in destinations
            if isinstance(each.endpoint, NamedEndpoint)
        )
        logged = any(isinstance(each.endpoint, EventLog) for each in destinations)
        if not logged:
            return self._queues.enter(message, deliveries)
        if not deliveries:
            return self._events.enter(message)
        return _both(self._events.submit(message), self._queues.submit(message, deliveries))

    def _delivery(self, destination: Destination, name: str) -> Delivery:
        return Delivery(queue_of(self._routes.endpoint(name)), destination.priority, FOR_EVER, destination.best)


def _both(first: asyncio.Future[int], second: asyncio.Future[int]) -> asyncio.Future[int]:
    """Done with the first's result when both are; failed when either is."""
    both: asyncio.Future[int] = first.get_loop().create_future()

    def settle(_: asyncio.Future[int]) -> None:
        if both.done() or not (first.done() and second.done()):
            return
        for each in (first, second):
            if each.cancelled():
                both.cancel()
                return
            if (error := each.exception()) is not None:
                both.set_exception(error)
                return
        both.set_result(first.result())

    first.add_done_callback(settle)
    second.add_done_callback(settle)
    return both
