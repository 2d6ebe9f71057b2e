"""The functions that a condition can call (contract 5.2); names in any case of letters."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from hotori.routing.value import OBJECT, UNDEFINED, Value, ValueType, is_number, number

_TEXT, _NUMBER, _TRUTH, _ANY = ValueType.TEXT, ValueType.NUMBER, ValueType.TRUTH, ValueType.ANY


@dataclass(frozen=True, slots=True)
class Function:
    """`parameters` are the wanted types; the last repeats up to `most` arguments, and `least` must be given.

    A strict function is undefined where an argument is not of the wanted type; the others judge it themselves.
    """

    apply: Callable[..., Value]
    parameters: Sequence[ValueType]
    result: ValueType
    least: int
    most: int
    strict: bool = True

    def wanted(self, index: int) -> ValueType:
        return self.parameters[min(index, len(self.parameters) - 1)]

    def call(self, arguments: Sequence[Value]) -> Value:
        if self.strict and not all(_is(value, self.wanted(index)) for index, value in enumerate(arguments)):
            return UNDEFINED
        return self.apply(*arguments)


def _is(value: Value, wanted: ValueType) -> bool:
    return isinstance(value, str) if wanted is _TEXT else is_number(value)


def _power(base: float, exponent: float) -> Value:
    try:
        return number(math.pow(base, exponent))
    except OverflowError:
        return -math.inf if base < 0 and exponent % 2 == 1 else math.inf
    except ValueError:
        return math.inf if base == 0 else UNDEFINED


def _exp(value: float) -> Value:
    try:
        return math.exp(value)
    except OverflowError:
        return math.inf


def _square_root(value: float) -> Value:
    return math.sqrt(value) if value >= 0 else UNDEFINED


def _rounded(round_: Callable[[float], int]) -> Callable[[float], Value]:
    return lambda value: value if math.isinf(value) else float(round_(value))


def _sign(value: float) -> Value:
    return float((value > 0) - (value < 0))


_DECIMAL = re.compile(r"[+-]?(?:\d[\d,]*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)


def _as_number(value: Value) -> Value:
    if isinstance(value, str):
        text = value.strip()
        return float(text.replace(",", "")) if _DECIMAL.fullmatch(text) else UNDEFINED
    return value if is_number(value) else UNDEFINED


def _is_null(value: Value) -> Value:
    return value is None


def _is_defined(value: Value) -> Value:
    return value is not UNDEFINED


def _is_bool(value: Value) -> Value:
    return isinstance(value, bool)


def _is_string(value: Value) -> Value:
    return isinstance(value, str)


def _substring(text: str, start: float, length: float | None = None) -> Value:
    """What is out of range is undefined, not shortened."""
    if not 0 <= start <= len(text):
        return UNDEFINED
    rest = text[int(start) :]
    if length is None:
        return rest
    return rest[: int(length)] if 0 <= length <= len(rest) else UNDEFINED


def _one(apply: Callable[..., Value], parameter: ValueType, result: ValueType, *, strict: bool = True) -> Function:
    return Function(apply, (parameter,), result, 1, 1, strict)


def _two(apply: Callable[..., Value], parameter: ValueType, result: ValueType) -> Function:
    return Function(apply, (parameter,), result, 2, 2)


MOST_ARGUMENTS = 100

FUNCTIONS: Mapping[str, Function] = MappingProxyType(
    {
        "abs": _one(abs, _NUMBER, _NUMBER),
        "exp": _one(_exp, _NUMBER, _NUMBER),
        "power": _two(_power, _NUMBER, _NUMBER),
        "square": _one(lambda value: value * value, _NUMBER, _NUMBER),
        "ceiling": _one(_rounded(math.ceil), _NUMBER, _NUMBER),
        "floor": _one(_rounded(math.floor), _NUMBER, _NUMBER),
        "sign": _one(_sign, _NUMBER, _NUMBER),
        "sqrt": _one(_square_root, _NUMBER, _NUMBER),
        "as_number": _one(_as_number, _ANY, _NUMBER, strict=False),
        "is_bool": _one(_is_bool, _ANY, _TRUTH, strict=False),
        "is_defined": _one(_is_defined, _ANY, _TRUTH, strict=False),
        "is_null": _one(_is_null, _ANY, _TRUTH, strict=False),
        "is_number": _one(is_number, _ANY, _TRUTH, strict=False),
        "is_string": _one(_is_string, _ANY, _TRUTH, strict=False),
        "concat": Function(lambda *texts: "".join(texts), (_TEXT,), _TEXT, 2, MOST_ARGUMENTS),
        "length": _one(lambda text: float(len(text)), _TEXT, _NUMBER),
        "lower": _one(str.lower, _TEXT, _TEXT),
        "upper": _one(str.upper, _TEXT, _TEXT),
        "substring": Function(_substring, (_TEXT, _NUMBER), _TEXT, 2, 3),
        "index_of": _two(lambda text, part: float(text.find(part)), _TEXT, _NUMBER),
        "starts_with": _two(str.startswith, _TEXT, _TRUTH),
        "ends_with": _two(str.endswith, _TEXT, _TRUTH),
        "contains": _two(lambda text, part: part in text, _TEXT, _TRUTH),
    }
)

TWIN_CHANGE_INCLUDES = "twin_change_includes"
"""Its argument is a path, not a value: the condition's parser makes it."""


def includes(found: Value) -> Value:
    """What `twin_change_includes` says of that which stands at its path."""
    if found is UNDEFINED:
        return UNDEFINED
    return found is OBJECT or found is not None
