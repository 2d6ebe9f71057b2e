"""One socket: bytes to packets and back, with everything for one client written once in a turn of the loop."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING, cast

from hotori.hub.conversation import Conversation
from hotori.hub.credentials import CLOCK_SKEW, Admission, Claim
from hotori.model.message import MAX_SIZE
from hotori.mqtt.decoder import Decoder
from hotori.mqtt.encoder import PINGRESP, encode
from hotori.mqtt.packets import (
    Connack,
    ConnackCode,
    Connect,
    Disconnect,
    MalformedPacketError,
    Packet,
    Pingreq,
    Puback,
    Publish,
    Subscribe,
    Unsubscribe,
)

if TYPE_CHECKING:
    from hotori.hub.hub import Hub

CONNECT_SECONDS = 15.0
"""How long a new connection may take to introduce itself."""
MOST_KEEP_ALIVE = 1767.0
"""Seconds of silence after which anyone is dropped (contract 1.2)."""
MAX_PACKET = MAX_SIZE + 0xFFFF
"""The largest message, and the topic that its properties are also in."""
MOST_UNREAD = 4 * 1024 * 1024
"""Bytes that may wait for a client that does not read; beyond them it is dropped."""
_MOST_EARLY = 64
_LONGEST_TIMER = 86400.0

logger = logging.getLogger(__name__)


class Connection(asyncio.Protocol):
    """Waits for CONNECT, has it judged, and then hands packets to a conversation."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._loop = asyncio.get_running_loop()
        self._decoder = Decoder(MAX_PACKET)
        self._conversation: Conversation | None = None
        self._admitting: asyncio.Task[None] | None = None
        self._early: deque[Packet] = deque()
        self._out: list[bytes] = []
        self._transport: asyncio.Transport | None = None
        self._address = "?"
        self._heard = self._loop.time()
        self._silence = CONNECT_SECONDS
        self._silence_timer: asyncio.TimerHandle | None = None
        self._expiry_timer: asyncio.TimerHandle | None = None
        self._writable = True
        self._reading = True
        self._goodbye = False

    @property
    def writable(self) -> bool:
        return self._writable

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are no subclasses of it
        self._address = _address(transport)
        self._hub.connections.add(self)
        self._watch_silence()

    def data_received(self, data: bytes) -> None:
        self._heard = self._loop.time()
        try:
            packets = self._decoder.feed(data)
        except MalformedPacketError as error:
            self.abort(str(error))
            return
        if self._conversation is None:
            self._early.extend(packets)
            self._introduce()
        else:
            self._handle_all(self._conversation, packets)
        self._pace()

    def pause_writing(self) -> None:
        self._writable = False
        self._pace()

    def resume_writing(self) -> None:
        self._writable = True
        if self._conversation is not None:
            self._conversation.writable()
        self._pace()

    def connection_lost(self, error: Exception | None) -> None:
        self._end()

    def send(self, data: bytes) -> None:
        """Write at the end of this turn of the loop, together with what else is sent until then."""
        if self._transport is None:
            return
        if not self._out:
            self._loop.call_soon(self._flush)
        self._out.append(data)

    def abort(self, reason: str) -> None:
        """End the connection; what was sent before still goes out, if the client takes it at once."""
        transport = self._transport
        if transport is None:
            return
        logger.info("The connection of %s is closed: %s", self._who(), reason)
        self._write(transport)
        self._end()
        if self._writable:
            transport.close()
        else:
            transport.abort()

    def _flush(self) -> None:
        transport = self._transport
        if transport is None:
            return
        self._write(transport)
        unread = transport.get_write_buffer_size()
        if unread > MOST_UNREAD:
            self.abort(f"{unread} bytes wait for it and it does not read")
        self._pace()

    def _write(self, transport: asyncio.Transport) -> None:
        if self._out:
            data = b"".join(self._out)
            self._out.clear()
            transport.write(data)

    def _pace(self) -> None:
        """Read only while the client takes our answers, and not more than can be answered."""
        if self._transport is None:
            return
        reading = self._writable and not self._busy()
        if reading != self._reading:
            self._reading = reading
            if reading:
                self._transport.resume_reading()
            else:
                self._transport.pause_reading()

    def _busy(self) -> bool:
        return self._conversation is not None and self._conversation.busy

    def _end(self) -> None:
        """Let everything go, once."""
        if self._transport is None:
            return
        self._transport = None
        self._hub.connections.discard(self)
        for timer in (self._silence_timer, self._expiry_timer):
            if timer is not None:
                timer.cancel()
        if self._admitting is not None and self._admitting is not asyncio.current_task():
            self._admitting.cancel()
        if self._conversation is not None:
            self._conversation.ended(goodbye=self._goodbye)

    def _introduce(self) -> None:
        """The first packet must be CONNECT [MQTT-3.1.0-1]; what follows waits until it is judged."""
        if self._admitting is None and self._early:
            first = self._early.popleft()
            if not isinstance(first, Connect):
                self.abort("it did not begin with CONNECT")
                return
            self._admitting = asyncio.create_task(self._admit(first))
        if len(self._early) > _MOST_EARLY:
            self.abort("it sent too much before it was admitted")

    async def _admit(self, connect: Connect) -> None:
        try:
            admitted = await self._hub.admissions.admit(connect, self._address)
            if isinstance(admitted, ConnackCode):
                self._refuse(admitted)
            else:
                await self._begin(connect, *admitted)
        except Exception:  # an inner fault must not read as a refusal for good
            logger.exception("%s could not be admitted", self._who())
            self._refuse(ConnackCode.SERVER_UNAVAILABLE)

    def _refuse(self, code: ConnackCode) -> None:
        self.send(encode(Connack(False, code)))
        self.abort(f"refused with code {code.value}")

    async def _begin(self, connect: Connect, claim: Claim, admission: Admission) -> None:
        session, present = await self._hub.sessions.open(admission.identity, connect.clean_session)
        if claim.model_id is not None:
            await self._hub.twins.set_model_id(admission.identity, claim.model_id)
        if self._transport is None:
            return
        self._hub.sessions.disconnect(admission.identity, "the same identity connected again")
        self.send(encode(Connack(present, ConnackCode.ACCEPTED)))
        self._silence = min(1.5 * connect.keep_alive or MOST_KEEP_ALIVE, MOST_KEEP_ALIVE)
        self._watch_silence()
        self._watch_expiry(admission.expiry)
        self._conversation = Conversation(self._hub, session, self, connect.will)
        self._hub.sessions.attach(self._conversation)
        self._handle_all(self._conversation, self._early)
        self._early.clear()

    def _handle_all(self, conversation: Conversation, packets: Iterable[Packet]) -> None:
        conversation.last_activity = self._hub.clock()
        for packet in packets:
            if self._transport is None:
                return
            if type(packet) is Publish:
                conversation.publish(packet)
            elif type(packet) is Puback:
                conversation.acknowledged(packet.packet_id)
            else:
                self._handle_rare(conversation, packet)

    def _handle_rare(self, conversation: Conversation, packet: Packet) -> None:
        match packet:
            case Pingreq():
                self.send(PINGRESP)
            case Subscribe():
                conversation.subscribe(packet)
            case Unsubscribe():
                conversation.unsubscribe(packet)
            case Disconnect():
                self._goodbye = True
                self.abort("it said goodbye")
            case _:
                self.abort(f"{type(packet).__name__} has no place here")

    def _watch_silence(self) -> None:
        """Drop a client that is not heard of for too long; one that we ourselves keep waiting is excused."""
        if self._silence_timer is not None:
            self._silence_timer.cancel()
        if self._busy():
            self._heard = self._loop.time()
        due = self._heard + self._silence
        if due <= self._loop.time():
            self.abort(f"nothing was heard of it for {self._silence:g} s")
        else:
            self._silence_timer = self._loop.call_at(due, self._watch_silence)

    def _watch_expiry(self, expiry: int) -> None:
        """End the connection when its token does (contract 1.3), with the skew that was granted to it."""
        left = expiry + CLOCK_SKEW - self._hub.clock()
        if left <= 0:
            self.abort("its token has expired")
        else:
            self._expiry_timer = self._loop.call_later(min(left, _LONGEST_TIMER), self._watch_expiry, expiry)

    def _who(self) -> str:
        known = self._conversation.session.identity if self._conversation else "a client"
        return f"{known} ({self._address})"


def _address(transport: asyncio.BaseTransport) -> str:
    peer = transport.get_extra_info("peername")
    return f"{peer[0]}:{peer[1]}" if isinstance(peer, tuple) else str(peer or "?")
