"""W3C trace context: one id that follows a picture from the lens to the cloud."""

from __future__ import annotations

import re
from dataclasses import dataclass

_TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")


@dataclass(frozen=True, slots=True)
class Trace:
    """`trace_id` (32 hex digits) names the journey, `span_id` (16 hex digits) the step that spoke last."""

    trace_id: str
    span_id: str

    @classmethod
    def begin(cls, chance: bytes) -> Trace:
        """A new trace from 24 random bytes."""
        return cls(chance[:16].hex(), chance[16:24].hex())

    @classmethod
    def parse(cls, text: str | None) -> Trace | None:
        """Read a `traceparent` of version 00; None where there is none or it is not well-formed."""
        match = _TRACEPARENT.fullmatch(text or "")
        return cls(match[1], match[2]) if match else None

    def step(self, chance: bytes) -> Trace:
        """The same journey, the next step, from 8 random bytes."""
        return Trace(self.trace_id, chance[:8].hex())

    def __str__(self) -> str:
        return f"00-{self.trace_id}-{self.span_id}-01"
