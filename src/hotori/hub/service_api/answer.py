"""JSON answers, as every client of the contract expects them (contract 2.1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from starlette.responses import Response

JSON_TYPE = "application/json; charset=utf-8"


def json_answer(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(msgspec.json.encode(value), status, headers, JSON_TYPE)


def no_content() -> Response:
    return Response(status_code=204)
