"""The condition language a second time, as simple as it can be written (contract 5.2): trees, and what they mean.

Values are None, True/False, numbers, texts and UNDEFINED. Nothing of the product is used.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

UNDEFINED = object()
TRUTH, NUMBER, TEXT = "truth", "number", "text"


@dataclass(frozen=True)
class Tree:
    """An expression: how it is written, its type, its operator (or "leaf") and its parts. A leaf knows its value."""

    text: str
    type: str
    sign: str = "leaf"
    parts: tuple[Tree, ...] = ()
    value: Any = UNDEFINED


def meaning(tree: Tree) -> Any:
    if tree.sign == "leaf":
        return tree.value
    values = [meaning(part) for part in tree.parts]
    return MEANINGS[tree.sign](*values)


def _same(left: Any, right: Any) -> bool:
    return any(
        isinstance(left, kind) and isinstance(right, kind) and isinstance(left, bool) == isinstance(right, bool)
        for kind in (bool, float, str)
    )


def _compare(test: Any, nulls: bool) -> Any:
    def compared(left: Any, right: Any) -> Any:
        if left is None and right is None:
            return nulls
        return test(left, right) if _same(left, right) else UNDEFINED

    return compared


def _and(left: Any, right: Any) -> Any:
    if left is None or right is None:
        return None
    if left is False or right is False:
        return False
    return True if left is True and right is True else UNDEFINED


def _or(left: Any, right: Any) -> Any:
    if left is None:
        return right if right is None or isinstance(right, bool) else UNDEFINED
    if right is None:
        return left if isinstance(left, bool) else UNDEFINED
    if left is True or right is True:
        return True
    return False if left is False and right is False else UNDEFINED


def _not(value: Any) -> Any:
    return True if value is None else not value if isinstance(value, bool) else UNDEFINED


def _arithmetic(calculate: Any) -> Any:
    def calculated(left: Any, right: Any) -> Any:
        if not isinstance(left, float) or not isinstance(right, float):
            return UNDEFINED
        result = calculate(left, right)
        return UNDEFINED if math.isnan(result) else result

    return calculated


def _on(kind: type, apply: Any) -> Any:
    return lambda *values: apply(*values) if all(isinstance(value, kind) for value in values) else UNDEFINED


MEANINGS: dict[str, Any] = {
    "=": _compare(lambda a, b: a == b, True),
    "!=": _compare(lambda a, b: a != b, False),
    "<": _compare(lambda a, b: a < b, False),
    ">=": _compare(lambda a, b: a >= b, True),
    "AND": _and,
    "OR": _or,
    "NOT": _not,
    "+": _arithmetic(lambda a, b: a + b),
    "-": _arithmetic(lambda a, b: a - b),
    "||": _on(str, lambda a, b: a + b),
    "??": lambda a, b: b if a is UNDEFINED else a,
    "upper": _on(str, str.upper),
    "contains": _on(str, lambda a, b: b in a),
    "length": _on(str, lambda a: float(len(a))),
    "is_defined": lambda a: a is not UNDEFINED,
    "is_null": lambda a: a is None,
    "is_string": lambda a: isinstance(a, str),
}
