"""Devices that ask to be provisioned over HTTPS (contract 12.3). Their own tokens and certificates let them in."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.responses import Response

from hotori.hub.client_certificate import ClientCertificate
from hotori.hub.credentials import Refusal
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

_TOO_MANY, _UNAUTHORIZED, _NOT_FOUND, _MALFORMED = 429, 401, 404, 400
_CODES = {_MALFORMED: 400004, _TOO_MANY: 429001, _UNAUTHORIZED: 401002, _NOT_FOUND: 404204}


async def register(call: Call) -> Response:
    """Assign a device; the answer is fetched by `poll`."""
    accepted = await _accepted(call)
    if isinstance(accepted, Response):
        return accepted
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
    verdict = await call.deps.provisioning.accept(applicant)
    if isinstance(verdict, Accepted):
        return verdict
    client = call.request.client
    address = f"{client.host}:{client.port}" if client else "?"
    refusal = Refusal(ConnackCode.NOT_AUTHORIZED, verdict)
    code, _ = await call.deps.hub.admissions.refuse(refusal, address, applicant.registration)
    return _error(_UNAUTHORIZED if code is ConnackCode.NOT_AUTHORIZED else _TOO_MANY, verdict, call.deps.clock())


def _names(call: Call) -> Mapping[str, str]:
    names: Mapping[str, str] = call.request.path_params
    return names


def _under_way(body: JsonObject) -> Response:
    return json_answer(body, 202, {"Retry-After": str(RETRY_AFTER)})


def _error(status: int, problem: Problem, now: float) -> Response:
    body = error_body(_CODES[status], problem, now)
    body["problem"] = problem.document()  # type: ignore[assignment]  # a typed dictionary is one, too
    return json_answer(body, status, {"Retry-After": str(RETRY_AFTER)} if status == _TOO_MANY else None)
