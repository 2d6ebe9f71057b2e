"""Symptoms are folded into their causes: one broken link shows as one finding, not as forty."""

from __future__ import annotations

from collections.abc import Iterable

from hotori.problems import Problem


def fold(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Those of the problems that no other one explains, in their order, each code and title once.

    A problem is explained where one that it depends on is present too. The causes of a cause are present
    themselves or do not matter, so looking one step up is enough.
    """
    distinct = {(problem.code, problem.title()): problem for problem in problems}
    present = {problem.code for problem in distinct.values()}
    return tuple(problem for problem in distinct.values() if not present.intersection(problem.kind.depends_on))
