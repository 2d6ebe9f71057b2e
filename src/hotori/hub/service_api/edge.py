"""The edge hub's HTTPS: methods that modules call on one another (contract 6.5)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hotori.hub.directory import Directory, DirectoryNotReadyError
from hotori.hub.hub import Hub
from hotori.hub.method_request import MethodRequest, result_document
from hotori.hub.methods import MethodError
from hotori.hub.own_token import judge_own_token
from hotori.hub.service_api.answer import json_answer
from hotori.hub.service_api.call import MAX_BODY, as_object, parse_json, read_body
from hotori.hub.service_api.errors import status_of, translated
from hotori.model.identity import Identity
from hotori.model.sas import SasToken
from hotori.problems import Problem
from hotori.problems.identity import HUB_NOT_READY, IDENTITY_UNKNOWN, TOKEN_REFUSED

_CALLER = "x-ms-edge-moduleid"


@dataclass(frozen=True, slots=True)
class _Edge:
    hub: Hub
    directory: Directory
    device: str
    clock: Callable[[], float]

    async def invoke(self, request: Request) -> Response:
        """One module of this device calls a method of another, or of a device behind it."""
        await self._authorize(request)
        names = request.path_params
        identity = Identity(names["device"], names.get("module"))
        if identity != Identity(self.device) and await self.directory.find(identity) is None:
            raise MethodNotHereError(identity)
        wanted = MethodRequest.parse(as_object(parse_json(await read_body(request, MAX_BODY))))
        return json_answer(result_document(await wanted.send(self.hub.methods, identity)))

    async def _authorize(self, request: Request) -> None:
        caller = Identity.parse(request.headers.get(_CALLER, ""))
        if caller.device != self.device or caller.module is None:
            raise Problem(TOKEN_REFUSED, identity=caller, reason="only modules of this device may call")
        token = SasToken.parse(request.headers.get("authorization", ""))
        names = (self.hub.name, *self.hub.host_names)
        problem = await judge_own_token(token, caller, self.directory, names, self.clock())
        if problem is not None:
            raise problem


class MethodNotHereError(Exception):
    """The identity is not one of this device's (HTTP 404)."""

    def __init__(self, identity: Identity) -> None:
        super().__init__(f"there is no {identity} here")
        self.identity = identity


def edge_app(
    hub: Hub, directory: Directory, device: str, clock: Callable[[], float], more: Sequence[Route] = ()
) -> Starlette:
    """The application; `device` is the edge device's name, `more` is what else is served on the port."""
    edge = _Edge(hub, directory, device, clock)
    routes = [
        Route("/twins/{device}/methods", edge.invoke, methods=["POST"]),
        Route("/twins/{device}/modules/{module}/methods", edge.invoke, methods=["POST"]),
        *more,
    ]
    handled = (Problem, MethodError, DirectoryNotReadyError, MethodNotHereError)
    return Starlette(
        routes=routes, exception_handlers={HTTPException: _on_http_error, **dict.fromkeys(handled, _on_error)}
    )


async def _on_http_error(_: Request, error: Exception) -> Response:
    """No such address, or not with that method."""
    assert isinstance(error, HTTPException)
    return json_answer({"message": error.detail}, error.status_code)


async def _on_error(_: Request, error: Exception) -> Response:
    """Errors have the one member `message` here (contract 6.5)."""
    match error:
        case MethodNotHereError():
            status, problem = 404, Problem(IDENTITY_UNKNOWN, identity=error.identity)
        case DirectoryNotReadyError():
            status, problem = 503, Problem(HUB_NOT_READY, identity="a module", reason="it has just been started")
        case _:
            problem = translated(error)
            status = status_of(problem)[0]
    words = {"message": f"{problem.title()}. {problem.cause()}", "problem": problem.document()}
    return json_answer(words, status)
