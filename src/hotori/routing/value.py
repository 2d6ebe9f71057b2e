"""Values of conditions: texts, numbers, truths, null, and the lack of any (contract 5.2).

Logic has three values: what is compared with nothing, or with another type, is neither true nor false but
undefined; a message is routed only where the whole condition is true.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from enum import Enum
from types import MappingProxyType
from typing import Final, TypeAlias, TypeGuard


class Lack(Enum):
    """The two values that are equal to nothing."""

    UNDEFINED = "undefined"
    OBJECT = "object"
    """A JSON object or array, or several matches: it is defined, but cannot be compared."""


UNDEFINED: Final = Lack.UNDEFINED
OBJECT: Final = Lack.OBJECT
Value: TypeAlias = "str | float | bool | Lack | None"


class ValueType(Enum):
    """What is known of an operand before any message is seen."""

    TEXT = "text"
    NUMBER = "a number"
    TRUTH = "true or false"
    NULL = "null"
    UNDEFINED = "undefined"
    ANY = "from the body"

    def fits(self, wanted: ValueType) -> bool:
        """Whether an operand of this type may stand where another is wanted; what is unknown may stand anywhere."""
        return self is wanted or self in _LOOSE or wanted in _LOOSE

    @property
    def japanese(self) -> str:
        return _JAPANESE[self]


_LOOSE = frozenset({ValueType.NULL, ValueType.UNDEFINED, ValueType.ANY})
_JAPANESE: Mapping[ValueType, str] = MappingProxyType(
    {
        ValueType.TEXT: "文字列",
        ValueType.NUMBER: "数値",
        ValueType.TRUTH: "真偽値",
        ValueType.NULL: "null",
        ValueType.UNDEFINED: "undefined",
        ValueType.ANY: "本文の値",
    }
)


def is_number(value: Value) -> TypeGuard[float]:
    return isinstance(value, float | int) and not isinstance(value, bool)


def number(value: float) -> Value:
    """A result of arithmetic; what is not a number is undefined."""
    return UNDEFINED if math.isnan(value) else value


def logical_not(value: Value) -> Value:
    if value is None:
        return True
    return not value if isinstance(value, bool) else UNDEFINED


def logical_and(left: Value, right: Value) -> Value:
    """False with anything is false, null with anything is null, else undefined with true is undefined."""
    if left is None or right is None:
        return None
    if left is False or right is False:
        return False
    return True if left is True and right is True else UNDEFINED


def logical_or(left: Value, right: Value) -> Value:
    """True with anything is true; null gives way to the other side."""
    if left is None or right is None:
        return _truth(right if left is None else left)
    if left is True or right is True:
        return True
    return False if left is False and right is False else UNDEFINED


def _truth(value: Value) -> Value:
    return value if value is None or isinstance(value, bool) else UNDEFINED


COMPARISONS: Mapping[str, Callable[..., bool]] = MappingProxyType(
    {
        "=": operator.eq,
        "!=": operator.ne,
        "<>": operator.ne,
        "<": operator.lt,
        "<=": operator.le,
        ">": operator.gt,
        ">=": operator.ge,
    }
)
_EQUAL_NULLS = frozenset({"=", "<=", ">="})


def compare(sign: str, left: Value, right: Value) -> Value:
    """Values of one type are compared, texts by their characters' numbers; everything else is undefined."""
    if left is None and right is None:
        return sign in _EQUAL_NULLS
    same = (
        (isinstance(left, str) and isinstance(right, str))
        or (is_number(left) and is_number(right))
        or (isinstance(left, bool) and isinstance(right, bool))
    )
    return COMPARISONS[sign](left, right) if same else UNDEFINED


def _divide(left: float, right: float) -> float:
    if right != 0:
        return left / right
    return math.nan if left == 0 or math.isnan(left) else math.copysign(math.inf, left) * math.copysign(1, right)


def _remainder(left: float, right: float) -> float:
    """The remainder has the sign of `left`."""
    return math.nan if right == 0 or math.isinf(left) else math.fmod(left, right)


ARITHMETIC: Mapping[str, Callable[[float, float], float]] = MappingProxyType(
    {"+": operator.add, "-": operator.sub, "*": operator.mul, "/": _divide, "%": _remainder}
)


def calculate(sign: str, left: Value, right: Value) -> Value:
    """Double-precision arithmetic. Null counts as nothing beside a number; other types are undefined."""
    if not (is_number(left) or left is None) or not (is_number(right) or right is None):
        return UNDEFINED
    if sign in "*%" and (left is None or right is None):
        return UNDEFINED if sign == "%" and right is None else 0.0
    return number(ARITHMETIC[sign](float(left or 0), float(right or 0)))
