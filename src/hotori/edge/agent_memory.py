"""What an agent remembers across its own restarts: attempts, last errors, and since when images are unused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import msgspec

from hotori.edge.endings import Ending
from hotori.model.json import JsonObject
from hotori.problems import Problem
from hotori.reconcile.restart import RestartState
from hotori.store.records import Records

_COLLECTION, _KEY = "agent", "memory"
_STATE = tuple(each.name for each in fields(RestartState) if each.name != "fresh")


@dataclass(frozen=True, slots=True)
class Failure:
    """The step of a module that failed last. What keeps a module from starting says more than its log."""

    problem: Problem
    at_start: bool = False


@dataclass(slots=True)
class ImageMemory:
    """`known` are references and digests that modules of this device had: no other image is ours to remove.

    `unused` are Unix seconds by image; `good` the references of the last deployment that worked as a whole.
    """

    known: set[str] = field(default_factory=set)
    unused: dict[str, float] = field(default_factory=dict)
    good: set[str] = field(default_factory=set)


@dataclass(slots=True)
class AgentMemory:
    """By module, except for the images'. A new deployment starts with none of the modules' past."""

    states: dict[str, RestartState] = field(default_factory=dict)
    failures: dict[str, Failure] = field(default_factory=dict)
    endings: dict[str, Ending] = field(default_factory=dict)
    images: ImageMemory = field(default_factory=ImageMemory)

    def forget_modules(self) -> None:
        self.states.clear()
        self.failures.clear()
        self.endings.clear()

    def document(self) -> JsonObject:
        """As it is kept."""
        document: Any = {
            "states": {name: _kept(state) for name, state in sorted(self.states.items())},
            "failures": {
                name: {"problem": failure.problem.document(), "at_start": failure.at_start}
                for name, failure in sorted(self.failures.items())
            },
            "endings": {
                name: {"at": ending.exited_at, "problems": [problem.document() for problem in ending.problems]}
                for name, ending in sorted(self.endings.items())
            },
            "images": {
                "known": sorted(self.images.known),
                "unused": dict(sorted(self.images.unused.items())),
                "good": sorted(self.images.good),
            },
        }
        return dict(document)

    def recall(self, document: Mapping[str, Any]) -> None:
        """Take up what was kept. The first attempt after the agent's start waits for nothing."""
        self.states |= {name: RestartState(**state, fresh=True) for name, state in document["states"].items()}
        for name, kept in document["failures"].items():
            self.failures[name] = Failure(Problem.from_document(kept["problem"]), kept["at_start"])
        for name, kept in document["endings"].items():
            found = tuple(Problem.from_document(problem) for problem in kept["problems"])
            self.endings[name] = Ending(kept["at"], found)
        images = document["images"]
        self.images = ImageMemory(set(images["known"]), dict(images["unused"]), set(images["good"]))


class MemoryStore:
    """Keeps the memory on disk; it is written when it has changed."""

    def __init__(self, records: Records) -> None:
        self._records, self._kept = records, b""

    async def load(self, memory: AgentMemory) -> None:
        if record := await self._records.get(_COLLECTION, _KEY):
            self._kept = record.value
            memory.recall(msgspec.json.decode(record.value))

    async def save(self, memory: AgentMemory) -> None:
        value = msgspec.json.encode(memory.document())
        if value != self._kept:
            await self._records.put(_COLLECTION, _KEY, value)
            self._kept = value


def _kept(state: RestartState) -> dict[str, float]:
    # Not `asdict`, which copies deeply: this is done for every module at every look.
    return {name: getattr(state, name) for name in _STATE}
