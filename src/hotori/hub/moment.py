"""Moments as the contract writes them."""

from __future__ import annotations

from datetime import UTC, datetime

NEVER = "0001-01-01T00:00:00Z"
"""How a time that never was is written (contract 2.2)."""


def written_time(seconds: float) -> str:
    """Unix seconds as RFC 3339 in UTC with milliseconds; 0 is never."""
    if not seconds:
        return NEVER
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
