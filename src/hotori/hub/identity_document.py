"""A registration as REST shows it and takes it: Device and Module (contract 2.2)."""

from __future__ import annotations

from typing import Any

from hotori.hub.authentication_document import authentication_document, read_authentication
from hotori.hub.hub import Hub
from hotori.hub.moment import written_time
from hotori.hub.queues import device_endpoint
from hotori.hub.registration import Registration
from hotori.hub.registry import Draft
from hotori.hub.sessions import Presence
from hotori.model.identity import Identity
from hotori.model.json import JsonObject
from hotori.problems import Problem
from hotori.problems.service import REQUEST_MALFORMED


def identity_document(hub: Hub, registration: Registration) -> JsonObject:
    """A Device or Module with its keys, its etag without quotation marks, and whether it is connected now."""
    identity = registration.identity
    presence = hub.sessions.presence(identity)
    document: JsonObject = {
        "deviceId": identity.device,
        "generationId": registration.generation,
        "etag": registration.etag,
        **presence_members(presence),
        "connectionStateUpdatedTime": written_time(presence.since if presence else 0),
        "cloudToDeviceMessageCount": waiting_messages(hub, identity),
        "authentication": authentication_document(registration),
    }
    if identity.module is not None:
        return {"moduleId": identity.module, "managedBy": registration.managed_by, **document}
    return document | _device_members(registration)


def presence_members(presence: Presence | None) -> JsonObject:
    return {
        "connectionState": "Connected" if presence and presence.connected else "Disconnected",
        "lastActivityTime": written_time(presence.last_activity if presence else 0),
    }


def waiting_messages(hub: Hub, identity: Identity) -> int:
    """How many messages of the cloud wait for a device."""
    return 0 if identity.module else sum(len(queue) for queue in hub.queues.group(device_endpoint(identity.device)))


def scope_members(registration: Registration) -> JsonObject:
    """Where a device stands; members without a value are left out."""
    scope: JsonObject = {"deviceScope": registration.scope} if registration.scope else {}
    return scope | {"parentScopes": list(registration.parent_scopes)}


def _device_members(registration: Registration) -> JsonObject:
    return {
        "status": "enabled" if registration.enabled else "disabled",
        "statusReason": registration.status_reason,
        "statusUpdatedTime": written_time(registration.status_updated),
        "capabilities": {"iotEdge": registration.edge},
        **scope_members(registration),
    }


def read_draft(identity: Identity, document: JsonObject) -> Draft:
    """What a Device or Module asks for. Raises `request-malformed` and `authentication-unsupported`."""
    for name in ("deviceId", "moduleId"):
        given, meant = document.get(name), identity.module if name == "moduleId" else identity.device
        if given is not None and given != meant:
            raise Problem(REQUEST_MALFORMED, reason=f"{name} is {given!r} in the body and {meant!r} in the address")
    status = _text(document, "status")
    if status not in (None, "enabled", "disabled"):
        raise Problem(REQUEST_MALFORMED, reason=f"status is enabled or disabled, not {status!r}")
    edge = _object(document, "capabilities").get("iotEdge")
    proofs = read_authentication(identity, _object(document, "authentication"))
    return Draft(
        primary=proofs.primary,
        secondary=proofs.secondary,
        authentication=proofs.authentication,
        primary_thumbprint=proofs.primary_thumbprint,
        secondary_thumbprint=proofs.secondary_thumbprint,
        enabled=None if status is None else status == "enabled",
        edge=edge if isinstance(edge, bool) else None,
        parent_scope=_parent_scope(document, bool(edge)),
        managed_by=_text(document, "managedBy"),
        status_reason=_text(document, "statusReason"),
    )


def _parent_scope(document: JsonObject, edge: bool) -> str | None:
    """An edge device names its parent in `parentScopes`, since its `deviceScope` is its own; a leaf in either."""
    scope = _text(document, "deviceScope")
    if not edge and scope is not None:
        return scope
    parents = document.get("parentScopes")
    if not isinstance(parents, list):
        return None
    return str(parents[0]) if parents else ""


def _object(document: JsonObject, name: str) -> JsonObject:
    value = document.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Problem(REQUEST_MALFORMED, reason=f"{name} is an object")
    return value


def _text(document: JsonObject, name: str) -> str | None:
    value: Any = document.get(name)
    if value is None or isinstance(value, str):
        return value
    raise Problem(REQUEST_MALFORMED, reason=f"{name} is a text")
