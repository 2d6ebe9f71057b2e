"""Failures as HTTP answers (contract 2.11): a status, a code by name, and the problem with its remedy."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from hotori.hub.device_bound import MOST_WAITING, DeviceQueueFullError
from hotori.hub.directory import DirectoryNotReadyError
from hotori.hub.locks import LockLostError
from hotori.hub.methods import MethodError, MethodInvalidError, MethodTimeoutError
from hotori.hub.moment import written_time
from hotori.hub.service_api.answer import json_answer
from hotori.hub.twins import TwinNotReadyError
from hotori.model.json import JsonObject
from hotori.problems import Problem
from hotori.problems.identity import HUB_NOT_READY
from hotori.problems.service import (
    CHANGED_MEANWHILE,
    DEVICE_OFFLINE,
    DEVICE_QUEUE_FULL,
    LOCK_LOST,
    METHOD_UNANSWERED,
    REQUEST_MALFORMED,
)
from hotori.store.records import VersionConflictError

_TOO_MANY = 429
_INVALID = (400, "ArgumentInvalid")
_UNAUTHORIZED = (401, "IotHubUnauthorizedAccess")
_STATUS: Mapping[str, tuple[int, str]] = {
    "device-unknown": (404, "DeviceNotFound"),
    "module-unknown": (404, "ModuleNotFound"),
    "device-offline": (404, "DeviceNotOnline"),
    "device-exists": (409, "DeviceAlreadyExists"),
    "module-exists": (409, "ModuleAlreadyExistsOnDevice"),
    "configuration-unknown": (404, "ConfigurationNotFound"),
    "configuration-exists": (409, "ConfigurationAlreadyExists"),
    "rollout-not-so": (409, "InvalidOperation"),
    "authority-unknown": (404, "CertificateNotFound"),
    "authority-exists": (409, "CertificateAlreadyExists"),
    "no-such-enrolment": (404, "EnrollmentNotFound"),
    "enrolment-exists": (409, "EnrollmentAlreadyExists"),
    "registration-unknown": (404, "RegistrationNotFound"),
    "too-many-modules": (413, "TooManyModulesOnDevice"),
    "changed-meanwhile": (412, "PreconditionFailed"),
    "method-unanswered": (504, "GatewayTimeout"),
    "client-too-fast": (429, "ThrottlingException"),
    "device-queue-full": (403, "DeviceMaximumQueueDepthExceeded"),
    "message-too-large": (413, "MessageTooLarge"),
    "uploads-full": (403, "DeviceMaximumActiveFileUploadLimitExceeded"),
    "job-unknown": (404, "JobNotFound"),
    "job-exists": (409, "JobAlreadyExists"),
    "lock-lost": (412, "DeviceMessageLockLost"),
    "auth-chain-broken": (403, "IotHubForbidden"),
    "certificate-request-refused": (403, "IotHubForbidden"),
    "route-unknown": (404, "RouteNotFound"),
    "event-missing": (404, "EventNotFound"),
    "consumer-group-unknown": (404, "ConsumerGroupNotFound"),
    "endpoint-unknown": (404, "EndpointNotFound"),
    "endpoint-in-use": (409, "EndpointInUse"),
    "not-an-edge-device": (400, "InvalidOperation"),
    "streams-full": (429, "ThrottlingException"),
    "shell-refused": (403, "IotHubForbidden"),
    "stream-unsupported": (501, "InvalidOperation"),
    "disk-full": (503, "ServiceUnavailable"),
    "disk-failed": (503, "ServiceUnavailable"),
    "hub-not-ready": (503, "ServiceUnavailable"),
    **dict.fromkeys(
        (
            "token-missing",
            "token-expired",
            "token-refused",
            "token-foreign",
            "signature-wrong",
            "identity-unknown",
            "identity-disabled",
            "credentials-differ",
            "certificate-refused",
            "hub-name-foreign",
            "right-missing",
        ),
        _UNAUTHORIZED,
    ),
}


def status_of(problem: Problem) -> tuple[int, str]:
    """HTTP status and error code by name; what is not listed is the caller's mistake, 400."""
    return _STATUS.get(problem.code, _INVALID)


def translated(error: Exception) -> Problem:
    """The problem behind what the hub raised."""
    match error:
        case Problem():
            return error
        case MethodTimeoutError():
            seconds = error.reason.removeprefix("no answer in ").removesuffix(" s")
            return Problem(METHOD_UNANSWERED, str(error), identity=error.identity, method=error.name, seconds=seconds)
        case MethodInvalidError():
            return Problem(REQUEST_MALFORMED, str(error), reason=error.reason)
        case MethodError():
            return Problem(DEVICE_OFFLINE, str(error), identity=error.identity)
        case VersionConflictError():
            return Problem(CHANGED_MEANWHILE, str(error), what="the twin")
        case DeviceQueueFullError():
            return Problem(DEVICE_QUEUE_FULL, limit=MOST_WAITING, device=str(error).rpartition(" ")[2])
        case LockLostError():
            return Problem(LOCK_LOST)
        case _:
            return Problem(HUB_NOT_READY, identity="a caller", reason=str(error) or "it has just been started")


def problem_answer(problem: Problem) -> Response:
    """The answer that clients of the contract understand, with the whole problem beside it for ours."""
    status, code = status_of(problem)
    answer = error_answer(status, code, f"{problem.title()}. {problem.cause()}", problem)
    if status == _TOO_MANY:
        answer.headers["retry-after"] = str(max(1, int(problem.values.get("seconds", "1"))))
    return answer


def error_answer(status: int, code: str, words: str, problem: Problem | None = None) -> Response:
    """Form 1 of the contract's error bodies: `ErrorCode:NAME;words` (contract 2.11)."""
    body: JsonObject = {
        "Message": f"ErrorCode:{code};{words}",
        "ExceptionMessage": f"Tracking ID:{secrets.token_hex(16)}-TimeStamp:{written_time(time.time())}",
    }
    if problem is not None:
        body["problem"] = problem.document()  # type: ignore[assignment]  # a typed dictionary is one, too
    return json_answer(body, status, {"iothub-errorcode": code})


async def on_error(_: Request, error: Exception) -> Response:
    return problem_answer(translated(error))


async def on_failure(_: Request, __: Exception) -> Response:
    """A fault of ours; the server logs it."""
    return error_answer(500, "ServerError", "the hub failed; its log says more")


async def on_http_error(_: Request, error: Exception) -> Response:
    """No such address, or not with that method."""
    assert isinstance(error, HTTPException)
    code = {404: "InvalidOperation", 405: "InvalidOperation"}.get(error.status_code, "ArgumentInvalid")
    return error_answer(error.status_code, code, error.detail)


HANDLED = (
    Problem,
    MethodError,
    VersionConflictError,
    DeviceQueueFullError,
    LockLostError,
    DirectoryNotReadyError,
    TwinNotReadyError,
)
"""What handlers may raise: the caller is told, and nothing is wrong with the hub."""


def scope_error(problem: Problem) -> Response:
    """`{"errorMessage"}` with the status of the problem, as what concerns scopes is answered (contract 11.2)."""
    words = f"{problem.title()}. {problem.cause()}"
    return json_answer({"errorMessage": words, "problem": problem.document()}, status_of(problem)[0])
