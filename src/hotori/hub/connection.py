"""One socket: bytes to packets and back, with everything for one client written once in a turn of the loop."""

from __future__ import annotations

import asyncio
import logging
import math
from typing import TYPE_CHECKING, Any, cast

from hotori.hub.credentials import Admission, Claim
from hotori.hub.denied import Denied
from hotori.hub.dialects import dialect_for
from hotori.hub.head import Ending
from hotori.hub.mqtt_head import MqttHead
from hotori.hub.versions import (
    decoder_for,
    ending_of,
    fault,
    head_class,
    refusal,
    session_expiry,
    silence,
    welcome,
)
from hotori.model.message import MAX_SIZE
from hotori.model.sas import CLOCK_SKEW
from hotori.mqtt.decoder import Cutter
from hotori.mqtt.greeting import Greeting
from hotori.mqtt.packets import ConnackCode, Connect, MalformedPacketError
from hotori.net.client_certificate import certificate_chain

if TYPE_CHECKING:
    from hotori.hub.hub import Hub

MAX_PACKET = MAX_SIZE + 0xFFFF
"""The largest message, and the topic that its properties are also in."""
MOST_UNREAD = 4 * 1024 * 1024
"""Bytes that may wait for a client that does not read; beyond them it is dropped."""

logger = logging.getLogger(__name__)


class Connection(asyncio.Protocol):
    """Waits for CONNECT, has it judged, and then hands packets to a head.

    Ten thousand of them wait at a hub: there are slots instead of a dictionary, no timers (see `Watch`), and nothing is
    kept that was needed only at the beginning.
    """

    __slots__ = (
        "_address",
        "_admitting",
        "_decoder",
        "_early",
        "_expiry",
        "_greeting",
        "_head",
        "_heard",
        "_hub",
        "_loop",
        "_out",
        "_reading",
        "_resting",
        "_silence",
        "_transport",
        "_writable",
    )

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._loop = asyncio.get_running_loop()
        self._greeting: Greeting | None = Greeting(MAX_PACKET)
        self._decoder: Cutter[Any] | None = None
        self._head: MqttHead | None = None
        self._admitting: asyncio.Task[None] | None = None
        self._early = b""
        self._out: list[bytes] = []
        self._transport: asyncio.Transport | None = None
        self._address = "?"
        self._heard = self._loop.time()
        self._silence = hub.connect_seconds
        self._expiry = math.inf
        self._writable = True
        self._reading = True
        self._resting = False

    @property
    def writable(self) -> bool:
        return self._writable

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are no subclasses of it
        self._address = _address(transport)
        if self._hub.closed:  # its handshake was under way when the listener closed
            self._transport.abort()
            return
        self._hub.connections.add(self)
        self._hub.watch.add(self)

    def data_received(self, data: bytes) -> None:
        self._heard = self._loop.time()
        head = self._head
        if head is None:
            self._greet(data)
            self._pace()
            return
        self._read(head, data)
        if self._hub.rates.limited:
            self._hub.turn.end()  # what it said just now counts
            self._rest(head)
        if head.busy:
            self._pace()

    def _rest(self, head: MqttHead) -> None:
        """Do not read for a while from a client that says more than it may (ADR 27)."""
        seconds = self._hub.rates.rest(head.conversation.session.identity, self._loop.time())
        if seconds and not self._resting:
            self._resting = True
            self._loop.call_later(seconds, self._go_on)
            self._pace()

    def _go_on(self) -> None:
        self._resting = False
        self._pace()

    def pause_writing(self) -> None:
        self._writable = False
        self._pace()

    def resume_writing(self) -> None:
        self._writable = True
        if self._head is not None:
            self._head.conversation.wake()
        self._pace()

    def connection_lost(self, error: Exception | None) -> None:
        self._end()

    def send(self, data: bytes) -> None:
        """Write at the end of this turn of the loop, together with what else is sent until then."""
        if self._transport is None:
            return
        if not self._out:
            self._hub.flushes.add(self._flush)
        self._out.append(data)

    def answered(self) -> None:
        """There is room for more of what the client says."""
        if not self._reading:
            self._pace()

    def abort(self, reason: str, ending: Ending = Ending.FAULT) -> None:
        """End the connection; what was sent before still goes out, if the client takes it at once."""
        transport = self._transport
        if transport is None:
            return
        logger.info("The connection of %s is closed: %s", self._who(), reason)
        if self._head is not None and (farewell := self._head.farewell(ending, reason)):
            self._out.append(farewell)
        if self._out:
            transport.write(b"".join(self._out))
            self._out.clear()
        self._end(goodbye=ending is Ending.GOODBYE)
        if self._writable:
            transport.close()
        else:
            transport.abort()

    def _flush(self) -> None:
        transport = self._transport
        if transport is None:
            return
        out = self._out
        if out:
            transport.write(b"".join(out) if len(out) > 1 else out[0])
            out.clear()
        if not self._writable and (unread := transport.get_write_buffer_size()) > MOST_UNREAD:
            self.abort(f"{unread} bytes wait for it and it does not read", Ending.NOT_READING)
        if not self._reading:
            self._pace()

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
        return self._resting or (self._admitting is not None if self._head is None else self._head.busy)

    def _end(self, *, goodbye: bool = False) -> None:
        """Let everything go, once."""
        if self._transport is None:
            return
        self._transport = None
        self._hub.connections.discard(self)
        if self._admitting is not None and self._admitting is not asyncio.current_task():
            self._admitting.cancel()
        if self._head is not None:
            self._head.conversation.ended(goodbye=goodbye)
            self._head.gone()

    def _greet(self, data: bytes) -> None:
        """The first packet must be CONNECT [MQTT-3.1.0-1]; what follows waits until it is judged."""
        if self._admitting is not None or self._greeting is None:
            self._early += data
            return
        try:
            greeting = self._greeting.feed(data)
        except MalformedPacketError as error:
            self.abort(str(error), ending_of(error))
            return
        if greeting is not None:
            connect, self._early = greeting
            self._greeting = None
            self._admitting = asyncio.create_task(self._admit(connect))

    async def _admit(self, connect: Connect) -> None:
        try:
            if (denied := fault(connect)) is not None:
                self._refuse(connect, denied)
                return
            if (visitor := self._visitor(connect)) is not None:
                self._hand_over(visitor)
                return
            admitted = await self._hub.admissions.admit(
                connect, self._address, self._certificates(), secure=self._secure
            )
            if isinstance(admitted, Denied):
                self._refuse(connect, admitted)
            else:
                await self._begin(connect, *admitted)
        except Exception:  # an inner fault must not read as a refusal for good
            logger.exception("%s could not be admitted", self._who())
            self._refuse(connect, Denied(ConnackCode.SERVER_UNAVAILABLE))

    @property
    def _secure(self) -> bool:
        return self._transport is not None and self._transport.get_extra_info("ssl_object") is not None

    def _visitor(self, connect: Connect) -> asyncio.Protocol | None:
        counter = self._hub.counter
        return counter.visitor(connect, self._address) if counter is not None else None

    def _hand_over(self, visitor: asyncio.Protocol) -> None:
        """The client means somebody else at this port, who goes on with its socket."""
        transport = self._transport
        if transport is None:
            return
        self._end()
        visitor.connection_made(transport)
        transport.set_protocol(visitor)
        if not self._reading:
            transport.resume_reading()
        visitor.data_received(self._early)

    def _certificates(self) -> tuple[bytes, ...]:
        """What the client showed in the handshake of TLS."""
        return certificate_chain(self._transport.get_extra_info("ssl_object")) if self._transport else ()

    def _refuse(self, connect: Connect, denied: Denied) -> None:
        self.send(refusal(connect, denied))
        self.abort(f"refused with code {denied.code.value:#x}: {denied.why or 'see above'}")

    async def _begin(self, connect: Connect, claim: Claim, admission: Admission) -> None:
        identity, sessions = admission.identity, self._hub.sessions
        session, present = await sessions.open(identity, connect.clean_session, session_expiry(connect))
        if claim.model_id is not None:
            await self._hub.twins.set_model_id(identity, claim.model_id)
        if self._transport is None:
            return
        if (before := sessions.client(identity)) is not None:
            self._hub.takeovers.note(identity, before.address, self._address)
            before.close("the same identity connected again", Ending.TAKEN_OVER)
        sessions.release(identity, publish=connect.clean_session)
        dialect = dialect_for(claim.plain, identity)
        self.send(welcome(connect, present, dialect, MAX_PACKET, str(identity)))
        self._silence, self._expiry = silence(connect), admission.expiry + CLOCK_SKEW
        self._decoder = decoder_for(connect, dialect, MAX_PACKET)
        self._head = head_class(connect)(self._hub, session, self, dialect, connect)
        self._admitting = None
        self._head.conversation.claim, self._head.conversation.address = claim, self._address
        sessions.attach(self._head.conversation)
        early, self._early = self._early, b""
        self._read(self._head, early)
        self._pace()

    def _read(self, head: MqttHead, data: bytes) -> None:
        assert self._decoder is not None, "it came with the head"
        try:
            heard = self._decoder.feed(data)
        except MalformedPacketError as error:
            self.abort(str(error), ending_of(error))
        else:
            head.conversation.last_activity = self._hub.clock()
            head.take(heard)

    def look(self, now: float, clock: float) -> bool:
        """Drop a client that is not heard of for too long, and one whose credentials have ended (contract 1.2, 1.3).

        One that we ourselves keep waiting is excused. Whether the connection still is.
        """
        if self._transport is None:
            return False
        if self._busy():
            self._heard = now
        if now >= self._heard + self._silence:
            self.abort(f"nothing was heard of it for {self._silence:g} s", Ending.SILENT)
        elif clock >= self._expiry:
            self.abort("its token has expired", Ending.EXPIRED)
        return self._transport is not None

    def _who(self) -> str:
        known = self._head.conversation.session.identity if self._head else "a client"
        return f"{known} ({self._address})"


def _address(transport: asyncio.BaseTransport) -> str:
    peer = transport.get_extra_info("peername")
    return f"{peer[0]}:{peer[1]}" if isinstance(peer, tuple) else str(peer or "?")
