"""Queries over twins (contract 2.5)."""

from __future__ import annotations

from starlette.responses import Response

from hotori.hub.query.page import run_query
from hotori.hub.service_api.answer import json_answer
from hotori.hub.service_api.call import Call
from hotori.problems import Problem
from hotori.problems.service import REQUEST_MALFORMED

_DEFAULT_PAGE = 100
_LARGEST_PAGE = 1000


async def query_devices(call: Call) -> Response:
    """One page of rows: always a bare array, with its kind and where it goes on in headers."""
    text = (await call.object()).get("query")
    if not isinstance(text, str):
        raise Problem(REQUEST_MALFORMED, reason="query is missing")
    headers = call.request.headers
    wanted = headers.get("x-ms-max-item-count", "")
    size = int(wanted) if wanted.isascii() and wanted.isdigit() else _DEFAULT_PAGE
    size = size if 1 <= size <= _LARGEST_PAGE else _LARGEST_PAGE
    page = await run_query(call.deps.hub, call.deps.registry, text, size, headers.get("x-ms-continuation") or None)
    answered = {"x-ms-item-type": page.kind}
    if page.continuation:
        answered["x-ms-continuation"] = page.continuation
    return json_answer(page.rows, headers=answered)
