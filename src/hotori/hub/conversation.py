"""What an admitted client says, and what it is told, in the hub's own words: no protocol is known here.

A head (`head.py`) speaks the client's protocol; a conversation lasts from its admission to the end of its connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from hotori.hub.courier import Courier
from hotori.hub.credentials import Claim
from hotori.hub.head import Ending, Head
from hotori.hub.line import Line
from hotori.hub.queues import device_endpoint, module_group
from hotori.hub.session import Session
from hotori.hub.twins import TwinNotReadyError
from hotori.model.json import Json, JsonObject
from hotori.model.message import Message
from hotori.mqtt.packets import MAX_PACKET_ID
from hotori.problems import Problem

if TYPE_CHECKING:
    from hotori.hub.hub import Hub

_WILL = {"iothub-MessageType": "Will"}

logger = logging.getLogger(__name__)


class Conversation:
    """One connection's. `last_words` are published if it ends without a goodbye (contract 1.2), `delay` seconds later.

    `most_out` is how many deliveries the client takes without acknowledging them.
    """

    __slots__ = (
        "_closed",
        "_courier",
        "_delay",
        "_head",
        "_hub",
        "_last_words",
        "_subscribing",
        "_twin_requests",
        "acknowledged",
        "address",
        "claim",
        "last_activity",
        "lines",
        "session",
    )

    def __init__(
        self,
        hub: Hub,
        session: Session,
        head: Head,
        last_words: Message | None = None,
        *,
        delay: float = 0.0,
        most_out: int = MAX_PACKET_ID,
    ) -> None:
        self.session = session
        self.claim: Claim | None = None
        self.address = ""
        """What it was admitted for, to be judged again when the registry changes."""
        self.last_activity = hub.clock()
        self._hub = hub
        self._head = head
        self._last_words, self._delay = last_words, delay
        # Two lines, since a twin may have to come from another hub first and subscriptions must not wait for that.
        self._subscribing: Line | None = None
        self._twin_requests: Line | None = None
        self.lines: tuple[Line, ...] = ()
        """What it was asked and has not answered."""
        self._courier = self._send_courier(most_out)
        self.acknowledged: Callable[[Sequence[int]], None] = (
            self._courier.acknowledge if self._courier else _no_delivery
        )
        """To be called with the packet ids of deliveries that the client has."""
        self._closed = False

    @property
    def subscribing(self) -> Line:
        """Changes of what it subscribes to, one after the other."""
        if self._subscribing is None:
            self._subscribing = self._line("a subscription could not be kept")
        return self._subscribing

    @property
    def _asking(self) -> Line:
        if self._twin_requests is None:
            self._twin_requests = self._line("a twin request failed")
        return self._twin_requests

    def _line(self, failure: str) -> Line:
        line = Line(partial(self._head.end, failure, Ending.FAULT))
        if self._closed:
            line.close()
        self.lines = (*self.lines, line)
        return line

    @property
    def closed(self) -> bool:
        return self._closed

    def refused(self, packet_id: int) -> None:
        """The client does not want what we delivered, now or again."""
        if self._courier is not None:
            self._courier.refuse(packet_id)

    def wake(self) -> None:
        """The client reads again, or wants something new."""
        if self._courier is not None:
            self._courier.wake()

    def ask_twin(self, request: str) -> None:
        """The client asks for its twin (contract 1.7)."""
        if self._in_time(request, 0):
            self._asking.add(partial(self._answer_twin, request))

    def ask_desired(self) -> None:
        """The client wants to know all that is desired."""
        self._asking.add(self._tell_whole)

    def patch_reported(self, request: str, patch: bytes) -> None:
        """The client changes its reported properties; the patch is its text, unread (contract 1.7)."""
        if self._in_time(request, len(patch)):
            self._asking.add(partial(self._patch_reported, request, patch))

    def answer(self, request: str, status: int, payload: bytes) -> None:
        """The client answers a method call. Raises ValueError where the answer is not JSON."""
        self._hub.methods.answered(self.session.identity, request, status, payload)

    @property
    def takes_methods(self) -> bool:
        return self._head.takes_methods

    def call(self, name: str, request: str, payload: bytes) -> None:
        """Send a method call (contract 1.8)."""
        self._head.call(name, request, payload)

    def desired_changed(self, patch: JsonObject, version: int) -> None:
        """Send a desired patch, if the client wants to know."""
        self._head.tell_desired(patch, version)

    def close(self, reason: str, ending: Ending = Ending.ADMINISTRATIVE) -> None:
        """End the connection from our side."""
        self._head.end(reason, ending)

    def ended(self, *, goodbye: bool) -> None:
        """The connection has ended; without a goodbye its will is published (contract 1.2)."""
        if self._closed:
            return
        self._closed = True
        for line in self.lines:
            line.close()
        if self._courier is not None:
            self._courier.close()
        self._hub.sessions.detach(self)
        if self._last_words is not None and not goodbye:
            self._publish_or_hold(self._last_words)

    def _in_time(self, request: str, size: int) -> bool:
        """Whether a twin request keeps to the rates of its sender; if not, it is answered 429 and not carried out."""
        rates, identity = self._hub.rates, self.session.identity
        if not rates.limited:
            return True
        self._hub.turn.end()  # what was said before it counts
        now = asyncio.get_running_loop().time()
        excess = rates.excess(identity, now)
        rates.spend(identity, size, now)
        if excess:
            problem = self._hub.fast.problem(identity, excess)
            self._refuse(request, 429, f"{problem}. {problem.cause()}")
        return not excess

    async def _answer_twin(self, request: str) -> None:
        began = time.perf_counter()
        try:
            twin = await self._hub.twins.get(self.session.identity)
        except TwinNotReadyError:
            self._head.tell_twin(503, request, None, None)
        else:
            body: JsonObject = {"desired": twin.desired.document(), "reported": twin.reported.document()}
            self._head.tell_twin(200, request, body, None)
            self._hub.meters.twin_read(self.session.identity, began)

    async def _tell_whole(self) -> None:
        with contextlib.suppress(TwinNotReadyError):  # it is told once the twin has come
            desired = (await self._hub.twins.get(self.session.identity)).desired
            self._head.tell_whole(desired.document(), desired.version)

    async def _patch_reported(self, request: str, text: bytes) -> None:
        patch = read_patch(text)
        if isinstance(patch, str):
            self._refuse(request, 400, patch)
            return
        began = time.perf_counter()
        try:
            twin = await self._hub.twins.patch_reported(self.session.identity, patch)
        except TwinNotReadyError:
            self._head.tell_twin(503, request, None, None)
        except Problem as problem:
            status = 400 if problem.code == "twin-invalid" else 500
            self._refuse(request, status, f"{problem}. {problem.cause()}")
        else:
            self._head.tell_twin(204, request, None, twin.reported.version)
            self._hub.meters.report_kept(self.session.identity, began)

    def _refuse(self, request: str, status: int, why: str) -> None:
        self._head.tell_twin(status, request, {"errorCode": status, "message": why}, None)

    def _send_courier(self, most_out: int) -> Courier | None:
        """Who has a queue has a courier: devices for what the cloud sends, modules of this device for inputs."""
        identity = self.session.identity
        if identity.module is None:
            group, terms = device_endpoint(identity.device), self._hub.device_bound.terms
        elif identity.device == self._hub.device:
            group, terms = module_group(identity.module), self._hub.input_terms
        else:
            return None
        sent = self._hub.meters.sent
        return Courier(self._hub.queues, group, self.session, self._head, terms, self._hub.clock, most_out, sent)

    def _publish_or_hold(self, will: Message) -> None:
        delay = min(self._delay, self.session.expiry)
        if delay:
            self._hub.sessions.hold(self.session.identity, delay, partial(self._publish_will, will))
        else:
            self._publish_will(will)

    def _publish_will(self, will: Message) -> None:
        properties = {**will.properties, **_WILL}
        stored = self._hub.submit(self.session.identity, replace(will, properties=properties))
        stored.add_done_callback(self._will_stored)

    def _will_stored(self, stored: asyncio.Future[int]) -> None:
        if not stored.cancelled() and (error := stored.exception()) is not None:
            logger.error("The will of %s could not be stored: %s", self.session.identity, error)


def _no_delivery(packet_ids: Sequence[int]) -> None:
    """Nothing is delivered to this client."""


def read_patch(text: bytes) -> JsonObject | str:
    """The patch, or what is wrong with it."""
    try:
        patch: Json = msgspec.json.decode(text)
    except (ValueError, RecursionError):  # ValueError: a text in it may be no UTF-8
        return "the patch is not JSON"
    return patch if isinstance(patch, dict) else "the patch is not a JSON object"
