"""What a query is made of, once it was understood."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from hotori.hub.query.functions import Function
from hotori.hub.query.value import Value


class Source(Enum):
    """What is asked: twins of devices or of modules, or what became of jobs."""

    DEVICES = "devices"
    MODULES = "devices.modules"
    JOBS = "devices.jobs"


@dataclass(frozen=True, slots=True)
class Path:
    """What stands at a place in a row."""

    parts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Constant:
    value: Value


@dataclass(frozen=True, slots=True)
class Not:
    operand: Expression


@dataclass(frozen=True, slots=True)
class Negative:
    operand: Expression


@dataclass(frozen=True, slots=True)
class Binary:
    """`sign` is `and`, `or`, a comparison or an arithmetic sign."""

    sign: str
    left: Expression
    right: Expression


@dataclass(frozen=True, slots=True)
class Member:
    """IN, or where `inverted` NIN: whether a value is one of a list."""

    operand: Expression
    options: tuple[Value, ...]
    inverted: bool


@dataclass(frozen=True, slots=True)
class Call:
    function: Function
    arguments: tuple[Expression, ...]


Expression: TypeAlias = Path | Constant | Not | Negative | Binary | Member | Call


@dataclass(frozen=True, slots=True)
class Aggregate:
    """COUNT() of the rows (no path), or AVG, SUM, MIN or MAX of the numbers at a path; `name` in lower case."""

    name: str
    path: Path | None


@dataclass(frozen=True, slots=True)
class Column:
    """One member of every result row."""

    name: str
    content: Path | Aggregate


@dataclass(frozen=True, slots=True)
class Query:
    """No columns means whole rows."""

    source: Source
    columns: tuple[Column, ...] = ()
    top: int | None = None
    condition: Expression | None = None
    group: tuple[Path, ...] = ()

    @property
    def aggregates(self) -> bool:
        """Whether result rows stand for groups of rows."""
        return bool(self.group) or any(isinstance(column.content, Aggregate) for column in self.columns)
