"""What a connection still has to send, in order. It sends nothing itself."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from hotori.mqtt.packets import MAX_PACKET_ID, Publish


class Done(Protocol):
    """What an outgoing message tells that it arrived; asyncio's future is one."""

    def done(self) -> bool: ...

    def set_result(self, result: None, /) -> None: ...

    def set_exception(self, exception: BaseException, /) -> None: ...


class PacketIds:
    """Hands out packet ids, 1 to 65535 and round again, passing over those in use [MQTT 2.3.1]."""

    def __init__(self) -> None:
        self._used: set[int] = set()
        self._last = 0

    def take(self) -> int:
        for _ in range(MAX_PACKET_ID):
            self._last = self._last % MAX_PACKET_ID + 1
            if self._last not in self._used:
                self._used.add(self._last)
                return self._last
        raise RuntimeError("every packet id is in use")

    def free(self, packet_id: int) -> None:
        self._used.discard(packet_id)


@dataclass(slots=True, eq=False)
class Outgoing:
    """One message on its way: `done` is settled when the hub has taken it."""

    topic: str
    payload: bytes = field(repr=False)
    done: Done = field(repr=False)


class Outbox:
    """Messages of QoS 1: those that wait, and up to `window` that are on their way and not acknowledged.

    Order is kept through every reconnection: what was on its way goes again first, marked DUP, in its order.
    """

    def __init__(self, window: int, ids: PacketIds) -> None:
        self._window, self._ids = window, ids
        self._waiting: deque[Outgoing] = deque()
        self._in_flight: dict[int, Outgoing] = {}

    def __len__(self) -> int:
        return len(self._waiting) + len(self._in_flight)

    def add(self, outgoing: Outgoing) -> None:
        self._waiting.append(outgoing)

    def next(self) -> Iterator[Publish]:
        """The packets that the window has room for. A message given up while it waited is left out."""
        while self._waiting and len(self._in_flight) < self._window:
            outgoing = self._waiting.popleft()
            if outgoing.done.done():
                continue
            packet_id = self._ids.take()
            self._in_flight[packet_id] = outgoing
            yield Publish(outgoing.topic, outgoing.payload, 1, packet_id)

    def again(self) -> Iterator[Publish]:
        """The packets that were on their way when a connection ended [MQTT 4.4.0-1]."""
        for packet_id, outgoing in self._in_flight.items():
            yield Publish(outgoing.topic, outgoing.payload, 1, packet_id, dup=True)

    def acknowledge(self, packet_id: int) -> None:
        """The hub has taken a message; an id that nothing waits for is ignored."""
        outgoing = self._in_flight.pop(packet_id, None)
        if outgoing is not None:
            self._ids.free(packet_id)
            if not outgoing.done.done():
                outgoing.done.set_result(None)

    def fail(self, error: Exception) -> None:
        """Give up everything."""
        for outgoing in (*self._in_flight.values(), *self._waiting):
            if not outgoing.done.done():
                outgoing.done.set_exception(error)
        self._in_flight.clear()
        self._waiting.clear()
