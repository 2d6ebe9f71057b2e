"""Consumer groups: readers of the event log that share its partitions, and remember how far they came.

A checkpoint is a group's place in a partition: the offset of the next event that it wants. Readers of a group share
the partitions evenly. Where one comes or goes, the partitions are dealt out anew: who keeps one goes on in it, who
gets one begins at its checkpoint. Events after a checkpoint may be read again, so each is read at least once.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field

import msgspec

from hotori.hub.events import Event, Events
from hotori.hub.partitions import PARTITIONS, partition_of
from hotori.store.records import Records

COLLECTION = "consumers"
_NEVER = 2**63
_MOST = 256


@dataclass(slots=True, eq=False)
class GroupReader:
    """One reader of a group. It may have no partition, and then waits for another reader to leave."""

    partitions: frozenset[int] = frozenset()
    dealt: asyncio.Event = field(default_factory=asyncio.Event)

    def deal(self, partitions: frozenset[int]) -> None:
        if partitions != self.partitions:
            self.partitions = partitions
            self.dealt.set()


class ConsumerGroup:
    """A named group with its checkpoints, which are durable when `checkpoint` returns."""

    def __init__(self, name: str, log: Events, records: Records, checkpoints: dict[int, int]) -> None:
        self.name, self.log = name, log
        self._records = records
        self.checkpoints = checkpoints
        self.readers: list[GroupReader] = []

    async def read(self, most: int = _MOST) -> AsyncGenerator[list[Event], None]:
        """Join as a new reader: events of its partitions from their checkpoints on, looked for among `most` at once."""
        reader = GroupReader()
        self.readers.append(reader)
        self._deal()
        places: dict[int, int] = {}
        try:
            while True:
                reader.dealt.clear()
                places = {each: places.get(each, self.checkpoints[each]) for each in reader.partitions}
                if not places:
                    await reader.dealt.wait()
                    continue
                async with aclosing(self.log.follow(min(places.values()), reader.dealt, most=most)) as batches:
                    async for batch in batches:
                        if chosen := [event for event in batch if _is_next(event, places)]:
                            yield chosen
        finally:
            self.readers.remove(reader)
            self._deal()

    def lag(self) -> int:
        """Events that were accepted after the slowest checkpoint, of all partitions."""
        return max(0, self.log.next - min(self.checkpoints.values()))

    async def begin(self, offset: int) -> None:
        """Give every partition that has no checkpoint this one."""
        await self.checkpoint(
            {partition: offset for partition in range(PARTITIONS) if partition not in self.checkpoints}
        )

    async def checkpoint(self, next_offsets: Mapping[int, int]) -> None:
        """Remember how far the group came. A checkpoint goes forward only."""
        ahead = {
            partition: offset
            for partition, offset in next_offsets.items()
            if offset > self.checkpoints.get(partition, -1)
        }
        if ahead:
            self.checkpoints.update(ahead)
            await self._records.put(COLLECTION, self.name, msgspec.json.encode(self.checkpoints))

    def _deal(self) -> None:
        count = len(self.readers)
        for at, reader in enumerate(self.readers):
            reader.deal(frozenset(range(at, PARTITIONS, count)))


def _is_next(event: Event, places: dict[int, int]) -> bool:
    """Whether the event is for a reader at these places; it is past it then."""
    partition = partition_of(event.message)
    wanted = event.offset >= places.get(partition, _NEVER)
    if wanted:
        places[partition] = event.offset + 1
    return wanted


class ConsumerGroups:
    """All groups of the log, made when they are first named."""

    def __init__(self, log: Events, records: Records) -> None:
        self._log, self._records = log, records
        self._groups: dict[str, ConsumerGroup] = {}
        self._turn = asyncio.Lock()

    async def load(self) -> None:
        """Read the checkpoints."""
        for record in await self._records.list(COLLECTION):
            self._groups[record.key] = self._group(record.key, record.value)

    def find(self, name: str) -> ConsumerGroup | None:
        return self._groups.get(name)

    def all(self) -> list[ConsumerGroup]:
        return sorted(self._groups.values(), key=lambda group: group.name)

    async def open(self, name: str, start: int) -> ConsumerGroup:
        """The group of this name; one that is new begins at the offset `start`."""
        async with self._turn:
            group = self._groups.get(name)
            if group is None:
                group = self._group(name, b"{}")
                await group.begin(start)
                self._groups[name] = group
            return group

    async def delete(self, name: str) -> bool:
        """Forget a group's checkpoints; whether there was one. Its readers go on until they leave."""
        async with self._turn:
            await self._records.delete(COLLECTION, name)
            return self._groups.pop(name, None) is not None

    def _group(self, name: str, saved: bytes) -> ConsumerGroup:
        return ConsumerGroup(name, self._log, self._records, msgspec.json.decode(saved, type=dict[int, int]))
