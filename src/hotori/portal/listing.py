"""A page of a list, with links to its neighbours that keep what was chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar
from urllib.parse import urlencode

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some items of a list. `number` counts from 1; `query` is what was asked, without the page."""

    items: Sequence[T]
    number: int
    count: int
    total: int
    path: str
    query: Mapping[str, str]

    @property
    def previous(self) -> str | None:
        """The address of the page before, if there is one."""
        return self._address(self.number - 1) if self.number > 1 else None

    @property
    def next(self) -> str | None:
        """The address of the page after, if there is one."""
        return self._address(self.number + 1) if self.number < self.count else None

    def _address(self, number: int) -> str:
        query = {**self.query, "page": str(number)} if number > 1 else self.query
        return f"{self.path}?{urlencode(query)}" if query else self.path


def page_of(items: Sequence[T], path: str, query: Mapping[str, str], size: int) -> Page[T]:
    """The page that `query` asks for, or the nearest that exists; empty and unknown choices are dropped."""
    chosen = {name: value for name, value in query.items() if value and name not in ("page", "lang")}
    count = max(1, -(-len(items) // size))
    number = min(max(_whole(query.get("page", "")), 1), count)
    return Page(items[(number - 1) * size : number * size], number, count, len(items), path, chosen)


def _whole(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 1
