"""What a hub counts beside its accounts: who said how much, who came and went. It is cheap, and not durable.

Sizes and times are observed for one message in 64: looking at each would cost more than it tells.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from dataclasses import dataclass, field
from functools import partial
from typing import TypeAlias

from hotori.model.identity import Identity
from hotori.model.message import Message

SAMPLED = 64
_KEPT = 512
_MOST_NAMES = 4096
QUANTILES = (0.1, 0.5, 0.9, 0.99)
"""As the contract's code has them (7.3, trap)."""

Speaker: TypeAlias = tuple[Identity, str | None]
"""Who sends a message, and by which output."""


@dataclass(slots=True, eq=False)
class Summary:
    """How often something was observed, the sum of it, and the last observations for quantiles."""

    count: int = 0
    total: float = 0.0
    _last: deque[float] = field(default_factory=lambda: deque(maxlen=_KEPT))

    def observe(self, value: float) -> None:
        self.count += 1
        self.total += value
        self._last.append(value)

    def quantiles(self) -> dict[float, float]:
        """Of the last observations; empty where there was none."""
        values = sorted(self._last)
        return {each: values[min(len(values) - 1, int(each * len(values)))] for each in QUANTILES} if values else {}


class Meters:
    """Counters by identity. Names come from clients, so what is new beyond some thousands is not told apart."""

    def __init__(self) -> None:
        self.received: dict[Speaker, int] = {}
        self.others = 0
        self.sizes: dict[Identity, Summary] = {}
        self.storing = Summary()
        self.connects: dict[Identity, int] = {}
        self.disconnects: dict[Identity, int] = {}
        self.reported: dict[Identity, int] = {}
        self.methods: dict[Identity, Summary] = {}
        self._until_sample = 1

    def message(self, sender: Identity, message: Message, stored: asyncio.Future[int]) -> None:
        """A message came in; the future is done once it is stored."""
        speaker = (sender, message.output)
        try:
            self.received[speaker] += 1
        except KeyError:
            self._first(speaker)
        self._until_sample -= 1
        if not self._until_sample:
            self._until_sample = SAMPLED
            self._sample(sender, message, stored)

    def presence(self, identity: Identity, connected: bool) -> None:
        """A client came or went."""
        _count(self.connects if connected else self.disconnects, identity)

    def reports(self, identity: Identity) -> None:
        """A client reported properties."""
        _count(self.reported, identity)

    def method(self, identity: Identity, seconds: float) -> None:
        """A method was called, and answered or not after so long."""
        _summary(self.methods, identity).observe(seconds)

    def _first(self, speaker: Speaker) -> None:
        if len(self.received) < _MOST_NAMES:
            self.received[speaker] = 1
        else:
            self.others += 1

    def _sample(self, sender: Identity, message: Message, stored: asyncio.Future[int]) -> None:
        _summary(self.sizes, sender).observe(len(message.body))
        stored.add_done_callback(partial(self._stored, time.perf_counter()))

    def _stored(self, began: float, _: asyncio.Future[int]) -> None:
        self.storing.observe(time.perf_counter() - began)


def _count(counts: dict[Identity, int], identity: Identity) -> None:
    if identity in counts or len(counts) < _MOST_NAMES:
        counts[identity] = counts.get(identity, 0) + 1


def _summary(summaries: dict[Identity, Summary], identity: Identity) -> Summary:
    found = summaries.get(identity)
    if found is None:
        found = Summary()
        if len(summaries) < _MOST_NAMES:
            summaries[identity] = found
    return found
