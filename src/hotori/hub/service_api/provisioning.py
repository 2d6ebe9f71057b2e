"""Devices that ask to be provisioned over HTTPS (contract 12.3). Their own tokens and certificates let them in."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.responses import Response

from hotori.hub.client_certificate import ClientCertificate
from hotori.hub.provisioning.applicant import Accepted, Applicant
from hotori.hub.provisioning.provisioning import RETRY_AFTER
from hotori.hub.provisioning.words import check_register, error_body
from hotori.hub.service_api.answer import json_answer
from hotori.hub.service_api.authorization import certificates_of
from hotori.hub.service_api.call import Call
from hotori.model.json import JsonObject
from hotori.model.sas import SasToken
from hotori.mqtt.packets import ConnackCode
from hotori.problems import Problem
from hotori.problems.provisioning import TPM_UNSUPPORTED

_TOO_MANY, _UNAUTHORIZED, _NOT_FOUND, _MALFORMED = 429, 401, 404, 400
_CODES = {_MALFORMED: 400004, _TOO_MANY: 429001, _UNAUTHORIZED: 401002, _NOT_FOUND: 404204}

_LONGEST_FROM_STRANGERS = 64 * 1024


async def register(call: Call) -> Response:
    """Assign a device; the answer is fetched by `poll`. One with a TPM shows nothing yet and is told what is wrong."""
    accepted = await _accepted(call)
    if isinstance(accepted, Response):
        return await _by_tpm(call) or accepted
    try:
        check_register(await call.body(), accepted.registration)
    except Problem as problem:
        return _error(_MALFORMED, problem, call.deps.clock())
    return _under_way(await call.deps.provisioning.register(accepted))


async def poll(call: Call) -> Response:
    """What came of an operation."""
    accepted = await _accepted(call)
    if isinstance(accepted, Response):
        return accepted
    try:
        operation = _names(call)["operation"]
        return json_answer(await call.deps.provisioning.poll(accepted.registration, operation))
    except Problem as problem:
        return _error(_NOT_FOUND, problem, call.deps.clock())


async def show(call: Call) -> Response:
    """What the device was assigned last."""
    accepted = await _accepted(call)
    if isinstance(accepted, Response):
        return accepted
    try:
        found = await call.deps.provisioning.assignments.get(accepted.registration)
        return json_answer(found.document())
    except Problem as problem:
        return _error(_NOT_FOUND, problem, call.deps.clock())


async def _accepted(call: Call) -> Accepted | Response:
    """Whose request it is; refusals are counted and remembered as those of the MQTT port are."""
    names = _names(call)
    token = SasToken.parse(call.request.headers.get("authorization", ""))
    certificate = ClientCertificate.read(certificates_of(call.request))
    applicant = Applicant(names["scope"], names["registration"], token, certificate)
    client = call.request.client
    address = f"{client.host}:{client.port}" if client else "?"
    verdict = await call.deps.provisioning.admit(applicant, address)
    if isinstance(verdict, Accepted):
        return verdict
    problem, denied = verdict
    status = _UNAUTHORIZED if denied.code is ConnackCode.NOT_AUTHORIZED else _TOO_MANY
    return _error(status, problem, call.deps.clock())


async def _by_tpm(call: Call) -> Response | None:
    """The answer to who was refused and asks for a TPM's way; None for others."""
    try:
        check_register(await call.body(_LONGEST_FROM_STRANGERS), _names(call)["registration"])
    except Problem as problem:
        return _error(_MALFORMED, problem, call.deps.clock()) if problem.kind is TPM_UNSUPPORTED else None
    return None


def _names(call: Call) -> Mapping[str, str]:
    names: Mapping[str, str] = call.request.path_params
    return names


def _under_way(body: JsonObject) -> Response:
    return json_answer(body, 202, {"Retry-After": str(RETRY_AFTER)})


def _error(status: int, problem: Problem, now: float) -> Response:
    body = error_body(_CODES[status], problem, now)
    body["problem"] = problem.document()  # type: ignore[assignment]  # a typed dictionary is one, too
    return json_answer(body, status, {"Retry-After": str(RETRY_AFTER)} if status == _TOO_MANY else None)
