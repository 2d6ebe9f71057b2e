"""A text that must not be seen in logs, reprs or error texts."""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, eq=False)
class Secret:
    """A key or password. Its repr and str hide it; `reveal()` is the one way to the text."""

    _text: str = field(repr=False)

    def reveal(self) -> str:
        return self._text

    def __eq__(self, other: object) -> bool:
        """Compare in constant time."""
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._text.encode(), other._text.encode())

    def __hash__(self) -> int:
        return hash(self._text)

    def __str__(self) -> str:
        return "***"

    def __bool__(self) -> bool:
        return bool(self._text)
