"""Values of a query and their three-valued logic: what is missing is undefined, and undefined is never true."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from enum import Enum
from typing import TypeAlias, TypeGuard

from hotori.model.json import Json


class Undefined(Enum):
    """The value of what is not there."""

    UNDEFINED = "undefined"


UNDEFINED = Undefined.UNDEFINED
Value: TypeAlias = "Json | Undefined"
"""A JSON value, or undefined."""


def is_number(value: Value) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def logical_not(value: Value) -> Value:
    return not value if isinstance(value, bool) else UNDEFINED


def logical_and(left: Value, right: Value) -> Value:
    if left is False or right is False:
        return False
    return True if left is True and right is True else UNDEFINED


def logical_or(left: Value, right: Value) -> Value:
    if left is True or right is True:
        return True
    return False if left is False and right is False else UNDEFINED


COMPARISONS: Mapping[str, Callable[..., bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<>": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def compare(sign: str, left: Value, right: Value) -> Value:
    """Values of one type are compared, texts by their characters' numbers; everything else is undefined.

    Truths and nulls are only equal or not.
    """
    if (is_number(left) and is_number(right)) or (isinstance(left, str) and isinstance(right, str)):
        return COMPARISONS[sign](left, right)
    equality = sign in ("=", "!=", "<>")
    if equality and isinstance(left, bool) and isinstance(right, bool):
        return COMPARISONS[sign](left, right)
    if equality and UNDEFINED not in (left, right) and (left is None or right is None):
        return COMPARISONS[sign](left is None and right is None, True)
    return UNDEFINED


def same(left: Value, right: Value) -> bool:
    """Whether `left = right` is true."""
    return compare("=", left, right) is True


_ARITHMETIC: Mapping[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "%": math.fmod,
}


def calculate(sign: str, left: Value, right: Value) -> Value:
    """Arithmetic on numbers; what has no finite result is undefined."""
    if not (is_number(left) and is_number(right)):
        return UNDEFINED
    try:
        result = _ARITHMETIC[sign](left, right)
    except (ArithmeticError, ValueError):
        return UNDEFINED
    return result if math.isfinite(result) else UNDEFINED
