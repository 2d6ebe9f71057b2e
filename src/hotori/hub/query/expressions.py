"""Conditions: paths, constants, functions and what joins them.

From tight to loose: `-`; `* / %`; `+ -`; comparisons, IN and NIN; NOT; AND; OR.
"""

from __future__ import annotations

from collections.abc import Mapping

from hotori.hub.query.fault import QueryFaultError
from hotori.hub.query.functions import FUNCTIONS
from hotori.hub.query.lexer import Token, TokenKind
from hotori.hub.query.syntax import Binary, Call, Constant, Expression, Member, Negative, Not, Path
from hotori.hub.query.value import COMPARISONS, UNDEFINED, Undefined, Value, is_number
from hotori.model.json import Json

DEEPEST_NESTING = 50
MOST_OPERATORS = 400
_LITERALS: Mapping[str, Value] = {"true": True, "false": False, "null": None, "undefined": UNDEFINED}
_KEYWORDS = ("select", "from", "where", "group", "by", "and", "or", "in", "nin", "as", "top")


class ExpressionParser:
    """Reads from tokens, and stops at the first that does not belong: `token` is that one."""

    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._position = 0
        self._nesting = 0
        self._operators = 0

    @property
    def token(self) -> Token:
        return self._tokens[self._position]

    @property
    def following(self) -> Token:
        return self._tokens[min(self._position + 1, len(self._tokens) - 1)]

    def take(self) -> Token:
        token = self.token
        if token.kind is not TokenKind.END:
            self._position += 1
        return token

    def take_word(self, word: str) -> bool:
        """Take the keyword if it is next; whether it was."""
        return bool(self.token.is_word(word) and self.take())

    def take_sign(self, sign: str) -> bool:
        """Take the sign if it is next; whether it was."""
        return bool(self.token.is_sign(sign) and self.take())

    def expect_word(self, word: str) -> None:
        if not self.take_word(word):
            raise self._needed(word.upper())

    def expect_sign(self, sign: str) -> None:
        if not self.take_sign(sign):
            raise self._needed(sign)

    def expect_end(self) -> None:
        if self.token.kind is not TokenKind.END:
            raise QueryFaultError(
                self.token.at,
                f"nothing can follow here, and there is {self.token.text}",
                f"{self.token.text} が余分です",
            )

    def expression(self) -> Expression:
        """A whole condition. Raises QueryFaultError."""
        self._descend()
        left = self._conjunction()
        while self.take_word("or"):
            left = self._binary("or", left, self._conjunction())
        self._nesting -= 1
        return left

    def path(self) -> Path:
        """`name.name.[[odd name]]`."""
        parts = [self._segment()]
        while self.take_sign("."):
            parts.append(self._segment())
        return Path(tuple(parts))

    def _segment(self) -> str:
        if self.token.kind not in (TokenKind.NAME, TokenKind.BRACKETED):
            raise QueryFaultError(
                self.token.at,
                f"a name such as deviceId is needed here, not {_shown(self.token)}",
                f"ここには deviceId のような名前が必要です（{_shown(self.token)}）",
            )
        return str(self.take().value)

    def _conjunction(self) -> Expression:
        left = self._negation()
        while self.take_word("and"):
            left = self._binary("and", left, self._negation())
        return left

    def _negation(self) -> Expression:
        inversions = 0
        while self.take_word("not"):
            inversions += 1
        operand = self._comparison()
        for _ in range(min(inversions, 2 - inversions % 2)):
            operand = Not(operand)
        return operand

    def _comparison(self) -> Expression:
        left = self._sum()
        while True:
            if self.token.is_sign(*COMPARISONS):
                left = self._binary(self.take().text, left, self._sum())
            elif self.token.is_word("in", "nin"):
                self._count_operator()
                inverted = self.take().text.lower() == "nin"
                left = Member(left, tuple(self._list()), inverted)
            else:
                return left

    def _sum(self) -> Expression:
        left = self._product()
        while self.token.is_sign("+", "-"):
            left = self._binary(self.take().text, left, self._product())
        return left

    def _product(self) -> Expression:
        left = self._signed()
        while self.token.is_sign("*", "/", "%"):
            left = self._binary(self.take().text, left, self._signed())
        return left

    def _signed(self) -> Expression:
        negative = False
        while self.take_sign("-"):
            negative = not negative
        operand = self._primary()
        return Negative(operand) if negative else operand

    def _primary(self) -> Expression:
        token = self.token
        if self.take_sign("("):
            inner = self.expression()
            self.expect_sign(")")
            return inner
        if token.kind in (TokenKind.TEXT, TokenKind.NUMBER):
            return Constant(self.take().value)
        if token.is_sign("["):
            return Constant(self._list())
        if token.is_word(*_LITERALS) and not self.following.is_sign("."):
            return Constant(_LITERALS[self.take().text.lower()])
        if token.kind is TokenKind.NAME and self.following.is_sign("("):
            return self._call()
        if token.kind is TokenKind.BRACKETED or (token.kind is TokenKind.NAME and not token.is_word(*_KEYWORDS)):
            return self.path()
        raise QueryFaultError(
            token.at,
            f"a name, a text, a number or a function is needed here, not {_shown(token)}",
            f"ここには名前・文字列・数値・関数のいずれかが必要です（{_shown(token)}）",
        )

    def _list(self) -> list[Json]:
        """`[constant, …]`."""
        self.expect_sign("[")
        self._descend()
        items: list[Json] = []
        while not self.take_sign("]"):
            if items:
                self.expect_sign(",")
            items.append(self._item())
        self._nesting -= 1
        return items

    def _item(self) -> Json:
        at = self.token.at
        value = _constant_value(self._signed())
        if isinstance(value, Undefined):
            raise QueryFaultError(
                at, "a list holds texts, numbers, true, false and null", "リストに書けるのは定数だけです"
            )
        return value

    def _call(self) -> Expression:
        name = self.take()
        function = FUNCTIONS.get(name.text.lower())
        if function is None:
            raise QueryFaultError(name.at, f"there is no function {name.text}", f"関数 {name.text} はありません")
        self.expect_sign("(")
        arguments: list[Expression] = []
        while not self.take_sign(")"):
            if arguments:
                self.expect_sign(",")
            arguments.append(self.expression())
        if not function.least <= len(arguments) <= function.most:
            wanted = f"{function.least}" if function.least == function.most else f"{function.least}-{function.most}"
            raise QueryFaultError(
                name.at,
                f"{name.text} takes {wanted} values, not {len(arguments)}",
                f"{name.text} の引数は {wanted} 個です（{len(arguments)} 個あります）",
            )
        return Call(function, tuple(arguments))

    def _binary(self, sign: str, left: Expression, right: Expression) -> Expression:
        self._count_operator()
        return Binary(sign, left, right)

    def _descend(self) -> None:
        self._nesting += 1
        if self._nesting > DEEPEST_NESTING:
            raise QueryFaultError(self.token.at, "the condition is nested too deeply", "条件の入れ子が深すぎます")

    def _count_operator(self) -> None:
        """A chain of operators is as deep as it is long."""
        self._operators += 1
        if self._operators > MOST_OPERATORS:
            raise QueryFaultError(self.token.at, "the condition is too long", "条件が長すぎます")

    def _needed(self, what: str) -> QueryFaultError:
        return QueryFaultError(
            self.token.at,
            f"{what} is needed here, not {_shown(self.token)}",
            f"ここには {what} が必要です（{_shown(self.token)}）",
        )


def _shown(token: Token) -> str:
    return token.text or "(end)"


def _constant_value(expression: Expression) -> Value:
    """What is the same for every row; undefined for everything else."""
    match expression:
        case Constant(value):
            return value
        case Negative(Constant(value)) if is_number(value):
            return -value
        case _:
            return UNDEFINED
