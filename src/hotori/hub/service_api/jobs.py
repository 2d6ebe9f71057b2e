"""Jobs over HTTPS (contract 2.6)."""

from __future__ import annotations

from starlette.responses import Response

from hotori.hub.job import Job
from hotori.hub.service_api.answer import json_answer
from hotori.hub.service_api.call import Call
from hotori.hub.service_api.query import page_size

_OBJECT_FORM = "iothubgatewayserviceapis/"
"""Who calls itself so reads the list of jobs as an object; everybody else as an array (contract 2.6)."""


async def create_job(call: Call) -> Response:
    job = await call.deps.jobs.create(_name(call), await call.object())
    return json_answer(job.document())


async def get_job(call: Call) -> Response:
    return json_answer((await call.deps.jobs.get(_name(call))).document())


async def cancel_job(call: Call) -> Response:
    """End it; one that is over stays as it is."""
    return json_answer((await call.deps.jobs.cancel(_name(call))).document())


async def list_jobs(call: Call) -> Response:
    """A page of jobs by `jobType` and `jobStatus`."""
    after, size = call.request.headers.get("x-ms-continuation", ""), page_size(call)
    found: list[Job] = []
    while len(found) <= size and (page := await call.deps.jobs.page(after, size)):
        found += [job for job in page if _wanted(call, job)]
        after = page[-1].id
    items = [job.document() for job in found[:size]]
    continuation = found[size - 1].id if len(found) > size else None
    headers = {"x-ms-item-type": "JobResponse"} | ({"x-ms-continuation": continuation} if continuation else {})
    if _OBJECT_FORM in call.request.headers.get("user-agent", ""):
        whole = {"type": "jobResponse", "items": items, "continuationToken": continuation}
        return json_answer(whole, headers=headers)
    return json_answer(items, headers=headers)


def _name(call: Call) -> str:
    return str(call.request.path_params["job"])


def _wanted(call: Call, job: Job) -> bool:
    query = call.request.query_params
    pairs = ((query.get("jobType"), job.kind.value), (query.get("jobStatus"), job.status.value))
    return all(not wanted or wanted.lower() == value.lower() for wanted, value in pairs)
