"""The counter at which devices ask by MQTT to be provisioned: on the hub's own port, told apart by the user name.

It takes a socket over from the hub once its CONNECT is read (contract 12.1).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import cast

import msgspec

from hotori.hub.client_certificate import ClientCertificate
from hotori.hub.credentials import unreadable
from hotori.hub.denied import Denied
from hotori.hub.head import Ending
from hotori.hub.provisioning.applicant import Accepted, Applicant
from hotori.hub.provisioning.provisioning import RETRY_AFTER, Provisioning
from hotori.hub.provisioning.speech import MOST_WAITING, speech_for
from hotori.hub.provisioning.topics import (
    Register,
    Request,
    is_for_provisioning,
    parse_request,
    read_user_name,
    response_topic,
)
from hotori.hub.provisioning.words import check_register, error_body
from hotori.hub.versions import ending_of, refusal
from hotori.model.json import JsonObject
from hotori.model.sas import SasToken
from hotori.mqtt.encoder import PINGRESP
from hotori.mqtt.packets import (
    PROTOCOL_LEVEL,
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
from hotori.mqtt.packets5 import LEVEL_5, Packet5
from hotori.net.client_certificate import certificate_chain
from hotori.problems import Problem

LONGEST_VISIT = 600.0
"""Seconds after which a device has to come again: provisioning takes some, and nothing else is done here."""
_FAULTS = {"registration-unknown": (404, 404204), "request-malformed": (400, 400004), "tpm-unsupported": (400, 400004)}
"""Status and error code of what is the device's own mistake, by the problem's code."""

logger = logging.getLogger(__name__)


class MqttCounter:
    """Takes over those who come to be provisioned."""

    def __init__(self, provisioning: Provisioning) -> None:
        self._provisioning = provisioning

    def visitor(self, connect: Connect, address: str) -> asyncio.Protocol | None:
        """Who speaks with the client from here on; None where it means the hub."""
        return _Visit(self._provisioning, connect, address) if is_for_provisioning(connect) else None


class _Visit(asyncio.Protocol):
    """One device's, from its CONNECT on."""

    def __init__(self, provisioning: Provisioning, connect: Connect, address: str) -> None:
        self._provisioning, self._connect, self._address = provisioning, connect, address
        self._speech = speech_for(connect)
        self._decoder = self._speech.decoder()
        self._admitted = False
        self._packets: asyncio.Queue[Packet | Packet5] = asyncio.Queue()
        self._transport: asyncio.Transport | None = None
        self._task: asyncio.Task[None] | None = None
        self._last: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are no subclasses of it
        self._provisioning.hub.connections.add(self)
        overstays = "its visit has lasted long enough"
        self._last = asyncio.get_running_loop().call_later(LONGEST_VISIT, self.abort, overstays, Ending.EXPIRED)
        chain = certificate_chain(transport.get_extra_info("ssl_object"))
        self._task = asyncio.create_task(self._receive(chain))

    def data_received(self, data: bytes) -> None:
        try:
            packets = self._decoder.feed(data)
        except MalformedPacketError as error:
            self.abort(str(error), ending_of(error))
            return
        for packet in packets:
            self._packets.put_nowait(packet)
        if self._packets.qsize() > MOST_WAITING:
            self.abort("it asks for too much at once", Ending.RULE_BROKEN)

    def connection_lost(self, error: Exception | None) -> None:
        self._end()

    @property
    def writable(self) -> bool:
        return self._transport is not None

    def send(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def abort(self, reason: str, ending: Ending = Ending.FAULT) -> None:
        """End the visit."""
        transport = self._transport
        if transport is not None:
            logger.info("The visit of %s (%s) is over: %s", self._connect.client_id, self._address, reason)
            if self._admitted:
                transport.write(self._speech.farewell(ending))
            self._end()
            transport.close()

    def _end(self) -> None:
        self._transport = None
        self._provisioning.hub.connections.discard(self)
        if self._last is not None:
            self._last.cancel()
        if self._task is not None and self._task is not asyncio.current_task():
            self._task.cancel()

    async def _receive(self, chain: Sequence[bytes]) -> None:
        try:
            accepted = await self._admit(chain)
            if isinstance(accepted, Denied):
                self._refuse(accepted)
                return
            self.send(self._speech.welcome())
            self._admitted = True
            while self._transport is not None:
                await self._handle(accepted, self._speech.heard(await self._packets.get()))
        except Exception:  # an inner fault must not read as a refusal for good
            logger.exception("%s (%s) could not be served", self._connect.client_id, self._address)
            if self._admitted:
                self.abort("a fault of ours")
            else:
                self._refuse(Denied(ConnackCode.SERVER_UNAVAILABLE))

    async def _admit(self, chain: Sequence[bytes]) -> Accepted | Denied:
        """Whom it lets in. Refusals are counted, logged and remembered as the hub's own are."""
        connect, provisioning = self._connect, self._provisioning
        if connect.level not in (PROTOCOL_LEVEL, LEVEL_5):
            return Denied(ConnackCode.UNACCEPTABLE_PROTOCOL)
        names = read_user_name(connect)
        if names is None:
            unread = unreadable("it is not SCOPE/registrations/CLIENTID/api-version=…")
            return await provisioning.hub.admissions.refuse(unread, self._address, connect.client_id)
        token = SasToken.parse((connect.password or b"").decode(errors="replace"))
        verdict = await provisioning.admit(Applicant(*names, token, ClientCertificate.read(chain)), self._address)
        return verdict if isinstance(verdict, Accepted) else verdict[1]

    def _refuse(self, denied: Denied) -> None:
        self.send(refusal(self._connect, denied))
        self.abort(f"refused with code {denied.code.value:#x}")

    async def _handle(self, accepted: Accepted, packet: Packet | Packet5) -> None:
        match packet:
            case Publish():
                await self._answer(accepted, packet)
            case Subscribe():
                self.send(self._speech.subscribed(packet))
            case Unsubscribe():
                self.send(self._speech.unsubscribed(packet))
            case Pingreq():
                self.send(PINGRESP)
            case Puback():
                pass
            case Disconnect():
                self.abort("it said goodbye", Ending.GOODBYE)
            case _:
                self.abort(f"{type(packet).__name__} has no place here", Ending.RULE_BROKEN)

    async def _answer(self, accepted: Accepted, packet: Publish) -> None:
        request = parse_request(packet.topic)
        if packet.qos == 2 or request is None:
            self.abort(f"nothing is asked by {packet.topic[:80]!r}", Ending.NOT_ALLOWED)
            return
        if packet.qos:
            self.send(self._speech.acknowledged(packet))
        status, retry_after, body = await self._result(accepted, request, packet.payload)
        answer = self._speech.answer(response_topic(status, request.rid, retry_after), msgspec.json.encode(body))
        if answer is None:
            self.abort("its answer is larger than it takes", Ending.TOO_LARGE)
        else:
            self.send(answer)

    async def _result(self, accepted: Accepted, request: Request, payload: bytes) -> tuple[int, int | None, JsonObject]:
        provisioning = self._provisioning
        try:
            if isinstance(request, Register):
                check_register(payload, accepted.registration)
                return 202, RETRY_AFTER, await provisioning.register(accepted)
            return 200, None, await provisioning.poll(accepted.registration, request.operation)
        except Problem as problem:
            now = provisioning.hub.clock()
            if (known := _FAULTS.get(problem.code)) is not None:
                return known[0], None, error_body(known[1], problem, now)
            logger.error("%s could not be provisioned: %s", accepted.registration, problem)
            return 503, RETRY_AFTER, error_body(503001, problem, now)
