"""One row of the table: our figure, the peer's, and their ratio from one run."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """`ours` and `peer` in `unit`. `ratio` is ours / peer; `aim` says what the ratio should be, such as `>= 0.9`.

    `beside` is what else was seen in the same run.
    """

    name: str
    what: str
    peer_name: str
    ours: float
    peer: float
    unit: str
    aim: str
    beside: str = ""

    @property
    def ratio(self) -> float:
        return self.ours / self.peer

    def json_line(self) -> str:
        figures = {"name": self.name, "ours": self.ours, "peer": self.peer, "ratio": self.ratio}
        words = {"aim": self.aim, "unit": self.unit, "peer_name": self.peer_name, "beside": self.beside}
        return json.dumps({**figures, **words})


Benchmark = Callable[[], Awaitable[Sequence[Row]]]


def table(rows: Sequence[Row]) -> str:
    """The rows as a Markdown table."""
    lines = ["| row | what | ours | peer | ratio | aim | beside |", "|---|---|---|---|---|---|---|"]
    for row in rows:
        ours, peer = f"{row.ours:.4g} {row.unit}", f"{row.peer:.4g} {row.unit} ({row.peer_name})"
        lines.append(f"| {row.name} | {row.what} | {ours} | {peer} | {row.ratio:.2f} | {row.aim} | {row.beside} |")
    return "\n".join(lines)
