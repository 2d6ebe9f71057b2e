"""Words, texts, numbers and signs of a query."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from enum import Enum

from hotori.hub.query.fault import QueryFaultError

LONGEST_TEXT = 32_768
"""Characters of the longest query."""


class TokenKind(Enum):
    NAME = "name"
    BRACKETED = "[[name]]"
    TEXT = "text"
    NUMBER = "number"
    SIGN = "sign"
    END = "end"


@dataclass(frozen=True, slots=True)
class Token:
    """`text` is as written, `value` what a name, text or number means; `at` counts the characters before it."""

    kind: TokenKind
    text: str
    at: int
    value: str | float = ""

    def is_word(self, *words: str) -> bool:
        """Whether it is one of these keywords (lower case), in any case of letters."""
        return self.kind is TokenKind.NAME and self.text.lower() in words

    def is_sign(self, *signs: str) -> bool:
        return self.kind is TokenKind.SIGN and self.text in signs


_TOKEN = re.compile(
    r"""(?P<space>\s+)
    | (?P<bracketed>\[\[[^\[\]]+\]\])
    | (?P<name>[A-Za-z_$][A-Za-z0-9_$]*)
    | (?P<number>0[xX][0-9a-fA-F]+|\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)
    | (?P<text>'(?:''|\\.|[^'\\])*'|"(?:""|\\.|[^"\\])*")
    | (?P<sign><>|<=|>=|!=|[=<>()\[\],.*+\-/%])""",
    re.VERBOSE | re.ASCII | re.DOTALL,
)
_ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})|\\(.)|''|\"\"", re.DOTALL)


def tokenize(text: str) -> list[Token]:
    """Every token, an END last. Raises QueryFaultError at a character that begins none."""
    if len(text) > LONGEST_TEXT:
        raise QueryFaultError(
            LONGEST_TEXT,
            f"a query has at most {LONGEST_TEXT} characters",
            f"クエリは {LONGEST_TEXT} 文字までです",
        )
    tokens: list[Token] = []
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise _no_token(text, at)
        if match.lastgroup != "space":
            tokens.append(_token(match))
        at = match.end()
    return [*tokens, Token(TokenKind.END, "", len(text))]


def _token(match: re.Match[str]) -> Token:
    text, at = match[0], match.start()
    match match.lastgroup:
        case "bracketed":
            return Token(TokenKind.BRACKETED, text, at, text[2:-2])
        case "name":
            return Token(TokenKind.NAME, text, at, text)
        case "number":
            return Token(TokenKind.NUMBER, text, at, _number(text))
        case "text":
            return Token(TokenKind.TEXT, text, at, _unescaped(text))
        case _:
            return Token(TokenKind.SIGN, text, at)


def _number(text: str) -> float:
    """What is too large is infinite, however it is written."""
    try:
        return float(int(text, 16)) if text[:2] in ("0x", "0X") else float(text)
    except OverflowError:
        return math.inf


def _unescaped(text: str) -> str:
    """What a quoted text means: `\\uXXXX`, a backslash before any character, or its own quote twice."""
    quote, inner = text[0], text[1:-1]

    def plain(match: re.Match[str]) -> str:
        if match[1]:
            return chr(int(match[1], 16))
        if match[2]:
            return match[2]
        return quote if match[0][0] == quote else match[0]

    return _ESCAPE.sub(plain, inner)


def _no_token(text: str, at: int) -> QueryFaultError:
    if text[at] in "'\"":
        return QueryFaultError(at, "the text has no closing quotation mark", "文字列が引用符で閉じられていません")
    return QueryFaultError(at, f"the character {text[at]} means nothing here", f"文字 {text[at]} はここでは使えません")
