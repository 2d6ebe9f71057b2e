"""A registration as records keep it; its name is the key, its version the record's."""

from __future__ import annotations

import msgspec

from hotori.hub.registration import Authentication, Registration
from hotori.model.identity import Identity
from hotori.model.secret import Secret
from hotori.store.records import Record


class _Stored(msgspec.Struct, omit_defaults=True):
    generation: str
    primary: str
    secondary: str
    enabled: bool = True
    edge: bool = False
    scope: str | None = None
    parents: tuple[str, ...] = ()
    managed_by: str | None = None
    status_reason: str | None = None
    authentication: Authentication = Authentication.SAS
    primary_thumbprint: str | None = None
    secondary_thumbprint: str | None = None
    status_updated: float = 0.0


def encode_registration(registration: Registration) -> bytes:
    return msgspec.json.encode(
        _Stored(
            registration.generation,
            registration.primary.reveal(),
            registration.secondary.reveal(),
            registration.enabled,
            registration.edge,
            registration.scope,
            registration.parent_scopes,
            registration.managed_by,
            registration.status_reason,
            registration.authentication,
            registration.primary_thumbprint,
            registration.secondary_thumbprint,
            registration.status_updated,
        )
    )


def decode_registration(record: Record) -> Registration:
    stored = msgspec.json.decode(record.value, type=_Stored)
    return Registration(
        identity=Identity.parse(record.key),
        generation=stored.generation,
        primary=Secret(stored.primary),
        secondary=Secret(stored.secondary),
        enabled=stored.enabled,
        version=record.version,
        edge=stored.edge,
        scope=stored.scope,
        parent_scopes=stored.parents,
        managed_by=stored.managed_by,
        status_reason=stored.status_reason,
        authentication=stored.authentication,
        primary_thumbprint=stored.primary_thumbprint,
        secondary_thumbprint=stored.secondary_thumbprint,
        status_updated=stored.status_updated,
    )
