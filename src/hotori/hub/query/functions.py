"""The functions of a query; names in any case of letters."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from hotori.hub.query.value import UNDEFINED, Value, is_number, same


@dataclass(frozen=True, slots=True)
class Function:
    """`apply` takes `least` to `most` values that all fit `wanted`; where one does not, the result is undefined."""

    apply: Callable[..., Value]
    least: int
    most: int
    wanted: Callable[[Value], bool]

    def call(self, arguments: Sequence[Value]) -> Value:
        return self.apply(*arguments) if all(map(self.wanted, arguments)) else UNDEFINED


def _any(_: Value) -> bool:
    return True


def _text(value: Value) -> bool:
    return isinstance(value, str)


def _text_or_number(value: Value) -> bool:
    return isinstance(value, str) or is_number(value)


def _kind(test: Callable[[Value], bool]) -> Function:
    return Function(test, 1, 1, _any)


def _texts(apply: Callable[..., Value], count: int) -> Function:
    return Function(apply, count, count, _text)


def _number(apply: Callable[..., Value]) -> Function:
    return Function(apply, 1, 1, is_number)


def _contains_item(array: Value, item: Value) -> Value:
    return any(same(each, item) for each in array) if isinstance(array, list) else UNDEFINED


def _length(value: Value) -> Value:
    return len(value) if isinstance(value, str) else UNDEFINED


def _substring(text: Value, start: Value, length: Value = UNDEFINED) -> Value:
    """What is out of range is undefined, not shortened."""
    if not isinstance(text, str) or not is_number(start) or not 0 <= start <= len(text):
        return UNDEFINED
    rest = text[int(start) :]
    if length is UNDEFINED:
        return rest
    return rest[: int(length)] if is_number(length) and 0 <= length <= len(rest) else UNDEFINED


def _is_primitive(value: Value) -> bool:
    return value is None or isinstance(value, bool | int | float | str)


def _rounded(round_: Callable[[float], int]) -> Callable[[float], Value]:
    return lambda value: round_(value) if math.isfinite(value) else value


def _power(base: float, exponent: float) -> Value:
    try:
        return math.pow(base, exponent)
    except (OverflowError, ValueError):
        return UNDEFINED


FUNCTIONS: Mapping[str, Function] = {
    "is_defined": _kind(lambda value: value is not UNDEFINED),
    "is_null": _kind(lambda value: value is None),
    "is_bool": _kind(lambda value: isinstance(value, bool)),
    "is_number": _kind(is_number),
    "is_string": _kind(lambda value: isinstance(value, str)),
    "is_object": _kind(lambda value: isinstance(value, dict)),
    "is_array": _kind(lambda value: isinstance(value, list)),
    "is_primitive": _kind(_is_primitive),
    "starts_with": _texts(str.startswith, 2),
    "startswith": _texts(str.startswith, 2),
    "ends_with": _texts(str.endswith, 2),
    "endswith": _texts(str.endswith, 2),
    "contains": _texts(lambda text, part: part in text, 2),
    "index_of": _texts(str.find, 2),
    "lower": _texts(str.lower, 1),
    "upper": _texts(str.upper, 1),
    "length": _texts(_length, 1),
    "concat": Function(lambda *texts: "".join(texts), 2, 100, _text),
    "substring": Function(_substring, 2, 3, _text_or_number),
    "abs": _number(abs),
    "exp": _number(lambda value: _power(math.e, value)),
    "ceiling": _number(_rounded(math.ceil)),
    "floor": _number(_rounded(math.floor)),
    "sign": _number(lambda value: (value > 0) - (value < 0)),
    "square": _number(lambda value: value * value),
    "sqrt": _number(lambda value: math.sqrt(value) if value >= 0 else UNDEFINED),
    "power": Function(_power, 2, 2, is_number),
    "array_contains": Function(_contains_item, 2, 2, _any),
}
