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
from hotori.hub.credentials import Refusal, unreadable
from hotori.hub.head import Ending
from hotori.hub.provisioning.applicant import Accepted, Applicant
from hotori.hub.provisioning.provisioning import RETRY_AFTER, Provisioning
from hotori.hub.provisioning.topics import (
    RESPONSES,
    Register,
    Request,
    is_for_provisioning,
    parse_request,
    read_user_name,
    response_topic,
)
from hotori.hub.provisioning.words import check_register, error_body
from hotori.model.json import JsonObject
from hotori.model.sas import SasToken
from hotori.mqtt.decoder import Decoder
from hotori.mqtt.encoder import PINGRESP, encode, encode_puback, encode_publish
from hotori.mqtt.packets import (
    PROTOCOL_LEVEL,
    SUBSCRIPTION_FAILED,
    Connack,
    ConnackCode,
    Connect,
    Disconnect,
    MalformedPacketError,
    Packet,
    Pingreq,
    Puback,
    Publish,
    Suback,
    Subscribe,
    Unsuback,
    Unsubscribe,
)
from hotori.mqtt.packets5 import Reason
from hotori.net.client_certificate import certificate_chain
from hotori.problems import Problem

LONGEST_VISIT = 600.0
"""Seconds after which a device has to come again: provisioning takes some, and nothing else is done here."""
_FAULTS = {"registration-unknown": (404, 404204), "request-malformed": (400, 400004)}
"""Status and error code of what is the device's own mistake, by the problem's code."""
_MAX_PACKET = 64 * 1024
_MOST_WAITING = 20
"""Requests that a device may send before the first is answered."""

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
        self._decoder = Decoder(_MAX_PACKET)
        self._packets: asyncio.Queue[Packet] = asyncio.Queue()
        self._transport: asyncio.Transport | None = None
        self._task: asyncio.Task[None] | None = None
        self._last: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are no subclasses of it
        self._provisioning.hub.connections.add(self)
        overstays = "its visit has lasted long enough"
        self._last = asyncio.get_running_loop().call_later(LONGEST_VISIT, self.abort, overstays)
        chain = certificate_chain(transport.get_extra_info("ssl_object"))
        self._task = asyncio.create_task(self._receive(chain))

    def data_received(self, data: bytes) -> None:
        try:
            packets = self._decoder.feed(data)
        except MalformedPacketError as error:
            self.abort(str(error))
            return
        for packet in packets:
            self._packets.put_nowait(packet)
        if self._packets.qsize() > _MOST_WAITING:
            self.abort("it asks for too much at once")

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
            if accepted is None:
                return
            self.send(encode(Connack(False, ConnackCode.ACCEPTED)))
            while self._transport is not None:
                await self._handle(accepted, await self._packets.get())
        except Exception:  # an inner fault must not read as a refusal for good
            logger.exception("%s (%s) could not be served", self._connect.client_id, self._address)
            self._refuse(ConnackCode.SERVER_UNAVAILABLE)

    async def _admit(self, chain: Sequence[bytes]) -> Accepted | None:
        """Whom it lets in. Refusals are counted, logged and remembered as the hub's own are."""
        if self._connect.level != PROTOCOL_LEVEL:
            self._refuse(ConnackCode.UNACCEPTABLE_PROTOCOL)
            return None
        names = read_user_name(self._connect)
        if names is None:
            refusal = unreadable("it is not SCOPE/registrations/CLIENTID/api-version=…")
        else:
            token = SasToken.parse((self._connect.password or b"").decode(errors="replace"))
            verdict = await self._provisioning.accept(Applicant(*names, token, ClientCertificate.read(chain)))
            if isinstance(verdict, Accepted):
                return verdict
            refusal = Refusal(ConnackCode.NOT_AUTHORIZED, verdict)
        admissions = self._provisioning.hub.admissions
        self._refuse((await admissions.refuse(refusal, self._address, self._connect.client_id)).code)
        return None

    def _refuse(self, code: ConnackCode | Reason) -> None:
        self.send(encode(Connack(False, code)))
        self.abort(f"refused with code {code.value}")

    async def _handle(self, accepted: Accepted, packet: Packet) -> None:
        match packet:
            case Publish():
                await self._answer(accepted, packet)
            case Subscribe():
                codes = tuple(min(qos, 1) if name == RESPONSES else SUBSCRIPTION_FAILED for name, qos in packet.filters)
                self.send(encode(Suback(packet.packet_id, codes)))
            case Unsubscribe():
                self.send(encode(Unsuback(packet.packet_id)))
            case Pingreq():
                self.send(PINGRESP)
            case Puback():
                pass
            case Disconnect():
                self.abort("it said goodbye", Ending.GOODBYE)
            case _:
                self.abort(f"{type(packet).__name__} has no place here")

    async def _answer(self, accepted: Accepted, packet: Publish) -> None:
        request = parse_request(packet.topic)
        if packet.qos == 2 or request is None:
            self.abort(f"nothing is asked by {packet.topic[:80]!r}")
            return
        if packet.qos:
            self.send(encode_puback(packet.packet_id))
        status, retry_after, body = await self._result(accepted, request, packet.payload)
        self.send(encode_publish(response_topic(status, request.rid, retry_after), msgspec.json.encode(body)))

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
