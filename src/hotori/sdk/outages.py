"""How often a connection was lost, and for how long."""

from __future__ import annotations

from dataclasses import dataclass, field

from hotori.model.summary import Summary


@dataclass(slots=True)
class Outages:
    """Fed by the keeper of a connection; times are in seconds."""

    count: int = 0
    """Also of the one that lasts."""
    retries: int = 0
    """Attempts that were made after one that failed."""
    lasted: Summary = field(default_factory=Summary)
    _since: float | None = None

    def failed(self, now: float) -> None:
        """The connection was lost, or one more attempt failed."""
        if self._since is None:
            self._since = now
            self.count += 1
        self.retries += 1

    def over(self, now: float) -> None:
        """There is a connection."""
        if self._since is not None:
            self.lasted.observe(now - self._since)
            self._since = None
