"""What a hub tells of by itself, as messages beside telemetry: twins changed, devices made, removed, connected.

Consumers know them by the system property `iothub-message-source` (contract 1.6).
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Mapping
from enum import StrEnum

import msgspec

from hotori.hub.hub import Hub
from hotori.hub.intake import RoutingIntake
from hotori.hub.moment import written_time
from hotori.hub.promise import Answer, when_settled
from hotori.hub.registration import Registration
from hotori.hub.registry import Registry
from hotori.hub.twin_metadata import Stamp, restamped
from hotori.hub.twins import ServiceWrite, TwinChange
from hotori.model.identity import EDGE_AGENT, EDGE_HUB, Identity
from hotori.model.json import JsonObject
from hotori.model.message import Message
from hotori.routing.source import TWIN_CHANGES

SOURCE = "iothub-message-source"
"""The system property that says what a message tells of; telemetry has none."""

logger = logging.getLogger(__name__)


class EventSource(StrEnum):
    """What can be told of."""

    TWIN_CHANGES = "twinChangeEvents"
    LIFECYCLE = "deviceLifecycleEvents"
    CONNECTION_STATE = "deviceConnectionStateEvents"


_SCHEMAS: Mapping[EventSource, str] = {
    EventSource.TWIN_CHANGES: "twinChangeNotification",
    EventSource.LIFECYCLE: "deviceLifecycleNotification",
    EventSource.CONNECTION_STATE: "deviceConnectionStateNotification",
}


class HubEvents:
    """The cloud's: watches hub and registry from construction on, and puts what `sources` name into the intake."""

    def __init__(self, hub: Hub, registry: Registry, sources: frozenset[EventSource]) -> None:
        self._hub = hub
        self._numbers = itertools.count(1)
        if EventSource.TWIN_CHANGES in sources:
            hub.twins.write_watchers.append(self._written)
            hub.twins.reported_watchers.append(self._reported)
        if EventSource.LIFECYCLE in sources:
            registry.watchers.append(self._registered)
        if EventSource.CONNECTION_STATE in sources:
            hub.sessions.watchers.append(self._presence)

    def _written(self, news: ServiceWrite) -> None:
        write, twin = news.write, news.record.twin
        body: JsonObject = {"version": twin.version}
        if write.tags is not None:
            body["tags"] = write.tags
        if write.desired is not None:
            stamp = Stamp(news.record.desired_at, twin.desired.version)
            body["properties"] = {"desired": _changed(write.desired, stamp, twin.desired.version)}
        kind = "replaceTwin" if write.whole else "updateTwin"
        self._tell(EventSource.TWIN_CHANGES, news.identity, kind, body)

    def _reported(self, change: TwinChange) -> None:
        section = _changed(change.patch, Stamp(self._hub.clock()), change.twin.reported.version)
        body: JsonObject = {"version": change.twin.version, "properties": {"reported": section}}
        self._tell(EventSource.TWIN_CHANGES, change.identity, "updateTwin", body)

    def _registered(self, registration: Registration, *, created: bool) -> None:
        identity = registration.identity
        body: JsonObject = {
            "deviceId": identity.device,
            **({"moduleId": identity.module} if identity.module else {}),
            "etag": registration.etag,
            "generationId": registration.generation,
        }
        verb = "create" if created else "delete"
        noun = "Module" if identity.module else "Device"
        self._tell(EventSource.LIFECYCLE, identity, f"{verb}{noun}Identity", body)

    def _presence(self, identity: Identity, connected: bool) -> None:
        noun = "module" if identity.module else "device"
        kind = f"{noun}{'Connected' if connected else 'Disconnected'}"
        self._tell(EventSource.CONNECTION_STATE, identity, kind, {"sequenceNumber": f"{next(self._numbers):018X}"})

    def _tell(self, source: EventSource, identity: Identity, kind: str, body: JsonObject) -> None:
        now = self._hub.clock()
        properties = {
            "hubName": self._hub.name,
            "deviceId": identity.device,
            **({"moduleId": identity.module} if identity.module else {}),
            "opType": kind,
            "operationTimestamp": written_time(now),
            "iothub-message-schema": _SCHEMAS[source],
        }
        system = {**_JSON, SOURCE: source.value}
        message = Message(msgspec.json.encode(body), properties, system, identity, None, now)
        when_settled(self._hub.intake.enter(message), _stored)


class TwinNotifications:
    """An edge device's: what modules and devices there report goes, as messages, where routes send it.

    A route has to ask for them: `FROM /twinChangeNotifications`, or `FROM /*` (contract 5.1).
    """

    def __init__(self, hub: Hub, intake: RoutingIntake) -> None:
        self._hub, self._intake = hub, intake
        hub.twins.reported_watchers.append(self._reported)

    def _reported(self, change: TwinChange) -> None:
        if change.identity.module in (EDGE_AGENT, EDGE_HUB):
            return
        body = msgspec.json.encode({"properties": {"reported": change.patch}})
        properties = {"iothub-message-schema": _SCHEMAS[EventSource.TWIN_CHANGES]}
        system = {**_JSON, SOURCE: EventSource.TWIN_CHANGES.value}
        message = Message(body, properties, system, change.identity, None, self._hub.clock())
        routed = self._intake.route(message, TWIN_CHANGES)
        if routed is not None:
            when_settled(routed, _stored)


_JSON = {"ct": "application/json", "ce": "utf-8"}


def _changed(patch: JsonObject, stamp: Stamp, version: int) -> JsonObject:
    return {**patch, "$metadata": restamped({}, patch, stamp), "$version": version}


def _stored(answer: Answer) -> None:
    """Nobody waits for it: what cannot be kept is said in the log."""
    if isinstance(answer, Exception):
        logger.error("An event of the hub could not be kept: %s", answer)
