"""Messages that no route took: nothing of them is kept but their number, which survives a crash."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

import msgspec

from hotori.hub.envelope import decode_unrouted, encode_unrouted
from hotori.model.identity import Identity
from hotori.problems import Problem
from hotori.store.log import Entry, Log
from hotori.store.records import Records

NOWHERE = -1
"""In place of a message's offset in the log: it went nowhere."""
_COLLECTION, _KEY = "unrouted", "all"


class _Saved(msgspec.Struct):
    """Entries of the log from `upto` on are not in `counts` yet."""

    upto: int
    counts: dict[str, int]


class Unrouted:
    """Counts by sender. Each leaves a few bytes in the queues' log, so that a crash loses none of them."""

    def __init__(self, log: Log, records: Records) -> None:
        self.changed = False
        self._log, self._records = log, records
        self._saved = _Saved(0, {})
        self._noted: deque[Identity] = deque()

    @property
    def counts(self) -> Mapping[str, int]:
        """How many by each identity, since the accounts began."""
        return self._saved.counts

    async def load(self) -> None:
        """Read what was saved; then comes `replay` for each entry of the log that names no endpoint."""
        record = await self._records.get(_COLLECTION, _KEY)
        if record is not None:
            self._saved = msgspec.msgpack.decode(record.value, type=_Saved)
            self._saved.upto = min(self._saved.upto, self._log.next)  # the log may have lost its end

    def replay(self, entry: Entry) -> None:
        if entry.offset >= self._saved.upto:
            self._count(decode_unrouted(entry.data), entry.offset)

    def noted(self, sender: Identity) -> bytes:
        """What is to be appended to the log for one more; then comes `appended`, in the order of these calls."""
        self._noted.append(sender)
        return encode_unrouted(sender)

    def appended(self, offset: int | None) -> None:
        """It is durable at this offset; None where it was refused."""
        sender = self._noted.popleft()
        if offset is not None:
            self._count(sender, offset)

    async def save(self) -> None:
        """Let the log's entries up to here be trimmed. Raises the problems of records."""
        if not self.changed:
            return
        self.changed = False
        try:
            await self._records.put(_COLLECTION, _KEY, msgspec.msgpack.encode(self._saved))
        except Problem:
            self.changed = True
            raise

    def _count(self, sender: Identity, offset: int) -> None:
        counts = self._saved.counts
        counts[str(sender)] = counts.get(str(sender), 0) + 1
        self._saved.upto = offset + 1
        self.changed = True
