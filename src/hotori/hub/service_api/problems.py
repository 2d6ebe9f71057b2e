"""What is wrong with the cloud's hub itself, as the portal and `hotori cloud problems` show it."""

from __future__ import annotations

from starlette.responses import Response

from hotori.hub.hub_problems import hub_problems
from hotori.hub.service_api.answer import json_answer
from hotori.hub.service_api.call import Call


async def list_problems(call: Call) -> Response:
    """Every problem with cause and remedy in both languages."""
    return json_answer([problem.document() for problem in hub_problems(call.deps.hub, call.deps.events)])
