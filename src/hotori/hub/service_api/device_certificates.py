"""Certificates that the installation's authority issues to devices, and renews for those who show one of them."""

from __future__ import annotations

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from starlette.responses import Response

from hotori.hub.client_certificate import ClientCertificate
from hotori.hub.moment import written_time
from hotori.hub.registration import Authentication
from hotori.hub.registry import Draft
from hotori.hub.removal import apply_change
from hotori.hub.service_api.answer import json_answer
from hotori.hub.service_api.authorization import certificates_of
from hotori.hub.service_api.call import Call
from hotori.hub.thumbprint import has_thumbprint, thumbprint_of
from hotori.model.sas import SasToken
from hotori.problems import Problem, Words
from hotori.problems.certificates import CERTIFICATE_REQUEST_REFUSED

_UNREADABLE = Words("the request is no PKCS#10 in PEM", "要求が PEM の PKCS#10 ではありません")
_OTHER_NAME = Words("the request is made out to another name", "要求の名前が違います")
_BY_KEY = Words("it is registered for tokens of its keys", "キーのトークンで登録されています")
_FOREIGN = Words("somebody else issued the one that it has", "現在の証明書は別の発行元のものです")


async def issue_certificate(call: Call) -> Response:
    """For `csr` (PKCS#10, PEM): tools get one for any device, a device in exchange for one of this authority.

    A device that is known by thumbprints is known by the new certificate's and by the one that it showed: an answer
    that is lost on its way locks nobody out.
    """
    device = call.identity
    request = _read(device.device, (await call.object()).get("csr"))
    registration = await call.deps.registry.get(device)
    if registration.authentication not in (Authentication.THUMBPRINT, Authentication.AUTHORITY):
        raise Problem(CERTIFICATE_REQUEST_REFUSED, device=device.device, reason=_BY_KEY)
    shown = None if _by_policy(call) else _shown(call, device.device)
    issued = call.deps.authority.issue_client(device.device, request.public_key())
    if registration.authentication is Authentication.THUMBPRINT:
        fresh = thumbprint_of(issued.public_bytes(Encoding.DER))
        known = registration.primary_thumbprint
        if shown and not has_thumbprint(shown.own, filter(None, [known])):
            known = registration.secondary_thumbprint
        draft = Draft(primary_thumbprint=fresh, secondary_thumbprint=known)
        await apply_change(call.deps.hub, call.deps.registry, await call.deps.registry.update(device, draft))
    chain = issued.public_bytes(Encoding.PEM).decode() + call.deps.authority.pem
    return json_answer({"certificate": chain, "expires": written_time(issued.not_valid_after_utc.timestamp())})


def _by_policy(call: Call) -> bool:
    token = SasToken.parse(call.request.headers.get("authorization", ""))
    return token is not None and token.policy is not None


def _shown(call: Call, device: str) -> ClientCertificate:
    """What the device showed; it has been judged, but not whose it is."""
    shown = ClientCertificate.read(certificates_of(call.request))
    if shown is None or not shown.issued_under([call.deps.authority.der], call.deps.clock()):
        raise Problem(CERTIFICATE_REQUEST_REFUSED, device=device, reason=_FOREIGN)
    return shown


def _read(device: str, text: object) -> x509.CertificateSigningRequest:
    try:
        request = x509.load_pem_x509_csr(str(text).encode())
        sound = request.is_signature_valid
    except (ValueError, UnsupportedAlgorithm) as error:
        raise Problem(CERTIFICATE_REQUEST_REFUSED, str(error), device=device, reason=_UNREADABLE) from error
    names = [str(name.value) for name in request.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    if not sound or names != [device]:
        reason = _OTHER_NAME if sound else _UNREADABLE
        raise Problem(CERTIFICATE_REQUEST_REFUSED, device=device, reason=reason)
    return request
