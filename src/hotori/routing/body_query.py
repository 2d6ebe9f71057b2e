"""Questions to a JSON body: `a.b[0].c` (contract 5.2)."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from hotori.model.json import Json
from hotori.routing.fault import RouteFaultError
from hotori.routing.value import OBJECT, Lack, Value

_STEP = re.compile(r"([^.\[\]]+)(?:\[(\d{1,9})\])?", re.ASCII)


@dataclass(frozen=True, slots=True)
class BodyQuery:
    """Member names and array indices to follow from the root."""

    steps: Sequence[str | int]

    @classmethod
    def parse(cls, path: str, at: int) -> BodyQuery:
        """Read a path whose first character stands at `at` of the route. Raises RouteFaultError."""
        steps: list[str | int] = []
        for part in path.split("."):
            match = _STEP.fullmatch(part)
            if match is None:
                raise RouteFaultError(
                    at,
                    "a path into the body has names joined by dots, each with at most one [index]",
                    "本文へのパスは名前をドットでつなぎ、それぞれに [番号] を一つまで付けられます",
                )
            steps.append(match[1])
            if match[2]:
                steps.append(int(match[2]))
            at += len(part) + 1
        return cls(tuple(steps))

    def find(self, body: Json | Lack) -> Value:
        """What stands at the path: null where there is nothing, undefined where the body cannot be asked."""
        if isinstance(body, Lack):
            return Lack.UNDEFINED
        found = body
        for step in self.steps:
            found = _follow(found, step)
        if isinstance(found, dict | list):
            return OBJECT
        return _as_double(found) if isinstance(found, int) and not isinstance(found, bool) else found


def _as_double(value: int) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _follow(value: Json, step: str | int) -> Json:
    if isinstance(value, dict) and isinstance(step, str):
        return value.get(step)
    if isinstance(value, list) and isinstance(step, int):
        return value[step] if step < len(value) else None
    return None
