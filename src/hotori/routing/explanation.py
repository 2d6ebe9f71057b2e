"""Why a message goes where it goes: every route with the value of each part of its condition.

The slow path beside `Router.route`: it asks the same closures, one after another, and will not decide anything
itself. What it says a message does is what the router does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from hotori.model.json import Json, JsonObject
from hotori.model.message import Message
from hotori.routing.condition import Operand
from hotori.routing.endpoint import Endpoint
from hotori.routing.facts import Facts
from hotori.routing.router import CompiledRoute, Destination, Router
from hotori.routing.source import message_source
from hotori.routing.value import Lack, Value

_WHOLE = 1e15
"""Whole numbers below are written without a fraction."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a condition as it is written, its value for this message, and the parts that it is made of."""

    text: str
    value: Value
    parts: tuple[Part, ...] = ()

    def document(self) -> JsonObject:
        own: JsonObject = {"text": self.text, "value": written_value(self.value)}
        return own | ({"parts": [part.document() for part in self.parts]} if self.parts else {})

    def lines(self, depth: int = 0) -> Iterator[tuple[int, str, str]]:
        """Depth, text and value of this part and of those below that have something to tell."""
        yield depth, self.text, written_value(self.value)
        for part in self.parts:
            yield from part.lines(depth + 1)


@dataclass(frozen=True, slots=True)
class RouteVerdict:
    """What one route makes of a message. `condition` is None where it has none, or its source does not match.

    `won` says that its endpoint gets the message on this route's terms: it is the best of those that lead there.
    """

    name: str
    text: str
    endpoint: Endpoint
    priority: int
    time_to_live: int
    source_matches: bool
    condition: Part | None
    matches: bool
    won: bool

    def document(self) -> JsonObject:
        return {
            "name": self.name,
            "route": self.text,
            "endpoint": str(self.endpoint),
            "priority": self.priority,
            "timeToLiveSecs": self.time_to_live,
            "sourceMatches": self.source_matches,
            "condition": self.condition.document() if self.condition else None,
            "matches": self.matches,
            "won": self.won,
        }


@dataclass(frozen=True, slots=True)
class Explanation:
    """One message before all routes: where it comes from, what each makes of it, where it goes."""

    source: str
    verdicts: Sequence[RouteVerdict]
    destinations: Sequence[Destination]

    def document(self) -> JsonObject:
        return {
            "source": self.source,
            "routes": [verdict.document() for verdict in self.verdicts],
            "endpoints": [_destination(destination) for destination in self.destinations],
        }


def explain(router: Router, message: Message, source: str | None = None) -> Explanation:
    """Ask every route. `source` is where the message comes from, unless its sender says that."""
    source = source or message_source(message)
    destinations = router.route(message, source)
    facts = Facts(message)
    return Explanation(
        source, [_verdict(compiled, facts, source, destinations) for compiled in router.routes], destinations
    )


def _verdict(compiled: CompiledRoute, facts: Facts, source: str, destinations: Sequence[Destination]) -> RouteVerdict:
    spec, route = compiled.spec, compiled.route
    source_matches = source.lower().startswith(route.prefix)
    condition = _part(route.condition.operand, spec.text, facts) if route.condition and source_matches else None
    found = next((each for each in destinations if spec.name in each.routes), None)
    return RouteVerdict(
        name=spec.name,
        text=spec.text,
        endpoint=route.endpoint,
        priority=spec.priority,
        time_to_live=compiled.time_to_live,
        source_matches=source_matches,
        condition=condition,
        matches=found is not None,
        won=found is not None and found.best == spec.name,
    )


def _part(operand: Operand, text: str, facts: Facts) -> Part:
    """Literals say nothing that their text does not say: they are left out."""
    parts = tuple(_part(part, text, facts) for part in operand.parts if not part.literal)
    return Part(text[operand.at : operand.end], operand.evaluate(facts), parts)


def _destination(destination: Destination) -> JsonObject:
    routes: list[Json] = list(destination.routes)
    return {
        "endpoint": str(destination.endpoint),
        "route": destination.best,
        "priority": destination.priority,
        "timeToLiveSecs": destination.time_to_live,
        "routes": routes,
    }


def written_value(value: Value) -> str:
    """A value as a route would write it: 'text', 21.5, true, null, undefined; and object."""
    match value:
        case Lack():
            return value.value
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            escaped = value.replace("\\", "\\\\").replace("'", "\\'")
            return f"'{escaped}'"
        case _:
            whole = abs(value) < _WHOLE and value == int(value)
            return str(int(value)) if whole else repr(float(value))
