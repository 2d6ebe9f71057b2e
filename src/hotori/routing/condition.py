"""The condition of a route, read once and asked for every message (contract 5.2).

From tight to loose: `-` and NOT; `* / %`; `+ - ||`; `< <= > >=`; `= != <>`; AND; OR; `??`. Types are strict:
where both sides are known and differ, the route is refused; application properties are texts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

from hotori.routing.body_query import BodyQuery
from hotori.routing.facts import Facts
from hotori.routing.fault import RouteFaultError
from hotori.routing.functions import FUNCTIONS, TWIN_CHANGE_INCLUDES, Function, includes
from hotori.routing.lexer import Token, TokenKind, tokenize
from hotori.routing.value import (
    COMPARISONS,
    UNDEFINED,
    Value,
    ValueType,
    calculate,
    compare,
    is_number,
    logical_and,
    logical_not,
    logical_or,
)

DEEPEST_NESTING = 50
LONGEST_CHAIN = 200
KEYWORDS = ("select", "from", "where", "into")
Evaluate: TypeAlias = "Callable[[Facts], Value]"

_BINDING: Mapping[str, int] = {
    "??": 1,
    "or": 2,
    "and": 3,
    **dict.fromkeys(("=", "!=", "<>"), 4),
    **dict.fromkeys(("<", "<=", ">", ">="), 5),
    **dict.fromkeys(("+", "-", "||"), 6),
    **dict.fromkeys(("*", "/", "%"), 7),
}
_LITERALS: Mapping[str, tuple[ValueType, Value]] = {
    "true": (ValueType.TRUTH, True),
    "false": (ValueType.TRUTH, False),
    "null": (ValueType.NULL, None),
    "undefined": (ValueType.UNDEFINED, UNDEFINED),
}
_BODY = "$body."


@dataclass(frozen=True, slots=True)
class Operand:
    """A part of a condition: what type it has, how to ask it, which of the route's characters it stands at (`end`
    is behind the last), how deep it is. `parts` are the operands that it was made of, for who wants to explain it.
    """

    type: ValueType
    evaluate: Evaluate
    at: int
    end: int
    depth: int = 1
    parts: tuple[Operand, ...] = ()
    literal: bool = False
    property: str = ""
    """The application property that this is and nothing more, in lower case."""
    text: str | None = None
    """The text that this is and nothing more."""


@dataclass(frozen=True, slots=True)
class Condition:
    """A whole condition. `evaluate` is its closure; `operand` the tree that it was made of."""

    evaluate: Evaluate
    operand: Operand

    @property
    def asked(self) -> frozenset[str] | None:
        """The application properties that decide it, in lower case; None where something else does too."""
        return _asked(self.operand)

    def holds(self, facts: Facts) -> bool:
        """Whether it is true; false and undefined are both a no."""
        return self.evaluate(facts) is True


def _asked(operand: Operand) -> frozenset[str] | None:
    if operand.property:
        return frozenset((operand.property,))
    if operand.literal:
        return frozenset()
    asked: frozenset[str] = frozenset()
    for part in operand.parts:
        if (found := _asked(part)) is None:
            return None
        asked |= found
    return asked if operand.parts else None


def parse_condition(text: str) -> Condition:
    """Read a condition that stands alone, as a filter. Raises RouteFaultError."""
    parser = ConditionParser(tokenize(text), 0)
    condition = parser.parse()
    rest = parser.token
    if rest.kind is not TokenKind.END:
        raise _no_operator(rest)
    return condition


class ConditionParser:
    """Reads a condition from tokens, and stops at the first that does not belong to it: `position` is there.

    `twin_changes` says whether the route's source has changes of twins, which one function asks about.
    """

    def __init__(self, tokens: list[Token], position: int, *, twin_changes: bool = False) -> None:
        self._tokens = tokens
        self.position = position
        self._twin_changes = twin_changes
        self._nesting = 0

    def parse(self) -> Condition:
        """Raises RouteFaultError."""
        operand = self._expression(0)
        if self.token.kind is not TokenKind.END and not self.token.is_word("into"):
            raise _no_operator(self.token)
        _require(operand, ValueType.TRUTH, "WHERE")
        return Condition(operand.evaluate, operand)

    def _expression(self, loosest: int) -> Operand:
        left = self._unary()
        while (binding := _binding(self.token)) > loosest:
            sign = self._take()
            right = self._expression(binding)
            left = _combine(sign, left, right)
            if left.depth > LONGEST_CHAIN:
                raise RouteFaultError(sign.at, "the condition is too long", "条件が長すぎます")
        return left

    def _unary(self) -> Operand:
        self._nesting += 1
        if self._nesting > DEEPEST_NESTING:
            raise RouteFaultError(self.token.at, "the condition is nested too deeply", "条件の入れ子が深すぎます")
        if self.token.is_word("not"):
            operand = _not(self._take(), self._unary())
        elif self.token.is_sign("-"):
            operand = _negate(self._take(), self._unary())
        else:
            operand = self._primary()
        self._nesting -= 1
        return operand

    def _primary(self) -> Operand:
        token = self._take()
        if token.kind in (TokenKind.TEXT, TokenKind.NUMBER):
            kind = ValueType.TEXT if token.kind is TokenKind.TEXT else ValueType.NUMBER
            return _constant(kind, token.value, token)
        if token.is_sign("("):
            operand = self._expression(0)
            return replace(operand, at=token.at, end=self._expect(")").end)
        if token.is_sign("{"):
            return self._escaped(token)
        if token.kind is TokenKind.SYSTEM:
            return _dollar(token)
        if token.kind is TokenKind.WORD and not token.is_word(*KEYWORDS, "and", "or"):
            return self._call(token) if self.token.is_sign("(") else _name(token)
        raise _missing_value(token)

    def _escaped(self, brace: Token) -> Operand:
        """`{$name}`: never an application property."""
        token = self._take()
        if token.kind is not TokenKind.SYSTEM:
            raise RouteFaultError(token.at, "{ is followed by a $name and }", "{ の後には $名前 と } が必要です")
        return replace(_system_or_body(token), at=brace.at, end=self._expect("}").end)

    def _call(self, name: Token) -> Operand:
        self._take()
        if name.text.lower() == TWIN_CHANGE_INCLUDES and self._twin_changes:
            return self._twin_change_includes(name)
        function = FUNCTIONS.get(name.text.lower())
        if function is None:
            raise RouteFaultError(
                name.at,
                f"there is no function {name.text} for this source",
                f"この送信元に関数 {name.text} はありません",
            )
        arguments: list[Operand] = []
        while not self.token.is_sign(")"):
            if arguments:
                self._expect(",")
            arguments.append(self._expression(0))
        return _called(name, function, arguments, self._expect(")").end)

    def _twin_change_includes(self, name: Token) -> Operand:
        path = self._take()
        if path.kind is not TokenKind.WORD:
            raise RouteFaultError(
                path.at, "a path such as properties.reported.x is needed", "プロパティのパスが必要です"
            )
        end = self._expect(")").end
        query = BodyQuery.parse(path.text, path.at)
        return Operand(ValueType.TRUTH, lambda facts: includes(query.find(facts.body())), name.at, end)

    @property
    def token(self) -> Token:
        """The next token that was not read."""
        return self._tokens[self.position]

    def _take(self) -> Token:
        token = self.token
        if token.kind is not TokenKind.END:
            self.position += 1
        return token

    def _expect(self, sign: str) -> Token:
        token = self._take()
        if not token.is_sign(sign):
            raise RouteFaultError(
                token.at,
                f"{sign} is needed here, not {_shown(token)}",
                f"ここには {sign} が必要です（{_shown(token)}）",
            )
        return token


def _binding(token: Token) -> int:
    if token.kind is TokenKind.SIGN or token.is_word("and", "or"):
        return _BINDING.get(token.text.lower(), 0)
    return 0


def _shown(token: Token) -> str:
    return token.text or "(end)"


def _no_operator(token: Token) -> RouteFaultError:
    return RouteFaultError(
        token.at,
        f"INTO or an operator such as = or AND is needed here, and there is {token.text}",
        f"ここには INTO か = や AND などの演算子が必要ですが、{token.text} があります",
    )


def _missing_value(token: Token) -> RouteFaultError:
    return RouteFaultError(
        token.at,
        f"a name, a text, a number or a function is needed here, not {_shown(token)}",
        f"ここには名前・文字列・数値・関数のいずれかが必要です（{_shown(token)}）",
    )


def _constant(kind: ValueType, value: Value, token: Token) -> Operand:
    return Operand(
        kind, lambda _: value, token.at, token.end, literal=True, text=value if isinstance(value, str) else None
    )


def _name(token: Token) -> Operand:
    """A word: one of the four literals (lower case only), or an application property."""
    if token.text in _LITERALS:
        kind, value = _LITERALS[token.text]
        return _constant(kind, value, token)
    name = token.text.lower()
    return Operand(ValueType.TEXT, lambda facts: facts.application_property(name), token.at, token.end, property=name)


def _dollar(token: Token) -> Operand:
    """`$name`: the application property literally called so, else body or system property."""
    alternative = _system_or_body(token)
    if "[" in token.text or "]" in token.text:
        return alternative
    name, otherwise = token.text.lower(), alternative.evaluate

    def evaluate(facts: Facts) -> Value:
        own = facts.application_property(name)
        return otherwise(facts) if own is UNDEFINED else own

    return Operand(alternative.type, evaluate, token.at, token.end)


def _system_or_body(token: Token) -> Operand:
    if token.text.lower().startswith(_BODY):
        query = BodyQuery.parse(token.text[len(_BODY) :], token.at + len(_BODY))
        return Operand(ValueType.ANY, lambda facts: query.find(facts.body()), token.at, token.end)
    name = token.text[1:].lower()
    return Operand(ValueType.TEXT, lambda facts: facts.system_property(name), token.at, token.end)


def _require(operand: Operand, wanted: ValueType, by: str) -> None:
    if not operand.type.fits(wanted):
        hint_en, hint_ja = ("", "")
        if operand.type is ValueType.TEXT and wanted is ValueType.NUMBER:
            hint_en, hint_ja = "; write as_number(…) around it", "。as_number(…) で囲んでください"
        raise RouteFaultError(
            operand.at,
            f"{by} needs {wanted.value} here, and this is {operand.type.value}{hint_en}",
            f"{by} には{wanted.japanese}が必要ですが、これは{operand.type.japanese}です{hint_ja}",
        )


def _not(sign: Token, operand: Operand) -> Operand:
    _require(operand, ValueType.TRUTH, "NOT")
    ask = operand.evaluate
    return Operand(
        ValueType.TRUTH, lambda facts: logical_not(ask(facts)), sign.at, operand.end, operand.depth + 1, (operand,)
    )


def _negate(sign: Token, operand: Operand) -> Operand:
    _require(operand, ValueType.NUMBER, "-")

    def evaluate(facts: Facts) -> Value:
        value = operand.evaluate(facts)
        return -value if is_number(value) else (0.0 if value is None else UNDEFINED)

    return Operand(ValueType.NUMBER, evaluate, sign.at, operand.end, operand.depth + 1, (operand,))


def _combine(token: Token, left: Operand, right: Operand) -> Operand:
    """Two operands and what stands between them, their types checked."""
    sign = token.text.lower()
    kind, evaluate = _binary(sign, left, right)
    return Operand(kind, evaluate, left.at, right.end, max(left.depth, right.depth) + 1, (left, right))


def _binary(sign: str, left: Operand, right: Operand) -> tuple[ValueType, Evaluate]:
    ask, other = left.evaluate, right.evaluate
    if sign in ("and", "or"):
        _require_both(left, right, ValueType.TRUTH, sign.upper())
        logic = logical_and if sign == "and" else logical_or
        return ValueType.TRUTH, lambda facts: logic(ask(facts), other(facts))
    if sign in COMPARISONS:
        _require_same(left, right, sign)
        if left.property and right.text is not None:
            return ValueType.TRUTH, _property_and_text(sign, left.property, right.text)
        return ValueType.TRUTH, lambda facts: compare(sign, ask(facts), other(facts))
    if sign == "??":
        _require_same(left, right, sign)
        return _either(left.type, right.type), lambda facts: _coalesce(ask(facts), other, facts)
    if sign == "||":
        _require_both(left, right, ValueType.TEXT, sign)
        concat = FUNCTIONS["concat"]
        return ValueType.TEXT, lambda facts: concat.call((ask(facts), other(facts)))
    _require_both(left, right, ValueType.NUMBER, sign)
    return ValueType.NUMBER, lambda facts: calculate(sign, ask(facts), other(facts))


def _property_and_text(sign: str, name: str, text: str) -> Evaluate:
    """What most routes compare, in one call instead of four: a property with a text."""
    operation = COMPARISONS[sign]

    def evaluate(facts: Facts) -> Value:
        value = (facts.properties or facts.application_properties()).get(name)
        return UNDEFINED if value is None else operation(value, text)

    return evaluate


def _require_both(left: Operand, right: Operand, wanted: ValueType, by: str) -> None:
    _require(left, wanted, by)
    _require(right, wanted, by)


def _require_same(left: Operand, right: Operand, by: str) -> None:
    if left.type is ValueType.TEXT and right.type is ValueType.NUMBER:
        _require(left, ValueType.NUMBER, by)
    _require(right, left.type, by)


def _either(left: ValueType, right: ValueType) -> ValueType:
    """The type of `left ?? right`."""
    if left is ValueType.UNDEFINED:
        return right
    return left if left is right or right is ValueType.UNDEFINED else ValueType.ANY


def _coalesce(value: Value, otherwise: Evaluate, facts: Facts) -> Value:
    return otherwise(facts) if value is UNDEFINED else value


def _called(name: Token, function: Function, arguments: list[Operand], end: int) -> Operand:
    if not function.least <= len(arguments) <= function.most:
        wanted = str(function.least) if function.least == function.most else f"{function.least}-{function.most}"
        raise RouteFaultError(
            name.at,
            f"{name.text} takes {wanted} arguments, not {len(arguments)}",
            f"{name.text} の引数は {wanted} 個です（{len(arguments)} 個ありました）",
        )
    for index, argument in enumerate(arguments):
        _require(argument, function.wanted(index), name.text)
    asked = tuple(argument.evaluate for argument in arguments)
    depth = max(argument.depth for argument in arguments) + 1
    return Operand(
        function.result,
        lambda facts: function.call([ask(facts) for ask in asked]),
        name.at,
        end,
        depth,
        tuple(arguments),
    )
