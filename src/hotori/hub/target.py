"""Where an endpoint's batches go: the seam between what waits and who takes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from hotori.model.message import Message


class NotTakenError(Exception):
    """The target did not take a batch; the words say what it, or the network, said. It is tried again."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """A message with its number in the queues' log, which grows from one to the next."""

    number: int
    message: Message


class Target(Protocol):
    """Takes batches, one at a time."""

    async def send(self, batch: Sequence[Parcel]) -> None:
        """Return once the target has the whole batch durably. Raises NotTakenError; then it may have some of it."""
        ...

    async def close(self) -> None: ...
