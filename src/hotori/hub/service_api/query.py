"""Queries over twins (contract 2.5)."""

from __future__ import annotations

from starlette.responses import Response

from hotori.hub.query.page import run_query
from hotori.hub.service_api.answer import json_answer
from hotori.hub.service_api.call import Call, natural_number
from hotori.problems import Problem
from hotori.problems.service import REQUEST_MALFORMED

_DEFAULT_PAGE = 100
_LARGEST_PAGE = 1000


async def query_devices(call: Call) -> Response:
    """One page of rows: always a bare array, with its kind and where it goes on in headers."""
    text = (await call.object()).get("query")
    if not isinstance(text, str):
        raise Problem(REQUEST_MALFORMED, reason="query is missing")
    continuation = call.request.headers.get("x-ms-continuation") or None
    page = await run_query(call.deps.hub, call.deps.registry, text, page_size(call), continuation)
    answered = {"x-ms-item-type": page.kind}
    if page.continuation:
        answered["x-ms-continuation"] = page.continuation
    return json_answer(page.rows, headers=answered)


def page_size(call: Call) -> int:
    """How many rows the caller wants at once: 100 unless it says so, at most 1000."""
    wanted = call.request.headers.get("x-ms-max-item-count", "")
    size = natural_number(wanted) if wanted.isdigit() else _DEFAULT_PAGE
    return size if size is not None and 1 <= size <= _LARGEST_PAGE else _LARGEST_PAGE
