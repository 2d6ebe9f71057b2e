"""Words and signs of a route's text (contract 5.2, lexical rules).

A word is any run of characters other than white space and `( ) < > @ , ; : \\ " / [ ] ? = { }`: so `a-b`, `a+b`
and `x!` are single names, and arithmetic needs spaces. A word that begins with `$` may hold `[` and `]` too.
Kinder than the contract in two places, where its reading could only surprise: `x!='a'` means not-equal, and a
text in single quotes ends at its quote even where other characters follow at once.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from enum import Enum

from hotori.routing.fault import RouteFaultError


class TokenKind(Enum):
    WORD = "a name"
    SYSTEM = "a $name"
    TEXT = "a text"
    NUMBER = "a number"
    SIGN = "a sign"
    END = "the end"


@dataclass(frozen=True, slots=True)
class Token:
    """`text` is as written; `value` is what a text or number means. `at` counts the characters before it."""

    kind: TokenKind
    text: str
    at: int
    value: str | float = ""

    @property
    def end(self) -> int:
        return self.at + len(self.text)

    def is_word(self, *words: str) -> bool:
        """Whether it is one of the given keywords (lower case), in any case of letters."""
        return self.kind is TokenKind.WORD and self.text.lower() in words

    def is_sign(self, *signs: str) -> bool:
        return self.kind is TokenKind.SIGN and self.text in signs


_SKIPPED = re.compile(r"(?:[ \t\r\n]+|/\*.*?\*/)+", re.DOTALL)
_TEXT = re.compile(r"""'(?:\\(?:["'\\]|u[0-9a-fA-F]{4})|[^'\\])*'|"(?:\\(?:["'\\]|u[0-9a-fA-F]{4})|[^"\\])*\"""")
_ESCAPE = re.compile(r"""\\(?:(["'\\])|u([0-9a-fA-F]{4}))""")
_RUN = r"""[^()<>@,;:\\"/?={} \t\r\n"""
_WORD = re.compile(_RUN + r"\[\]]+")
_SYSTEM = re.compile(r"\$" + _RUN + "]+")
_NUMBER = re.compile(r"-?\d+|0[xX][0-9a-fA-F]+|-?\d*\.\d+(?:[eE][+-]?\d+)?|-?\d+[eE][+-]?\d+", re.ASCII)
_SIGN = re.compile(r"<>|<=|>=|\?\?|[()<>,/={}]")
_SIGN_WORDS = frozenset({"*", "+", "-", "%", "||", "!="})


def tokenize(text: str) -> list[Token]:
    """Every token of a text, an END last. Raises RouteFaultError at a character that begins none."""
    tokens: list[Token] = []
    at = _skip(text, 0)
    while at < len(text):
        tokens.append(_next_token(text, at))
        at = _skip(text, tokens[-1].end)
    return [*tokens, Token(TokenKind.END, "", len(text))]


def _skip(text: str, at: int) -> int:
    match = _SKIPPED.match(text, at)
    return match.end() if match else at


def _next_token(text: str, at: int) -> Token:
    if text[at] in "'\"":
        return _text_token(text, at)
    if match := _SYSTEM.match(text, at):
        return _without_mark(text, Token(TokenKind.SYSTEM, match[0], at))
    if match := _WORD.match(text, at):
        return _word_token(text, match[0], at)
    if match := _SIGN.match(text, at):
        return Token(TokenKind.SIGN, match[0], at)
    raise RouteFaultError(at, f"the character {text[at]} means nothing here", f"文字 {text[at]} はここでは使えません")


def _text_token(text: str, at: int) -> Token:
    match = _TEXT.match(text, at)
    if match is None:
        raise RouteFaultError(
            at,
            "the text has no closing quote, or a \\ that is not one of \\' \\\" \\\\ \\uXXXX",
            "文字列が引用符で閉じられていないか、\\' \\\" \\\\ \\uXXXX 以外の \\ があります",
        )
    value = _ESCAPE.sub(lambda escape: escape[1] or chr(int(escape[2], 16)), match[0][1:-1])
    return Token(TokenKind.TEXT, match[0], at, value)


def _word_token(text: str, run: str, at: int) -> Token:
    if run == "!" and text.startswith("=", at + 1):
        return Token(TokenKind.SIGN, "!=", at)
    if run in _SIGN_WORDS:
        return Token(TokenKind.SIGN, run, at)
    if _NUMBER.fullmatch(run):
        return Token(TokenKind.NUMBER, run, at, _number(run))
    return _without_mark(text, Token(TokenKind.WORD, run, at))


def _without_mark(text: str, token: Token) -> Token:
    """Give the `!` of `name!=` back to the sign that it belongs to."""
    if token.text.endswith("!") and len(token.text) > 1 and text.startswith("=", token.end):
        return Token(token.kind, token.text[:-1], token.at)
    return token


def _number(run: str) -> float:
    """What is too large is infinite, however it is written."""
    try:
        return float(int(run, 16)) if run[:2] in ("0x", "0X") else float(run)
    except OverflowError:
        return math.inf
