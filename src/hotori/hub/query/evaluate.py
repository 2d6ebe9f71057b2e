"""A query asked of rows: which are wanted, and what becomes of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from hotori.hub.query.syntax import (
    Aggregate,
    Binary,
    Call,
    Column,
    Constant,
    Expression,
    Member,
    Negative,
    Not,
    Path,
    Query,
)
from hotori.hub.query.value import (
    COMPARISONS,
    UNDEFINED,
    Value,
    calculate,
    compare,
    is_number,
    logical_and,
    logical_not,
    logical_or,
    same,
)
from hotori.model.json import Json, JsonObject


def wanted(condition: Expression | None, row: JsonObject) -> bool:
    """Whether the condition is true of a row; false and undefined are both a no."""
    return condition is None or evaluate(condition, row) is True


def evaluate(expression: Expression, row: JsonObject) -> Value:
    """What an expression is for a row."""
    match expression:
        case Constant(value):
            return value
        case Path(parts):
            return find(row, parts)
        case Not(operand):
            return logical_not(evaluate(operand, row))
        case Negative(operand):
            return calculate("-", 0, evaluate(operand, row))
        case Binary(sign, left, right):
            return _joined(sign, evaluate(left, row), evaluate(right, row))
        case Member(operand, options, inverted):
            return _member(evaluate(operand, row), options, inverted)
        case Call(function, arguments):
            return function.call([evaluate(argument, row) for argument in arguments])


def find(row: Json, parts: Iterable[str]) -> Value:
    """What stands at a place in a row."""
    for part in parts:
        if not isinstance(row, dict) or part not in row:
            return UNDEFINED
        row = row[part]
    return row


def _joined(sign: str, left: Value, right: Value) -> Value:
    if sign == "and":
        return logical_and(left, right)
    if sign == "or":
        return logical_or(left, right)
    return compare(sign, left, right) if sign in COMPARISONS else calculate(sign, left, right)


def _member(value: Value, options: Sequence[Value], inverted: bool) -> Value:
    if value is UNDEFINED:
        return UNDEFINED
    return any(same(value, option) for option in options) != inverted


def project(query: Query, row: JsonObject) -> JsonObject:
    """The result row of one row, for a query without aggregates; members that are undefined are left out."""
    if not query.columns:
        return row
    found = ((column.name, find(row, _path(column).parts)) for column in query.columns)
    return {name: value for name, value in found if value is not UNDEFINED}


class Groups:
    """Rows of a query with aggregates, summed up as they come; the rows themselves are let go."""

    def __init__(self, query: Query) -> None:
        self._query = query
        self._groups: dict[bytes, list[_Summary]] = {} if query.group else {b"": self._summaries({})}

    def add(self, row: JsonObject) -> None:
        """One row that is wanted."""
        values = [find(row, path.parts) for path in self._query.group]
        key = msgspec.json.encode([None if value is UNDEFINED else [value] for value in values]) if values else b""
        group = self._groups.get(key)
        if group is None:
            group = self._groups[key] = self._summaries(row)
        for summary in group:
            summary.add(row)

    def rows(self) -> list[JsonObject]:
        """One result row for each group, in the order in which the groups were met; what is undefined is left out."""
        columns = self._query.columns
        found = [zip(columns, (summary.value for summary in group), strict=True) for group in self._groups.values()]
        return [{column.name: value for column, value in row if value is not UNDEFINED} for row in found]

    def _summaries(self, row: JsonObject) -> list[_Summary]:
        return [_Summary(column.content, row) for column in self._query.columns]


class _Summary:
    """One column of one group."""

    def __init__(self, content: Path | Aggregate, row: JsonObject) -> None:
        self._content = content
        self._value = find(row, content.parts) if isinstance(content, Path) else UNDEFINED
        self._count = 0
        self._sum: float = 0
        self._least: float | None = None
        self._most: float | None = None

    def add(self, row: JsonObject) -> None:
        if isinstance(self._content, Path):
            return
        number = None if self._content.path is None else find(row, self._content.path.parts)
        if self._content.path is None:
            self._count += 1
        elif is_number(number):
            self._count += 1
            self._sum += number
            self._least = number if self._least is None else min(self._least, number)
            self._most = number if self._most is None else max(self._most, number)

    @property
    def value(self) -> Value:
        if isinstance(self._content, Path):
            return self._value
        if self._content.name == "count":
            return self._count
        if not self._count:
            return UNDEFINED
        return {"avg": self._sum / self._count, "sum": self._sum, "min": self._least, "max": self._most}[
            self._content.name
        ]


def _path(column: Column) -> Path:
    assert not isinstance(column.content, Aggregate)
    return column.content
