"""Messages that no route took: nothing of them is kept but their number, which survives a crash."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial

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

    def submit(self, sender: Identity) -> asyncio.Future[int]:
        """Count one more; the future is done, with NOWHERE, once that is durable."""
        nowhere: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        appended = self._log.submit(encode_unrouted(sender))
        if appended.done():
            self._appended(sender, nowhere, appended)
        else:
            appended.add_done_callback(partial(self._appended, sender, nowhere))
        return nowhere

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

    def _appended(self, sender: Identity, nowhere: asyncio.Future[int], appended: asyncio.Future[int]) -> None:
        if nowhere.done():
            return
        if appended.cancelled():
            nowhere.cancel()
        elif (error := appended.exception()) is not None:
            nowhere.set_exception(error)
        else:
            self._count(sender, appended.result())
            nowhere.set_result(NOWHERE)

    def _count(self, sender: Identity, offset: int) -> None:
        counts = self._saved.counts
        counts[str(sender)] = counts.get(str(sender), 0) + 1
        self._saved.upto = offset + 1
        self.changed = True
