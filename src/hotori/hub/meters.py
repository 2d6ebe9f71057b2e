"""What a hub counts beside its accounts: who said how much, who came and went. It is cheap, and not durable.

Sizes and times are observed for one message in 64: looking at each would cost more than it tells.
"""

from __future__ import annotations

import time
from collections.abc import Hashable, Sequence
from functools import partial
from typing import TypeAlias, TypeVar

from hotori.hub.promise import Answer, Promise, when_settled
from hotori.model.identity import Identity
from hotori.model.message import Message
from hotori.model.summary import Summary

SAMPLED = 64
_MOST_NAMES = 4096
_MOST_CODES = 100
_LONGEST_NAME = 256

Speaker: TypeAlias = "tuple[Identity | None, str | None]"
"""Who sends a message, and by which output."""
_Key = TypeVar("_Key", bound=Hashable)


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
        self.refused: dict[tuple[str, str], int] = {}
        """Connections that were refused, by client id and the problem's code."""
        self.unstored: dict[Identity, int] = {}
        """Messages that could not be stored, and were not acknowledged."""
        self.twin_reads: dict[Identity, Summary] = {}
        self.reporting: dict[Identity, Summary] = {}
        self.sending: dict[str, Summary] = {}
        """By endpoint: seconds until a message was acknowledged."""
        self.syncs: dict[Identity, int] = {}
        self.failed_syncs: dict[Identity, int] = {}
        """Exchanges of a twin with the hub above, and those that failed."""
        self.retries: dict[tuple[Identity, str], int] = {}
        self._until_sample = 1

    def messages(self, messages: Sequence[Message], promise: Promise) -> None:
        """Messages came in together; the promise is done once the last of them is stored."""
        sender, output, count = messages[0].sender, messages[0].output, 0
        for message in messages:
            if message.sender is not sender or message.output != output:
                self._received(sender, output, count)
                sender, output, count = message.sender, message.output, 0
            count += 1
        self._received(sender, output, count)
        self._until_sample -= len(messages)
        if self._until_sample <= 0:
            self._until_sample = SAMPLED
            self._sample(messages[-1], promise)

    def presence(self, identity: Identity, connected: bool) -> None:
        """A client came or went."""
        _count(self.connects if connected else self.disconnects, identity)

    def reports(self, identity: Identity) -> None:
        """A client reported properties."""
        _count(self.reported, identity)

    def method(self, identity: Identity, seconds: float) -> None:
        """A method was called, and answered or not after so long."""
        _summary(self.methods, identity).observe(seconds)

    def refuse(self, client: str, code: str) -> None:
        """A client was not let in. Anybody may make up names: those beyond some thousands are told as one."""
        key = (client[:_LONGEST_NAME], code)
        _count(self.refused, key if key in self.refused or len(self.refused) < _MOST_NAMES else ("", code))

    def not_stored(self, identity: Identity) -> None:
        """A message was not acknowledged, since it could not be stored."""
        _count(self.unstored, identity)

    def twin_read(self, identity: Identity, began: float) -> None:
        """A client was told its twin, which it asked for at `began` (`time.perf_counter`)."""
        _summary(self.twin_reads, identity).observe(time.perf_counter() - began)

    def report_kept(self, identity: Identity, began: float) -> None:
        """What a client reported at `began` is kept."""
        _summary(self.reporting, identity).observe(time.perf_counter() - began)

    def sent(self, endpoint: str, seconds: float) -> None:
        """A message was acknowledged after so long; called for one in 64."""
        _summary(self.sending, endpoint).observe(seconds)

    def sync(self, identity: Identity, failed: bool) -> None:
        """A twin was exchanged with the hub above, or was to be."""
        _count(self.syncs, identity)
        if failed:
            _count(self.failed_syncs, identity)

    def retry(self, identity: Identity, operation: str) -> None:
        """Something has to be done again towards the hub above."""
        _count(self.retries, (identity, operation))

    def _received(self, sender: Identity | None, output: str | None, count: int) -> None:
        received, speaker = self.received, (sender, output)
        if speaker in received:
            received[speaker] += count
        elif len(received) < _MOST_NAMES:
            received[speaker] = count
        else:
            self.others += count

    def _sample(self, message: Message, promise: Promise) -> None:
        assert message.sender is not None, "a client said it"
        _summary(self.sizes, message.sender).observe(len(message.body))
        when_settled(promise, partial(self._stored, time.perf_counter()))

    def _stored(self, began: float, _: Answer) -> None:
        self.storing.observe(time.perf_counter() - began)


def _count(counts: dict[_Key, int], key: _Key) -> None:
    if key in counts or len(counts) < _MOST_NAMES + _MOST_CODES:
        counts[key] = counts.get(key, 0) + 1


def _summary(summaries: dict[_Key, Summary], key: _Key) -> Summary:
    found = summaries.get(key)
    if found is None:
        found = Summary()
        if len(summaries) < _MOST_NAMES:
            summaries[key] = found
    return found
