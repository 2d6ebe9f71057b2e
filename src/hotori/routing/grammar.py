"""The grammar of a route (contract 5.1).

```
route  := [SELECT *] FROM source [WHERE condition] INTO sink
source := ( "/" ( name | "*" ) )+
sink   := $upstream | BrokeredEndpoint("/modules/{m}/inputs/{i}")       on an edge device
        | $events   | Endpoint("{name}")                                in the cloud
```

Keywords in any case of letters, white space and `/* comments */` anywhere between.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from hotori.routing.condition import KEYWORDS, Condition, ConditionParser
from hotori.routing.endpoint import Endpoint, EventLog, ModuleInput, NamedEndpoint, Sinks, Upstream
from hotori.routing.fault import RouteFaultError
from hotori.routing.lexer import Token, TokenKind, tokenize
from hotori.routing.source import TWIN_CHANGES, source_prefix

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_MODULE_INPUT = re.compile(r"/?modules/([^/\s]+)/inputs/([^/\s]+)/?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Route:
    """A route's text, understood. A message matches if its source begins with `prefix` (both in lower case)."""

    prefix: str
    condition: Condition | None
    endpoint: Endpoint


def parse_route(text: str, sinks: Sinks = Sinks.EDGE) -> Route:
    """Read a route. Raises RouteFaultError."""
    return _RouteParser(tokenize(text), sinks).parse()


class _RouteParser:
    def __init__(self, tokens: list[Token], sinks: Sinks) -> None:
        self._tokens = tokens
        self._position = 0
        self._sink = self._cloud_sink if sinks is Sinks.CLOUD else self._edge_sink

    def parse(self) -> Route:
        if self._token.is_word("select"):
            self._position += 1
            self._sign("*")
        self._keyword("from")
        prefix = source_prefix(self._source())
        condition = None
        if self._token.is_word("where"):
            condition = self._condition(twin_changes=prefix.startswith(TWIN_CHANGES.lower()))
        self._keyword("into")
        endpoint = self._sink()
        if self._token.kind is not TokenKind.END:
            raise _needed(self._token, "the end of the route", "ルートの終わり")
        return Route(prefix, condition, endpoint)

    def _source(self) -> str:
        path = ""
        while self._token.is_sign("/"):
            slash = self._take()
            path += "/" + self._segment(slash)
        if not path:
            raise _needed(self._token, "a source such as /messages/*", "/messages/* のような送信元")
        return path

    def _segment(self, slash: Token) -> str:
        """A name or `*`. A keyword counts as a name where it stands close to its slash."""
        token = self._take()
        keyword = token.is_word(*KEYWORDS) and token.at != slash.end
        if token.is_sign("*") or (token.kind in (TokenKind.WORD, TokenKind.NUMBER) and not keyword):
            return token.text
        raise _needed(token, "a name or *", "名前または *")

    def _condition(self, *, twin_changes: bool) -> Condition:
        parser = ConditionParser(self._tokens, self._position + 1, twin_changes=twin_changes)
        condition = parser.parse()
        self._position = parser.position
        return condition

    def _cloud_sink(self) -> Endpoint:
        token = self._take()
        if token.kind is TokenKind.SYSTEM and token.text.lower() == "$events":
            return EventLog()
        if not token.is_word("endpoint"):
            raise _needed(token, '$events or Endpoint("NAME")', '$events か Endpoint("名前")')
        name, match = self._quoted(_NAME)
        if match is None:
            raise _needed(name, "an endpoint's name in quotes", "引用符で囲んだエンドポイント名")
        return NamedEndpoint(match[0])

    def _edge_sink(self) -> Endpoint:
        token = self._take()
        if token.kind is TokenKind.SYSTEM and token.text.lower() == "$upstream":
            return Upstream()
        if not token.is_word("brokeredendpoint"):
            raise _needed(token, "$upstream or BrokeredEndpoint(…)", "$upstream か BrokeredEndpoint(…)")
        path, match = self._quoted(_MODULE_INPUT)
        if match is None:
            raise _needed(path, '"/modules/MODULE/inputs/INPUT"', '"/modules/モジュール/inputs/入力" の形')
        return ModuleInput(match[1], match[2])

    def _quoted(self, pattern: re.Pattern[str]) -> tuple[Token, re.Match[str] | None]:
        """A text in brackets, and how it fits a pattern."""
        self._sign("(")
        token = self._take()
        match = pattern.fullmatch(str(token.value)) if token.kind is TokenKind.TEXT else None
        if match is not None:
            self._sign(")")
        return token, match

    @property
    def _token(self) -> Token:
        return self._tokens[self._position]

    def _take(self) -> Token:
        token = self._token
        if token.kind is not TokenKind.END:
            self._position += 1
        return token

    def _sign(self, sign: str) -> None:
        token = self._take()
        if not token.is_sign(sign):
            raise _needed(token, sign, sign)

    def _keyword(self, word: str) -> None:
        token = self._take()
        if not token.is_word(word):
            raise _needed(token, word.upper(), word.upper())


def _needed(token: Token, english: str, japanese: str) -> RouteFaultError:
    found = token.text or "the end"
    return RouteFaultError(
        token.at,
        f"{english} is needed here, and there is {found}",
        f"ここには{japanese}が必要ですが、{token.text or '文末'} があります",
    )
