"""Authorities whose certificates let devices in, over HTTPS: `/certificates`, as tools of the hub know them."""

from __future__ import annotations

import base64
from collections.abc import Mapping

from starlette.responses import Response

from hotori.hub.authorities import Authorities, RegisteredAuthority
from hotori.hub.moment import written_time
from hotori.hub.service_api.answer import json_answer, no_content
from hotori.hub.service_api.call import Call
from hotori.model.json import JsonObject
from hotori.problems import Problem
from hotori.problems.service import REQUEST_MALFORMED


def _authorities(call: Call) -> Authorities:
    return call.deps.provisioning.authorities


def _name(call: Call) -> str:
    names: Mapping[str, str] = call.request.path_params
    return names["name"]


async def list_authorities(call: Call) -> Response:
    return json_answer({"value": [_document(authority) for authority in await _authorities(call).all()]})


async def get_authority(call: Call) -> Response:
    return _shown(await _authorities(call).get(_name(call)))


async def put_authority(call: Call) -> Response:
    """Register one. With `isVerified` false it counts only once possession of its key is proven."""
    body = await call.object()
    verified = body.get("isVerified", True)
    return _shown(await _authorities(call).add(_name(call), _certificate(body), verified=verified is not False))


async def delete_authority(call: Call) -> Response:
    await _authorities(call).remove(_name(call), call.etag)
    return no_content()


async def generate_code(call: Call) -> Response:
    """A new code to prove possession with."""
    return _shown(await _authorities(call).new_code(_name(call), call.etag))


async def verify_authority(call: Call) -> Response:
    """Take a certificate that the authority issued to the code."""
    proof = _certificate(await call.object())
    return _shown(await _authorities(call).verify(_name(call), proof, call.etag))


def _certificate(body: JsonObject) -> bytes:
    """The text of `certificate`: PEM, or DER in base64."""
    inner = body.get("properties")
    text = (inner if isinstance(inner, dict) else body).get("certificate")
    if not isinstance(text, str) or not text:
        raise Problem(REQUEST_MALFORMED, reason="certificate is missing")
    return text.encode()


def _shown(authority: RegisteredAuthority) -> Response:
    return json_answer(_document(authority), headers={"ETag": f'"{authority.etag}"'})


def _document(authority: RegisteredAuthority) -> JsonObject:
    properties: JsonObject = {
        "subject": authority.subject,
        "thumbprint": authority.thumbprint,
        "expiry": written_time(authority.expires),
        "isVerified": authority.verified,
        "created": written_time(authority.created),
        "updated": written_time(authority.updated),
        "certificate": base64.b64encode(authority.certificate).decode(),
    }
    if authority.code is not None:
        properties["verificationCode"] = authority.code
    return {"name": authority.name, "etag": authority.etag, "properties": properties}
