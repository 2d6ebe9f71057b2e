"""Who asks for a device, and whether an enrolment is for them (contract 12.1, 12.2).

A core: enrolments, authorities and the time are told to it. Keys are compared in constant time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from hotori.hub.client_certificate import ClientCertificate
from hotori.hub.provisioning.enrolment import Attestation, Enrolment
from hotori.hub.thumbprint import has_thumbprint
from hotori.model.sas import CLOCK_SKEW, SasToken
from hotori.model.secret import Secret
from hotori.problems import Problem, Words
from hotori.problems.provisioning import (
    APPLICANT_REFUSED,
    ENROLMENT_DISABLED,
    ENROLMENT_UNKNOWN,
    SCOPE_FOREIGN,
)

_NOTHING = Words("it shows neither a token nor a certificate", "トークンも証明書もありません")
_EXPIRED = Words("its token has expired", "トークンの期限が切れています")
_OTHER_RESOURCE = Words("its token is for another registration", "トークンの対象が別の登録です")
_WRONG_KEY = Words("its token is not signed with the enrolment's key", "トークンが登録枠のキーで署名されていません")
_WRONG_CERTIFICATE = Words("its certificate is not the enrolment's", "証明書が登録枠のものではありません")
_NOT_IN_FORCE = Words("its certificate is not valid today", "証明書が有効期間外です")
_POLICIES = (None, "registration")


@dataclass(frozen=True, slots=True)
class Applicant:
    """What somebody says who asks to be provisioned; not yet believed."""

    scope: str
    registration: str
    token: SasToken | None = None
    certificate: ClientCertificate | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Accepted:
    """An applicant of an enrolment, with what its device will be known by at the hub."""

    registration: str
    enrolment: Enrolment
    keys: tuple[Secret, Secret] | None
    certificate: ClientCertificate | None = field(default=None, repr=False)


def judge_applicant(
    applicant: Applicant,
    scope: str,
    individual: Enrolment | None,
    groups: Sequence[Enrolment],
    authorities: Mapping[str, bytes],
    now: float,
) -> Accepted | Problem:
    """Whose they are. `authorities` are those registered and verified, by name (DER).

    An individual enrolment hides all groups: one that is disabled bars its device (contract 12.4).
    """
    who = applicant.registration
    if applicant.scope.lower() != scope.lower():
        return Problem(SCOPE_FOREIGN, registration=who, given=applicant.scope, scope=scope)
    if fault := _fault(applicant, now):
        return Problem(APPLICANT_REFUSED, registration=who, reason=fault)
    candidates = [individual] if individual is not None else groups
    found = next((each for each in candidates if _belongs(applicant, each, authorities, now)), None)
    if found is None and individual is None:
        return Problem(ENROLMENT_UNKNOWN, registration=who)
    if found is None:
        return Problem(
            APPLICANT_REFUSED, registration=who, reason=_WRONG_KEY if applicant.token else _WRONG_CERTIFICATE
        )
    if not found.enabled:
        return Problem(ENROLMENT_DISABLED, registration=who, enrolment=found.name)
    keys = found.keys_of(who) if found.attestation is Attestation.SYMMETRIC_KEY else None
    return Accepted(who, found, keys, applicant.certificate if keys is None else None)


def _fault(applicant: Applicant, now: float) -> Words | None:
    """What is wrong with the credentials, whoever's they are."""
    token, certificate = applicant.token, applicant.certificate
    if token is None:
        if certificate is None:
            return _NOTHING
        return None if certificate.in_force(now) else _NOT_IN_FORCE
    if token.expiry + CLOCK_SKEW <= now:
        return _EXPIRED
    expected = f"{applicant.scope}/registrations/{applicant.registration}"
    meant = token.policy in _POLICIES and token.resource.lower() == expected.lower()
    return None if meant else _OTHER_RESOURCE


def _belongs(applicant: Applicant, enrolment: Enrolment, authorities: Mapping[str, bytes], now: float) -> bool:
    if enrolment.attestation is Attestation.SYMMETRIC_KEY:
        keys = [key for key in enrolment.keys_of(applicant.registration) if key]
        return applicant.token is not None and applicant.token.signed_by(keys)
    certificate = applicant.certificate
    if certificate is None or applicant.token is not None:
        return False
    if not enrolment.group:
        return certificate.own in enrolment.certificates or has_thumbprint(certificate.own, enrolment.thumbprints)
    named = (authorities[name] for name in enrolment.authorities if name in authorities)
    return _issued_for(applicant.registration, certificate, (*enrolment.certificates, *named), now)


def _issued_for(name: str, certificate: ClientCertificate, authorities: Iterable[bytes], now: float) -> bool:
    own = certificate.common_name.lower() == name.lower() and not certificate.is_authority
    return own and certificate.issued_under(authorities, now)
