"""Times as the contracts write them."""

from __future__ import annotations

from datetime import UTC, datetime

NEVER = "0001-01-01T00:00:00Z"


def iso_time(seconds: float) -> str:
    """Unix seconds as ISO 8601 with milliseconds; 0.0 is `NEVER` (contract 4.1)."""
    if not seconds:
        return NEVER
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
