"""Server-sent events: from lines to events. It reads no socket and keeps no clock."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class EventReader:
    """Takes a stream's lines; `last_id` is where to resume after a lost connection (HTML standard, 9.2.6)."""

    last_id: str | None = None
    _data: list[str] = field(default_factory=list)

    def feed(self, line: str) -> str | None:
        """The data of an event that this line, an empty one, completes; else None."""
        if not line:
            data, self._data = "\n".join(self._data), []
            return data or None
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name == "id":
            self.last_id = value
        return None

    def restart(self) -> None:
        """The connection was lost: forget a half-received event, keep the place."""
        self._data = []
