"""Where accepted messages go: the cloud's into its event log, an edge device's by routes into queues."""

from __future__ import annotations

import asyncio
from typing import Protocol

from hotori.hub.envelope import FOR_EVER, Delivery
from hotori.hub.events import Events
from hotori.hub.queues import Queues, input_endpoint, upstream_endpoint
from hotori.model.message import Message
from hotori.routing.endpoint import ModuleInput, Upstream
from hotori.routing.router import Destination, Router
from hotori.routing.source import message_source


class Intake(Protocol):
    """Takes responsibility for messages."""

    def submit(self, message: Message) -> asyncio.Future[int]:
        """Begin to take a message; the future is done once it is durable. Its sender and time are stamped."""
        ...


class EventIntake:
    """The cloud's: everything goes into the event log."""

    def __init__(self, events: Events) -> None:
        self._events = events

    def submit(self, message: Message) -> asyncio.Future[int]:
        return self._events.submit(message)


class RoutingIntake:
    """An edge device's: the router decides. `router` may be replaced at any time.

    A message that no route takes is dropped, and counted by the queues (contract 5.3).
    """

    def __init__(self, router: Router, queues: Queues) -> None:
        self.router = router
        self._queues = queues

    def submit(self, message: Message) -> asyncio.Future[int]:
        routed = self.route(message, message_source(message))
        if routed is not None:
            return routed
        assert message.sender is not None
        return self._queues.unrouted.submit(message.sender)

    def route(self, message: Message, source: str) -> asyncio.Future[int] | None:
        """As `submit`, for a message from another source than its sender's own; None where no route takes it."""
        destinations = self.router.route(message, source)
        if not destinations:
            return None
        return self._queues.submit(message, tuple(_delivery(message, destination) for destination in destinations))


def _delivery(message: Message, destination: Destination) -> Delivery:
    forever = destination.time_to_live < 0
    expires = FOR_EVER if forever else message.enqueued_at + destination.time_to_live
    return Delivery(_endpoint(message, destination), destination.priority, expires, destination.routes[0])


def _endpoint(message: Message, destination: Destination) -> str:
    match destination.endpoint:
        case ModuleInput(module, name):
            return input_endpoint(module, name)
        case Upstream():
            assert message.sender is not None
            return upstream_endpoint(message.sender)
