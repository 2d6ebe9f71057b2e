"""Symptoms fold into causes."""

from __future__ import annotations

from graphlib import TopologicalSorter

from hypothesis import given
from hypothesis import strategies as st

from hotori.diagnosis.fold import fold
from hotori.problems import Problem
from hotori.problems.catalogue import CATALOGUE
from hotori.problems.module_ends import (
    MODULE_CONNECTION_REFUSED,
    MODULE_CRASHED,
    MODULE_IMPORT_ERROR,
    MODULE_RESTARTING,
)


def a_problem(code: str) -> Problem:
    kind = CATALOGUE[code]
    return Problem(kind, **dict.fromkeys(kind.fields(), "x"))


def codes(problems: tuple[Problem, ...]) -> list[str]:
    return [problem.code for problem in problems]


def test_a_module_that_cannot_import_explains_the_one_that_cannot_reach_it() -> None:
    cause = Problem(MODULE_IMPORT_ERROR, module="classifier", package="numpy")
    symptom = Problem(MODULE_CONNECTION_REFUSED, module="camera")
    repeated = Problem(MODULE_RESTARTING, module="classifier", count=20)

    assert fold([symptom, repeated, cause]) == (cause,)


def test_a_symptom_without_its_cause_stays() -> None:
    symptom = Problem(MODULE_CONNECTION_REFUSED, module="camera")

    assert fold([symptom, symptom]) == (symptom,)


def test_two_modules_with_the_same_trouble_are_two_findings() -> None:
    both = [Problem(MODULE_CRASHED, module=name, status=1) for name in ("camera", "classifier")]

    assert len(fold(both)) == 2


def test_no_problem_is_its_own_cause_by_a_detour() -> None:
    TopologicalSorter({kind.code: kind.depends_on for kind in CATALOGUE.values()}).prepare()


@given(st.lists(st.sampled_from(sorted(CATALOGUE))))
def test_something_always_remains_of_what_went_wrong(chosen: list[str]) -> None:
    problems = [a_problem(code) for code in chosen]

    folded = fold(problems)

    assert bool(folded) == bool(problems)
    assert fold(folded) == folded
    assert set(codes(folded)) <= set(chosen)
