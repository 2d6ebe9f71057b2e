"""A clue: a pattern in a text, and the problem that it tells of."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from hotori.diagnosis.evidence import blot
from hotori.problems import Kind, Problem, Words

_LONGEST_LINE = 400


@dataclass(frozen=True, slots=True)
class Clue:
    """Named groups of `pattern` become values of the problem; `otherwise` gives those that did not match."""

    pattern: re.Pattern[str]
    kind: Kind
    otherwise: Mapping[str, str | Words] = field(default_factory=dict)


def clue(pattern: str, kind: Kind, **otherwise: str | Words) -> Clue:
    return Clue(re.compile(pattern), kind, otherwise)


def read(text: str, clues: Iterable[Clue], **known: str | Words) -> Problem | None:
    """The problem of the first clue, in the order of the table, that any line of `text` has; the last such line.

    The line is the evidence. `known` are values that every problem may speak of.
    """
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    for candidate in clues:
        for line in reversed(lines):
            if match := candidate.pattern.search(line):
                found = {name: value for name, value in match.groupdict().items() if value}
                values = {**known, **candidate.otherwise, **found}
                wanted = candidate.kind.fields()
                evidence = blot(line)[:_LONGEST_LINE]
                return Problem(
                    candidate.kind, evidence, **{name: value for name, value in values.items() if name in wanted}
                )
    return None
