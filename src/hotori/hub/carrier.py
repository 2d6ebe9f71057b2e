"""A connection as those see it who write to it."""

from __future__ import annotations

from typing import Protocol

from hotori.hub.head import Ending


class Closable(Protocol):
    """A connection to end."""

    def abort(self, reason: str, ending: Ending = Ending.FAULT) -> None: ...


class Carrier(Closable, Protocol):
    """A connection to write to."""

    @property
    def writable(self) -> bool:
        """Whether the client reads as fast as we write."""
        ...

    def send(self, data: bytes) -> None: ...

    def answered(self) -> None:
        """Some of what the client said was answered: it may say more."""
        ...
