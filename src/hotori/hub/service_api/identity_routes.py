"""Addresses of the service API for keys, authorities and enrolments: method, path, who may, and what answers.

Where nobody is named who may, the handler lets in by itself.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from starlette.responses import Response

from hotori.hub.policies import Right
from hotori.hub.service_api import authorities, device_certificates, enrolments, keys, provisioning
from hotori.hub.service_api.authorization import Access
from hotori.hub.service_api.call import Call

_Route: TypeAlias = tuple[str, str, Access | None, Callable[[Call], Awaitable[Response]]]

_READER = Access(frozenset({Right.REGISTRY_READ, Right.REGISTRY_WRITE}))
_WRITER = Access(frozenset({Right.REGISTRY_WRITE}))
_CERTIFICATES = Access(frozenset({Right.REGISTRY_WRITE}), device=True)
_ENROLMENTS_READER = Access(frozenset({Right.ENROLMENT_READ, Right.ENROLMENT_WRITE}))
_ENROLMENTS_WRITER = Access(frozenset({Right.ENROLMENT_WRITE}))

_AUTHORITY = "/certificates/{name}"
_REGISTRATION = "/{scope}/registrations/{registration}"


def _enrolment_routes(path: str, *, group: bool) -> tuple[_Route, ...]:
    one = f"{path}/{{name}}"
    return (
        ("POST", f"{path}/query", _ENROLMENTS_READER, enrolments.query_enrolments(group=group)),
        ("GET", one, _ENROLMENTS_READER, enrolments.get_enrolment(group=group)),
        ("PUT", one, _ENROLMENTS_WRITER, enrolments.put_enrolment(group=group)),
        ("DELETE", one, _ENROLMENTS_WRITER, enrolments.delete_enrolment(group=group)),
        ("POST", f"{one}/attestationmechanism", _ENROLMENTS_READER, enrolments.get_attestation(group=group)),
    )


IDENTITY_ROUTES: tuple[_Route, ...] = (
    ("POST", "/devices/keys/regenerate", _WRITER, keys.regenerate_keys),
    ("POST", "/devices/{device}/certificate", _CERTIFICATES, device_certificates.issue_certificate),
    ("GET", "/certificates", _READER, authorities.list_authorities),
    ("GET", _AUTHORITY, _READER, authorities.get_authority),
    ("PUT", _AUTHORITY, _WRITER, authorities.put_authority),
    ("DELETE", _AUTHORITY, _WRITER, authorities.delete_authority),
    ("POST", f"{_AUTHORITY}/generateVerificationCode", _WRITER, authorities.generate_code),
    ("POST", f"{_AUTHORITY}/verify", _WRITER, authorities.verify_authority),
    *_enrolment_routes("/enrollments", group=False),
    *_enrolment_routes("/enrollmentGroups", group=True),
    ("GET", "/provisioning", _ENROLMENTS_READER, enrolments.get_scope),
    ("GET", "/registrations/{name}", _ENROLMENTS_READER, enrolments.get_registration),
    ("DELETE", "/registrations/{name}", _ENROLMENTS_WRITER, enrolments.delete_registration),
    ("POST", "/registrations/{name}/query", _ENROLMENTS_READER, enrolments.query_registrations),
    ("PUT", f"{_REGISTRATION}/register", None, provisioning.register),
    ("POST", _REGISTRATION, None, provisioning.show),
    ("GET", f"{_REGISTRATION}/operations/{{operation}}", None, provisioning.poll),
)
