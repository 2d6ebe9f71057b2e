"""What is wrong with the text of a query, and where.

```
QueryFaultError        raised inside this package; `page` makes the problem `query-invalid` of it
```
"""

from __future__ import annotations

from hotori.problems import Words


class QueryFaultError(ValueError):
    """`at` counts the characters before the fault; `reason` completes 'At column N: …'."""

    def __init__(self, at: int, english: str, japanese: str) -> None:
        super().__init__(english)
        self.at = at
        self.reason = Words(english, japanese)
