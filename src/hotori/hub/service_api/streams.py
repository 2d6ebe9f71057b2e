"""Logs that are followed and shells in modules: asked for here, carried by a websocket of their own."""

from __future__ import annotations

from functools import partial

from starlette.responses import Response

from hotori.hub.service_api.answer import json_answer
from hotori.hub.service_api.authorization import policy_of
from hotori.hub.service_api.call import Call
from hotori.hub.streams.order import StreamKind, StreamOrder
from hotori.sdk.stream import PATH


async def _open(kind: StreamKind, call: Call) -> Response:
    """The ticket for the caller's end of a stream whose other end has come; `path` is where to dial."""
    module = str(call.identity.module)
    order = StreamOrder.parse(kind, call.identity.device, module, policy_of(call.request), await call.object())
    return json_answer({"ticket": await call.deps.streams.open(order), "path": PATH})


follow_log = partial(_open, StreamKind.LOGS)
open_shell = partial(_open, StreamKind.SHELL)
