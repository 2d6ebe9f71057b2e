"""What is wrong with the text of a route, and where.

```
RouteFaultError        raised inside this package; `Router` makes the problem `route-invalid` of it
```
"""

from __future__ import annotations

from hotori.problems import Words


class RouteFaultError(ValueError):
    """`at` counts the characters before the fault; `reason` completes 'At column N: …'."""

    def __init__(self, at: int, english: str, japanese: str) -> None:
        super().__init__(english)
        self.at = at
        self.reason = Words(english, japanese)
