"""An enrolment as REST shows it and takes it, and as it is kept (contract 12.4)."""

from __future__ import annotations

import base64
from dataclasses import dataclass

from hotori.hub.authorities import read_authority, read_certificate
from hotori.hub.moment import written_time
from hotori.hub.provisioning.enrolment import Attestation, Enrolment, Reprovisioning
from hotori.hub.registry import checked_key
from hotori.hub.thumbprint import checked_thumbprint
from hotori.hub.twin_write import TwinWrite
from hotori.model.identity import check_name
from hotori.model.json import Json, JsonObject
from hotori.model.secret import Secret
from hotori.problems import Problem
from hotori.problems.provisioning import ENROLMENT_MALFORMED, TPM_UNSUPPORTED

_ALLOCATIONS = ("hashed", "geoLatency", "static", "custom")
_SLOTS = ("primary", "secondary")


def enrolment_document(enrolment: Enrolment) -> JsonObject:
    """With its keys: for those who may read enrolments."""
    document: JsonObject = {
        "enrollmentGroupId" if enrolment.group else "registrationId": enrolment.name,
        "attestation": attestation_document(enrolment),
        "capabilities": {"iotEdge": enrolment.edge},
        "provisioningStatus": "enabled" if enrolment.enabled else "disabled",
        "reprovisionPolicy": {
            "updateHubAssignment": enrolment.reprovisioning.update,
            "migrateDeviceData": enrolment.reprovisioning.migrate,
        },
        "initialTwin": {"tags": enrolment.tags, "properties": {"desired": enrolment.desired}},
        "allocationPolicy": enrolment.allocation,
        "createdDateTimeUtc": written_time(enrolment.created),
        "lastUpdatedDateTimeUtc": written_time(enrolment.updated),
        "etag": enrolment.etag,
    }
    if enrolment.device is not None:
        document["deviceId"] = enrolment.device
    if enrolment.host is not None:
        document["iotHubHostName"] = enrolment.host
    return document


def attestation_document(enrolment: Enrolment) -> JsonObject:
    if enrolment.attestation is Attestation.SYMMETRIC_KEY:
        keys: JsonObject = {"primaryKey": enrolment.primary.reveal(), "secondaryKey": enrolment.secondary.reveal()}
        return {"type": "symmetricKey", "symmetricKey": keys}
    x509: JsonObject = {}
    if enrolment.certificates:
        certificates = map(_certificate_document, enrolment.certificates)
        slots: JsonObject = dict(zip(_SLOTS, certificates, strict=False))
        x509["signingCertificates" if enrolment.group else "clientCertificates"] = slots
    elif enrolment.thumbprints:
        x509["clientCertificates"] = {
            slot: {"info": {"sha1Thumbprint" if len(text) == 40 else "sha256Thumbprint": text.upper()}}
            for slot, text in zip(_SLOTS, enrolment.thumbprints, strict=False)
        }
    if enrolment.authorities:
        x509["caReferences"] = dict(zip(_SLOTS, enrolment.authorities, strict=False))
    return {"type": "x509", "x509": x509}


def _certificate_document(der: bytes) -> JsonObject:
    return {"certificate": base64.b64encode(der).decode()}


def read_enrolment(name: str, document: JsonObject, *, group: bool, hub: str) -> Enrolment:
    """What a document asks for; keys that it leaves out are empty. `hub` is the only one there is to be assigned.

    Raises `enrolment-malformed`, `tpm-unsupported`, `name-invalid`, `key-malformed`, `thumbprint-malformed`,
    `authority-unreadable` and `twin-invalid`.
    """
    fields = _Fields(document)
    for member in ("registrationId", "enrollmentGroupId"):
        if document.get(member) not in (None, name):
            raise _malformed(f"{member} is another in the body than in the address")
    if (device := fields.text("deviceId")) and group:
        raise _malformed("a group has no deviceId")
    twin = fields.inner("initialTwin")
    desired = twin.inner("properties").document.get("desired") or {}
    write = TwinWrite(_object(twin.document.get("tags"), "tags"), _object(desired, "desired")).checked()
    policy = fields.inner("reprovisionPolicy")
    return Enrolment(
        name=check_name(name),
        group=group,
        **read_attestation(fields.inner("attestation"), name, group=group),  # type: ignore[arg-type]
        device=check_name(device) if device else None,
        enabled=fields.choice("provisioningStatus", ("enabled", "disabled")) == "enabled",
        edge=fields.inner("capabilities").flag("iotEdge", False),
        reprovisioning=Reprovisioning(policy.flag("updateHubAssignment", True), policy.flag("migrateDeviceData", True)),
        tags=write.tags or {},
        desired=write.desired or {},
        host=_host(fields, hub),
        allocation=fields.choice("allocationPolicy", _ALLOCATIONS),
    )


def read_attestation(fields: _Fields, name: str, *, group: bool) -> dict[str, object]:
    """The members of an enrolment that say how an applicant proves to be of it."""
    if fields.document.get("type") == "tpm":
        raise Problem(TPM_UNSUPPORTED, registration=name)
    kind = Attestation(fields.choice("type", tuple(Attestation)))
    if kind is Attestation.SYMMETRIC_KEY:
        keys = fields.inner("symmetricKey")
        primary, secondary = (checked_key(Secret(keys.text(f"{slot}Key") or "")) or Secret("") for slot in _SLOTS)
        return {"attestation": kind, "primary": primary, "secondary": secondary}
    x509 = fields.inner("x509")
    shown = x509.inner("signingCertificates" if group else "clientCertificates")
    certificates, thumbprints = _read_certificates(shown, name, group=group)
    references = x509.inner("caReferences")
    authorities = tuple(text for slot in _SLOTS if group and (text := references.text(slot)))
    if not certificates and not thumbprints and not authorities:
        raise _malformed("attestation.x509 names no certificate")
    return {
        "attestation": kind,
        "certificates": certificates,
        "thumbprints": thumbprints,
        "authorities": authorities,
    }


def _read_certificates(shown: _Fields, name: str, *, group: bool) -> tuple[tuple[bytes, ...], tuple[str, ...]]:
    certificates: list[bytes] = []
    thumbprints: list[str] = []
    for slot in _SLOTS:
        entry = shown.inner(slot)
        if text := entry.text("certificate"):
            certificates.append((read_authority if group else read_certificate)(text.encode(), name))
        elif not group:
            info = entry.inner("info")
            given = info.text("sha256Thumbprint") or info.text("sha1Thumbprint")
            thumbprints += [checked] if (checked := checked_thumbprint(given)) else []
    return tuple(certificates), tuple(thumbprints)


def _host(fields: _Fields, hub: str) -> str | None:
    """The hub that is asked for, which must be this one."""
    named = [text for text in (fields.text("iotHubHostName"), *fields.texts("iotHubs")) if text]
    if any(name.lower() != hub.lower() for name in named):
        raise _malformed(f"{', '.join(named)} is not the hub here, which is {hub}")
    return fields.text("iotHubHostName")


@dataclass(frozen=True, slots=True)
class _Fields:
    """The members of an object, by type."""

    document: JsonObject

    def inner(self, name: str) -> _Fields:
        return _Fields(_object(self.document.get(name), name))

    def text(self, name: str) -> str | None:
        value = self.document.get(name)
        if value is None or isinstance(value, str):
            return value or None
        raise _malformed(f"{name} is a text")

    def texts(self, name: str) -> list[str]:
        value = self.document.get(name) or []
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return [str(item) for item in value]
        raise _malformed(f"{name} is a list of texts")

    def flag(self, name: str, default: bool) -> bool:
        value = self.document.get(name)
        if value is None or isinstance(value, bool):
            return default if value is None else value
        raise _malformed(f"{name} is true or false")

    def choice(self, name: str, choices: tuple[str, ...]) -> str:
        """One of these; the first where it is left out."""
        value = self.document.get(name)
        if value is None:
            return str(choices[0])
        if value in choices:
            return str(value)
        raise _malformed(f"{name} is one of {', '.join(choices)}")


def _object(value: Json, name: str) -> JsonObject:
    if value is None:
        return {}
    if isinstance(value, dict):
        return value
    raise _malformed(f"{name} is an object")


def _malformed(reason: str) -> Problem:
    return Problem(ENROLMENT_MALFORMED, reason=reason)
