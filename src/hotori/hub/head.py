"""The seam between a conversation and the protocol that its client speaks.

A head is one protocol's end of a connection: it turns what the client sends into calls of a `Conversation`, and
what the conversation says into bytes. MQTT 3.1.1 and MQTT 5 are heads; another protocol is one more, on the same
sessions. What the client may call things (its topics) is not a head's but its dialect's: see `dialect.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Protocol

from hotori.model.json import JsonObject
from hotori.model.message import Message


class Ending(Enum):
    """Why a connection ends. A protocol that has words for it tells its client."""

    GOODBYE = auto()
    """The client asked for it: nothing is published in its name."""
    TAKEN_OVER = auto()
    """The same identity connected again."""
    ADMINISTRATIVE = auto()
    """The identity was changed or removed."""
    CLOSING = auto()
    """The hub stops."""
    MALFORMED = auto()
    """Bytes that are not of the protocol."""
    TOO_LARGE = auto()
    """A packet or message beyond the limit."""
    RULE_BROKEN = auto()
    """Well-formed, and against the protocol."""
    NOT_ALLOWED = auto()
    """It asked for what is not its own."""
    SILENT = auto()
    """Nothing was heard of it for too long."""
    EXPIRED = auto()
    """Its credentials have ended."""
    NOT_READING = auto()
    """Too much waits for it."""
    FAULT = auto()
    """Something failed here."""


@dataclass(frozen=True, slots=True)
class Handover:
    """Messages to be sent, in this order: three lists in step.

    A packet id that is not 0 is that of a message whose acknowledgement is awaited. `again`: it was sent before.
    """

    messages: Sequence[Message]
    packet_ids: Sequence[int]
    again: Sequence[bool]


class Head(Protocol):
    """What a conversation may ask of its client's protocol."""

    @property
    def writable(self) -> bool:
        """Whether the client reads as fast as we write."""
        ...

    def wants(self, endpoint: str) -> int | None:
        """The QoS at which the client takes what waits at an endpoint; None where it did not ask for it."""
        ...

    def deliver(self, endpoint: str, handover: Handover) -> Sequence[int]:
        """Send messages that wait at an endpoint; the places of those that cannot be sent."""
        ...

    def tell_twin(self, status: int, request: str, body: JsonObject | None, version: int | None) -> None:
        """Answer a twin request; `version` is that of the reported properties, where they were written."""
        ...

    def tell_desired(self, patch: JsonObject, version: int) -> None:
        """Say what changed in the desired properties, if the client wants to know."""
        ...

    def tell_whole(self, desired: JsonObject, version: int) -> None:
        """Say all that is desired: the answer to `Conversation.ask_desired`."""
        ...

    def call(self, name: str, request: str, payload: bytes) -> None:
        """Ask a method of the client; `request` comes back with its answer."""
        ...

    @property
    def takes_methods(self) -> bool:
        """Whether the client asked for method calls."""
        ...

    @property
    def repeats(self) -> bool:
        """Whether the protocol lets a message be sent again under its packet id while the connection lives."""
        ...

    def end(self, reason: str, ending: Ending) -> None:
        """End the connection; `reason` is for the log."""
        ...
