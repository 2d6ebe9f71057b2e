"""Direct methods: from the bytes of a call to the bytes of its reply (contract 1.8)."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from hotori.model.json import Json
from hotori.problems import Problem

MethodHandler: TypeAlias = Callable[[str, Json], Awaitable[tuple[int, Json]]]

BAD_REQUEST, NO_SUCH_METHOD, FAILED = 400, 404, 500


async def answer_method(
    handler: MethodHandler | None, name: str, body: bytes, on_failure: Callable[[str, Exception], None]
) -> tuple[int, bytes]:
    """Status and JSON of the reply. An empty body is null; a handler that fails is answered with status 500."""
    if handler is None:
        return NO_SUCH_METHOD, _message(f"no method {name} here")
    try:
        payload: Json = json.loads(body) if body.strip() else None
    except ValueError as error:
        return BAD_REQUEST, _message(f"the payload is not JSON: {error}")
    try:
        status, answer = await handler(name, payload)
        return status, json.dumps(answer).encode()
    except Problem as problem:
        on_failure(f"method {name}", problem)
        return FAILED, json.dumps({"message": problem.title(), "problem": problem.document()}).encode()
    except Exception as error:  # noqa: BLE001 - the handler is the program's: the caller must hear of it
        on_failure(f"method {name}", error)
        return FAILED, _message(f"{type(error).__name__}: {error}")


def _message(text: str) -> bytes:
    return json.dumps({"message": text}).encode()
