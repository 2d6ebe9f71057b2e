"""Who had a shell, in which module, and how long: an event of the hub and a line of its log, never what was typed."""

from __future__ import annotations

import logging

import msgspec

from hotori.hub.hub import Hub
from hotori.hub.hub_events import SOURCE
from hotori.hub.moment import written_time
from hotori.hub.promise import Answer, when_settled
from hotori.hub.streams.order import StreamOrder
from hotori.model.json import JsonObject
from hotori.model.message import Message

SHELL_EVENTS = "shellEvents"
"""The source of the events, by their system property `iothub-message-source`."""
_log = logging.getLogger(__name__)


class ShellRecord:
    """One shell."""

    def __init__(self, hub: Hub, order: StreamOrder) -> None:
        self._hub, self._order = hub, order
        self._began = hub.clock()

    def opened(self) -> None:
        order = self._order
        _log.info("%s opened a shell in %s/%s", order.by, order.device, order.module)
        self._tell("openShell", {})

    def closed(self) -> None:
        order, seconds = self._order, round(self._hub.clock() - self._began, 1)
        _log.info("the shell of %s in %s/%s ended after %g s", order.by, order.device, order.module, seconds)
        self._tell("closeShell", {"seconds": seconds})

    def _tell(self, kind: str, more: JsonObject) -> None:
        order, now = self._order, self._hub.clock()
        body: JsonObject = {"deviceId": order.device, "moduleId": order.module, "by": order.by, **more}
        properties = {
            "hubName": self._hub.name,
            "deviceId": order.device,
            "moduleId": order.module,
            "opType": kind,
            "operationTimestamp": written_time(now),
        }
        system = {"ct": "application/json", "ce": "utf-8", SOURCE: SHELL_EVENTS}
        # Nobody's message: who reads those of a device or module is not to take it for one.
        message = Message(msgspec.json.encode(body), properties, system, None, None, now)
        when_settled(self._hub.intake.enter(message), _stored)


def _stored(answer: Answer) -> None:
    """Nobody waits for it: what cannot be kept is said in the log."""
    if isinstance(answer, Exception):
        _log.error("the record of a shell could not be kept: %s", answer)
