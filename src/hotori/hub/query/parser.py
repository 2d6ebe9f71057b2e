"""From the text of a query to the query (grammar: contract 2.5)."""

from __future__ import annotations

from collections.abc import Mapping

from hotori.hub.query.expressions import ExpressionParser
from hotori.hub.query.fault import QueryFaultError
from hotori.hub.query.lexer import TokenKind, tokenize
from hotori.hub.query.syntax import Aggregate, Column, Expression, Path, Query, Source

_SOURCES: Mapping[str, Source] = {source.value: source for source in Source}
_MOST_TOP = 1e9
_AGGREGATES = ("count", "avg", "sum", "min", "max")


def parse_query(text: str) -> Query:
    """Read a whole query. Raises QueryFaultError."""
    return _QueryParser(tokenize(text)).query()


def parse_condition(text: str) -> Expression | None:
    """Read a WHERE condition alone, as deployments target with; None for `*`, which is everything."""
    if text.strip() == "*":
        return None
    parser = ExpressionParser(tokenize(text))
    condition = parser.expression()
    parser.expect_end()
    return condition


class _QueryParser(ExpressionParser):
    def query(self) -> Query:
        self.expect_word("select")
        top = self._top()
        columns = () if self.take_sign("*") else self._columns()
        self.expect_word("from")
        source = self._source()
        condition = self.expression() if self.take_word("where") else None
        group_at = self.token.at
        group = self._group()
        self.expect_end()
        query = Query(source, columns, top, condition, group)
        _check_columns(query, group_at)
        return query

    def _top(self) -> int | None:
        if not self.take_word("top"):
            return None
        token = self.take()
        count = float(token.value) if token.kind is TokenKind.NUMBER else 0.0
        if not 1 <= count <= _MOST_TOP or count != int(count):
            raise QueryFaultError(
                token.at, "a whole number from 1 is needed after TOP", "TOP の後には 1 以上の整数が必要です"
            )
        return int(count)

    def _columns(self) -> tuple[Column, ...]:
        columns = [self._column()]
        while self.take_sign(","):
            at = self.token.at
            column = self._column()
            if column.name in [known.name for known in columns]:
                raise QueryFaultError(
                    at,
                    f"two columns would be called {column.name}; name one with AS",
                    f"列名 {column.name} が重複します。AS で名前を付けてください",
                )
            columns.append(column)
        return tuple(columns)

    def _column(self) -> Column:
        token = self.token
        content: Path | Aggregate
        if token.is_word(*_AGGREGATES) and self.following.is_sign("("):
            content = self._aggregate()
            name = content.name
        else:
            content = self.path()
            name = content.parts[-1]
        return Column(self._alias() if self.take_word("as") else name, content)

    def _aggregate(self) -> Aggregate:
        name = self.take().text.lower()
        self.expect_sign("(")
        if name == "count":
            self.take_sign("*")
            path = None
        else:
            path = self.path()
        self.expect_sign(")")
        return Aggregate(name, path)

    def _alias(self) -> str:
        token = self.take()
        if token.kind not in (TokenKind.NAME, TokenKind.BRACKETED):
            raise QueryFaultError(token.at, "a name is needed after AS", "AS の後には名前が必要です")
        return str(token.value)

    def _source(self) -> Source:
        at = self.token.at
        path = self.path()
        source = _SOURCES.get(".".join(path.parts).lower())
        if source is None:
            raise QueryFaultError(
                at,
                f"queries are FROM devices, devices.modules or devices.jobs, not {'.'.join(path.parts)}",
                f"FROM には devices、devices.modules、devices.jobs のいずれかを指定します（{'.'.join(path.parts)}）",
            )
        return source

    def _group(self) -> tuple[Path, ...]:
        if not self.take_word("group"):
            return ()
        self.expect_word("by")
        paths = [self.path()]
        while self.take_sign(","):
            paths.append(self.path())
        return tuple(paths)


def _check_columns(query: Query, at: int) -> None:
    """Beside aggregates only what the groups are made by has one value."""
    if not query.aggregates:
        return
    loose = [
        column for column in query.columns if isinstance(column.content, Path) and column.content not in query.group
    ]
    if loose or not query.columns:
        name = loose[0].name if loose else "*"
        raise QueryFaultError(
            at,
            f"{name} has many values in a group: name it in GROUP BY, or aggregate it",
            f"{name} はグループの中で値が一つに決まりません。GROUP BY に加えるか集計してください",
        )
