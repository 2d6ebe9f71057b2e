"""The decision where a message goes.

A router will not deliver, store or count: it answers with endpoints.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from hotori.model.manifest import DEFAULT_TIME_TO_LIVE, HubConfig, RouteSpec
from hotori.model.message import Message, finder
from hotori.problems import Problem
from hotori.problems.manifest import ROUTE_INVALID
from hotori.routing.condition import Evaluate
from hotori.routing.endpoint import Endpoint, ModuleInput, Sinks, Upstream
from hotori.routing.facts import Facts
from hotori.routing.fault import RouteFaultError
from hotori.routing.grammar import Route, parse_route
from hotori.routing.source import TWIN_CHANGES, message_source

__all__ = [
    "TWIN_CHANGES",
    "CompiledRoute",
    "Destination",
    "Endpoint",
    "ModuleInput",
    "Router",
    "Upstream",
    "message_source",
]

_Values: TypeAlias = "str | tuple[str | None, ...] | None"
"""Of the properties that a choice asks for: of one alone, or of several."""
_MOST_SOURCES = 4096
_MOST_VALUES = 1024
_LONGEST_VALUES = 256


@dataclass(frozen=True, slots=True)
class Destination:
    """One copy of a message: to an endpoint, by the best of the routes that lead there.

    `priority` 0 goes first; `time_to_live` is in seconds, negative for ever; `routes` are all that matched,
    the one that decided first.
    """

    endpoint: Endpoint
    priority: int
    time_to_live: int
    routes: tuple[str, ...]

    @property
    def best(self) -> str:
        """The route that decided."""
        return self.routes[0]


@dataclass(frozen=True, slots=True)
class CompiledRoute:
    """A route with its name and the time its messages live."""

    spec: RouteSpec
    route: Route
    time_to_live: int


class Router:
    """Routes that were understood, asked once a message."""

    def __init__(self, routes: Iterable[CompiledRoute] = ()) -> None:
        self.routes = tuple(routes)
        self._by_source: dict[str, Choice] = {}
        self._by_speaker: dict[tuple[str | None, str | None], Choice] = {}

    @classmethod
    def compile(cls, config: HubConfig | Mapping[str, RouteSpec], at: str = "", sinks: Sinks = Sinks.EDGE) -> Router:
        """Understand every route, or raise `route-invalid` for the first that is wrong.

        `at` is the JSON pointer of the configuration, for the problem's words.
        """
        router, problems = cls.compile_each(config, at, sinks)
        if problems:
            raise problems[0]
        return router

    @classmethod
    def compile_each(
        cls, config: HubConfig | Mapping[str, RouteSpec], at: str = "", sinks: Sinks = Sinks.EDGE
    ) -> tuple[Router, list[Problem]]:
        """A router of the routes that are right, and a problem `route-invalid` for each that is not."""
        specs, lives = (
            (config.routes, config.time_to_live) if isinstance(config, HubConfig) else (config, DEFAULT_TIME_TO_LIVE)
        )
        routes: list[CompiledRoute] = []
        problems: list[Problem] = []
        for spec in specs.values():
            try:
                routes.append(CompiledRoute(spec, parse_route(spec.text, sinks), spec.time_to_live or lives))
            except RouteFaultError as fault:
                problems.append(_problem(spec, fault, at))
        return cls(routes), problems

    def route(self, message: Message, source: str) -> tuple[Destination, ...]:
        """Every endpoint that the message goes to, once each; none where no route matches.

        `source` comes from `message_source`, or is `TWIN_CHANGES`.
        """
        return self.choice(source).route(message)

    def choice(self, source: str) -> Choice:
        """The routes that messages of a source may take, for those who have many of them."""
        choice = self._by_source.get(source)
        return self._choose(source) if choice is None else choice

    def choice_of(self, message: Message) -> Choice:
        """Those of a client's message: its sender's and output's."""
        sender = message.sender
        speaker = (sender.module if sender is not None else None, message.output)
        choice = self._by_speaker.get(speaker)
        if choice is None:
            choice = self.choice(message_source(message))
            if len(self._by_speaker) < _MOST_SOURCES:
                self._by_speaker[speaker] = choice
        return choice

    def _choose(self, source: str) -> Choice:
        folded = source.lower()
        choice = Choice(tuple(compiled for compiled in self.routes if folded.startswith(compiled.route.prefix)))
        if len(self._by_source) < _MOST_SOURCES:
            self._by_source[source] = choice
        return choice


class Choice:
    """The routes of one source. A set of them is a number: bit n stands for route n.

    Where only application properties decide, the answer is remembered by their values.
    """

    def __init__(self, routes: tuple[CompiledRoute, ...]) -> None:
        self._unconditional = 0
        self._conditions: list[tuple[int, Evaluate]] = []
        self._asked = _asked(routes)
        self._by_values: dict[_Values, tuple[Destination, ...]] = {}
        self._routes = routes
        self._decided: dict[int, tuple[Destination, ...]] = {}
        for at, compiled in enumerate(routes):
            if compiled.route.condition is None:
                self._unconditional |= 1 << at
            else:
                self._conditions.append((1 << at, compiled.route.condition.evaluate))

    def route(self, message: Message) -> tuple[Destination, ...]:
        """Where a message of the source goes."""
        asked = self._asked
        if asked is None:
            return self._decide(message)
        find = finder(message.properties)
        values = find(asked[0]) if len(asked) == 1 else tuple([find(name) for name in asked])
        decided = self._by_values.get(values)
        return self._remember(message, values) if decided is None else decided

    def _remember(self, message: Message, values: _Values) -> tuple[Destination, ...]:
        decided = self._decide(message)
        if len(self._by_values) >= _MOST_VALUES:
            self._by_values.clear()
        several = values if isinstance(values, tuple) else (values,)
        if sum(len(value) for value in several if value) <= _LONGEST_VALUES:
            self._by_values[values] = decided
        return decided

    def _decide(self, message: Message) -> tuple[Destination, ...]:
        facts = Facts(message)
        holding = self._unconditional
        for bit, evaluate in self._conditions:
            if evaluate(facts) is True:
                holding |= bit
        return self._destinations(holding)

    def _destinations(self, holding: int) -> tuple[Destination, ...]:
        """Where the routes of a set lead; the same tuple every time, as long as it is remembered."""
        decided = self._decided.get(holding)
        if decided is None:
            decided = _destinations(compiled for at, compiled in enumerate(self._routes) if holding >> at & 1)
            if len(self._decided) < _MOST_SOURCES:
                self._decided[holding] = decided
        return decided


def _asked(routes: Iterable[CompiledRoute]) -> tuple[str, ...] | None:
    """The application properties that decide where all these routes lead; None where something else does too."""
    names: set[str] = set()
    for compiled in routes:
        condition = compiled.route.condition
        if condition is not None and (asked := condition.asked) is not None:
            names |= asked
        elif condition is not None:
            return None
    return tuple(sorted(names))


def _destinations(routes: Iterable[CompiledRoute]) -> tuple[Destination, ...]:
    found: dict[Endpoint, list[CompiledRoute]] = {}
    for compiled in routes:
        found.setdefault(compiled.route.endpoint, []).append(compiled)
    return tuple(_destination(endpoint, group) for endpoint, group in found.items())


def _destination(endpoint: Endpoint, routes: list[CompiledRoute]) -> Destination:
    """The route of the highest priority decides; of two such, the one whose messages live longer."""
    best = min(routes, key=lambda compiled: (compiled.spec.priority, -_length(compiled.time_to_live)))
    others = (compiled.spec.name for compiled in routes if compiled is not best)
    return Destination(endpoint, best.spec.priority, best.time_to_live, (best.spec.name, *others))


def _length(time_to_live: int) -> float:
    return float("inf") if time_to_live < 0 else time_to_live


def _problem(spec: RouteSpec, fault: RouteFaultError, at: str) -> Problem:
    line, caret = _line_of(spec.text, fault.at)
    return Problem(
        ROUTE_INVALID,
        line,
        caret,
        name=spec.name,
        pointer=f"{at}/routes/{spec.name}",
        column=fault.at + 1,
        reason=fault.reason,
    )


def _line_of(text: str, at: int) -> tuple[str, str]:
    """The line of the text that has the fault, and a mark below its place."""
    begin = text.rfind("\n", 0, at) + 1
    line = text[begin:].partition("\n")[0]
    return line, " " * (at - begin) + "^"
