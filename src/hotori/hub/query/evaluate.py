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


def aggregate(query: Query, rows: Iterable[JsonObject]) -> list[JsonObject]:
    """One result row for each group, in the order in which the groups were met."""
    groups: dict[bytes, list[JsonObject]] = {} if query.group else {b"": []}
    for row in rows:
        values = [find(row, path.parts) for path in query.group]
        key = msgspec.json.encode([None if value is UNDEFINED else [value] for value in values]) if values else b""
        groups.setdefault(key, []).append(row)
    return [_summary(query.columns, group) for group in groups.values()]


def _summary(columns: Iterable[Column], rows: list[JsonObject]) -> JsonObject:
    found = ((column.name, _summarised(column, rows)) for column in columns)
    return {name: value for name, value in found if value is not UNDEFINED}


def _summarised(column: Column, rows: list[JsonObject]) -> Value:
    if isinstance(column.content, Path):
        return find(rows[0], column.content.parts) if rows else UNDEFINED
    name, path = column.content.name, column.content.path
    if path is None:
        return len(rows)
    numbers = [value for value in (find(row, path.parts) for row in rows) if is_number(value)]
    if not numbers:
        return UNDEFINED
    match name:
        case "avg":
            return sum(numbers) / len(numbers)
        case "sum":
            return sum(numbers)
        case "min":
            return min(numbers)
        case _:
            return max(numbers)


def _path(column: Column) -> Path:
    assert not isinstance(column.content, Aggregate)
    return column.content
