"""New keys for many identities in one request; each succeeds or fails by itself (contract 2.2)."""

from __future__ import annotations

from starlette.responses import Response

from hotori.hub.removal import apply_change
from hotori.hub.service_api.answer import json_answer
from hotori.hub.service_api.call import Call, as_object
from hotori.hub.service_api.errors import status_of
from hotori.model.identity import Identity
from hotori.model.json import Json, JsonObject
from hotori.problems import Problem
from hotori.problems.service import REQUEST_MALFORMED

_MOST = 100
_WHICH = {"primary": (True, False), "secondary": (False, True), "both": (True, True)}


async def regenerate_keys(call: Call) -> Response:
    """Replace a key or both; who is connected with one that is replaced is disconnected."""
    body = await call.object()
    which, devices = body.get("policyKey"), body.get("devices")
    if not isinstance(which, str) or which not in _WHICH:
        raise Problem(REQUEST_MALFORMED, reason=f"policyKey is one of {', '.join(_WHICH)}")
    if not isinstance(devices, list) or len(devices) > _MOST:
        raise Problem(REQUEST_MALFORMED, reason=f"devices is an array of at most {_MOST}")
    rotated: list[Json] = []
    errors: list[Json] = []
    for entry in devices:
        done, result = await _rotate(call, entry, *_WHICH[which])
        (rotated if done else errors).append(result)
    return json_answer({"policyKey": which, "rotatedKeys": rotated, "errors": errors})


async def _rotate(call: Call, value: Json, primary: bool, secondary: bool) -> tuple[bool, JsonObject]:
    entry = value if isinstance(value, dict) else {}
    who: JsonObject = {"id": entry.get("id"), "moduleId": entry.get("moduleId")}
    try:
        identity = _identity(as_object(value))
        after = await call.deps.registry.rotate(identity, primary=primary, secondary=secondary)
    except Problem as problem:
        words = f"{problem.title()}. {problem.cause()}"
        return False, {**who, "errorCode": status_of(problem)[1], "errorStatus": words}
    await apply_change(call.deps.hub, call.deps.registry, after)
    return True, {**who, "primaryKey": after.primary.reveal(), "secondaryKey": after.secondary.reveal()}


def _identity(entry: JsonObject) -> Identity:
    device, module = entry.get("id"), entry.get("moduleId")
    if not isinstance(device, str) or not isinstance(module, str | None):
        raise Problem(REQUEST_MALFORMED, reason="id is missing")
    return Identity(device, module or None)
