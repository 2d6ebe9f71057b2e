"""A twin as the service sees it: what is kept of it, together with what is known of its identity (contract 2.3)."""

from __future__ import annotations

import base64

from hotori.hub.hub import Hub
from hotori.hub.identity_document import presence_members, scope_members, waiting_messages
from hotori.hub.moment import NEVER
from hotori.hub.registration import Registration
from hotori.hub.twin_metadata import Stamp
from hotori.hub.twin_record import TwinRecord
from hotori.model.json import JsonObject
from hotori.model.twin import Section


def twin_etag(record: TwinRecord) -> str:
    """The service's own writes, counted, as an etag without quotation marks."""
    return base64.b64encode(record.revision.to_bytes(8, "big")).decode()


async def twin_document(hub: Hub, registration: Registration) -> JsonObject:
    """The full twin of a registered identity."""
    return full_twin(hub, registration, await hub.twins.record(registration.identity))


def full_twin(hub: Hub, registration: Registration, record: TwinRecord) -> JsonObject:
    """The full twin from its parts."""
    identity = registration.identity
    document: JsonObject = {
        "deviceId": identity.device,
        **({"moduleId": identity.module} if identity.module else {}),
        **({"modelId": record.model_id} if record.model_id else {}),
        "etag": twin_etag(record),
        "deviceEtag": registration.etag,
        "version": record.twin.version,
        "status": "enabled" if registration.enabled else "disabled",
        "statusReason": registration.status_reason,
        "statusUpdateTime": NEVER,
        **presence_members(hub.sessions.presence(identity)),
        "cloudToDeviceMessageCount": waiting_messages(hub, identity),
        "authenticationType": "sas",
        "x509Thumbprint": {"primaryThumbprint": None, "secondaryThumbprint": None},
        "tags": record.twin.tags,
        "properties": {
            "desired": _section(
                record.twin.desired,
                Stamp(record.desired_at, record.twin.desired.version).members() | record.desired_metadata,
            ),
            "reported": _section(record.twin.reported, Stamp(record.reported_at).members() | record.reported_metadata),
        },
    }
    if statuses := hub.configuration_statuses.get(identity):
        document["configurations"] = statuses
    if identity.module is None:
        document |= {"capabilities": {"iotEdge": registration.edge}, **scope_members(registration)}
    return document


def _section(section: Section, metadata: JsonObject) -> JsonObject:
    """The values with `$version` and when each of them was written."""
    return {**section.values, "$metadata": metadata, "$version": section.version}
