"""A row of checks as values: which there are, which are left out, and what they come to. Probing is the shell's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from hotori.model.json import Json, JsonObject
from hotori.problems import Problem, Severity, Words


class Result(StrEnum):
    """The words of the contract's JSON (8.2)."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Check:
    """What is looked at. `needs` are the checks without which this one can say nothing."""

    id: str
    section: Words
    title: Words
    needs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was found: `seen` where it is well, else `problems`; `missed` names the checks that were needed."""

    check: Check
    problems: tuple[Problem, ...] = ()
    seen: str = ""
    missed: tuple[str, ...] = ()

    @property
    def result(self) -> Result:
        if self.missed:
            return Result.SKIPPED
        if not self.problems:
            return Result.OK
        errors = any(problem.severity is Severity.ERROR for problem in self.problems)
        return Result.ERROR if errors else Result.WARNING

    def document(self) -> JsonObject:
        """The contract's members, with the whole problems beside them."""
        details: list[Json] = [f"{problem.title()}: {problem.cause()}" for problem in self.problems]
        if self.missed:
            details = [f"skipping because of previous failures: {', '.join(self.missed)}"]
        result: JsonObject = {"result": self.result.value, **({"details": details} if details else {})}
        problems: list[Json] = [_document(problem) for problem in self.problems]
        return {"result": result, "additional_info": {"seen": self.seen, "problems": problems}}


def unmet(check: Check, outcomes: Mapping[str, Outcome]) -> tuple[str, ...]:
    """The checks that this one needs and that are not well; a warning does not stand in the way."""
    bad = (Result.ERROR, Result.SKIPPED)
    return tuple(name for name in check.needs if name in outcomes and outcomes[name].result in bad)


def count(outcomes: Sequence[Outcome]) -> dict[Result, int]:
    """How many came out how."""
    return {result: sum(outcome.result is result for outcome in outcomes) for result in Result}


def _document(problem: Problem) -> JsonObject:
    document: JsonObject = dict(problem.document())  # type: ignore[arg-type]  # a typed dictionary is one, too
    return document
