"""Where accepted messages go: the cloud's into its event log, an edge device's by routes into queues."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Protocol

from hotori.hub.envelope import FOR_EVER, Delivery
from hotori.hub.events import Events
from hotori.hub.promise import Promise
from hotori.hub.queues import Arrival, Queues, input_endpoint, upstream_endpoint
from hotori.model.identity import Identity
from hotori.model.message import Message
from hotori.routing.endpoint import ModuleInput, Upstream
from hotori.routing.router import Destination, Router

_MOST_PLANS = 4096


class Intake(Protocol):
    """Takes responsibility for messages. Their senders and times are stamped."""

    def enter(self, message: Message) -> Promise:
        """Begin to take a message; the promise is done once it is durable."""
        ...

    def enter_each(self, messages: Sequence[Message]) -> Sequence[tuple[Promise, int]]:
        """Begin to take messages in this order: promises, each with how many of them it is for."""
        ...


class EventIntake:
    """The cloud's: everything goes into the event log."""

    def __init__(self, events: Events) -> None:
        self._events = events

    def enter(self, message: Message) -> Promise:
        return self._events.enter(message)

    def enter_each(self, messages: Sequence[Message]) -> Sequence[tuple[Promise, int]]:
        return ((self._events.enter(*messages), len(messages)),)


class RoutingIntake:
    """An edge device's: the router decides. `router` may be replaced at any time.

    A message that no route takes is dropped, and counted by the queues (contract 5.3).
    """

    def __init__(self, router: Router, queues: Queues) -> None:
        self.router = router
        self._queues = queues
        self._plans: dict[int, _Plan] = {}

    def enter(self, message: Message) -> Promise:
        return self.enter_each((message,))[0][0]

    def enter_each(self, messages: Sequence[Message]) -> Sequence[tuple[Promise, int]]:
        promises: list[tuple[Promise, int]] = []
        arrivals: list[Arrival] = []
        for destinations, run in self._ways(messages):
            if destinations:
                arrivals += self._plan_of(destinations).arrivals(run)
                continue
            promises += self._enter(arrivals)
            arrivals = []
            promises += [(self._enter_unrouted(message), 1) for message in run]
        return [*promises, *self._enter(arrivals)] if promises else self._enter(arrivals)

    def _ways(self, messages: Sequence[Message]) -> Iterator[tuple[tuple[Destination, ...], list[Message]]]:
        """Messages that follow one another and go the same way, with that way."""
        router, first = self.router, messages[0]
        sender, output, route = first.sender, first.output, router.choice_of(first).route
        module = sender and sender.module
        way = route(first)
        run: list[Message] = []
        for message in messages:
            if message.sender is not sender or message.output != output:
                sender = message.sender
                if message.output != output or (sender and sender.module) != module:
                    output, module, route = message.output, sender and sender.module, router.choice_of(message).route
            if (destinations := route(message)) is not way:
                if run:
                    yield way, run
                way, run = destinations, []
            run.append(message)
        yield way, run

    def _enter(self, arrivals: Sequence[Arrival]) -> Sequence[tuple[Promise, int]]:
        return self._queues.enter_each(arrivals) if arrivals else ()

    def _enter_unrouted(self, message: Message) -> Promise:
        assert message.sender is not None
        return self._queues.submit_unrouted(message.sender)

    def route(self, message: Message, source: str) -> Promise | None:
        """As `enter`, for a message from another source than its sender's own; None where no route takes it."""
        destinations = self.router.route(message, source)
        return self._queues.enter(message, self._plan_of(destinations).deliveries(message)) if destinations else None

    def _plan_of(self, destinations: tuple[Destination, ...]) -> _Plan:
        """A router answers with the same tuple for all messages that go the same way, so what is made of it is kept."""
        plan = self._plans.get(id(destinations))
        if plan is not None and plan.destinations is destinations:
            return plan
        if len(self._plans) >= _MOST_PLANS:
            self._plans.clear()
        plan = self._plans[id(destinations)] = _Plan(destinations)
        return plan


class _Plan:
    """Destinations as deliveries. What one client says in the same second goes to the same ones.

    A message lives up to a second longer than its route says.
    """

    def __init__(self, destinations: tuple[Destination, ...]) -> None:
        self.destinations = destinations
        self._second = 0
        self._by_sender: dict[Identity | None, tuple[Delivery, ...]] = {}
        self._steps = [(_endpoint(one), one.priority, one.time_to_live, one.best) for one in destinations]
        self._asks_sender = any(not endpoint for endpoint, *_ in self._steps)

    def arrivals(self, run: Sequence[Message]) -> Iterable[Arrival]:
        """Messages of this way, with where those that followed one another go."""
        if not self._asks_sender:
            return ((self.deliveries(run[-1]), run),)
        return ((self.deliveries(own[-1]), own) for own in _by_sender(run))

    def deliveries(self, message: Message) -> tuple[Delivery, ...]:
        second = int(message.enqueued_at) + 1
        if second != self._second:
            self._second = second
            self._by_sender.clear()
        sender = message.sender if self._asks_sender else None
        return self._by_sender.get(sender) or self._address(sender, second)

    def _address(self, sender: Identity | None, second: int) -> tuple[Delivery, ...]:
        deliveries = self._by_sender[sender] = tuple(
            Delivery(endpoint or _up(sender), priority, FOR_EVER if life < 0 else float(second + life), route)
            for endpoint, priority, life, route in self._steps
        )
        return deliveries


def _by_sender(run: Sequence[Message]) -> Iterator[list[Message]]:
    return (list(own) for _, own in groupby(run, attrgetter("sender")))


def _up(sender: Identity | None) -> str:
    assert sender is not None
    return upstream_endpoint(sender)


def _endpoint(destination: Destination) -> str:
    """The name of a queue; empty for the one to the hub above, whose name has the sender in it."""
    match destination.endpoint:
        case ModuleInput(module, name):
            return input_endpoint(module, name)
        case Upstream():
            return ""
        case _:
            raise AssertionError("a route of an edge device leads to a module or up")
