"""Export and import of the registry over HTTPS (contract 2.6)."""

from __future__ import annotations

from starlette.responses import Response

from hotori.hub.service_api.answer import json_answer, no_content
from hotori.hub.service_api.call import Call


async def create_job(call: Call) -> Response:
    return json_answer((await call.deps.registry_jobs.create(await call.object())).document())


async def list_jobs(call: Call) -> Response:
    return json_answer([job.document() for job in await call.deps.registry_jobs.all()])


async def get_job(call: Call) -> Response:
    return json_answer((await call.deps.registry_jobs.get(call.request.path_params["job"])).document())


async def cancel_job(call: Call) -> Response:
    await call.deps.registry_jobs.cancel(call.request.path_params["job"])
    return no_content()
