"""Where a route can lead."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias


@dataclass(frozen=True, slots=True, order=True)
class Upstream:
    """The parent: the cloud, or the edge device above this one."""

    def __str__(self) -> str:
        return "$upstream"


@dataclass(frozen=True, slots=True, order=True)
class ModuleInput:
    """An input of a module on this device; it waits there if the module does not exist yet."""

    module: str
    input: str

    def __str__(self) -> str:
        return f"modules/{self.module}/inputs/{self.input}"


@dataclass(frozen=True, slots=True, order=True)
class EventLog:
    """The cloud's own log of events, which applications read."""

    def __str__(self) -> str:
        return "$events"


@dataclass(frozen=True, slots=True, order=True)
class NamedEndpoint:
    """An endpoint of the cloud that somebody made: a container of an object store, or a webhook."""

    name: str

    def __str__(self) -> str:
        return f"endpoint {self.name}"


Endpoint: TypeAlias = "Upstream | ModuleInput | EventLog | NamedEndpoint"


class Sinks(Enum):
    """Which endpoints the routes of a place may lead to."""

    EDGE = "an edge device"
    CLOUD = "the cloud"
