"""What a parent edge device answers to edge devices directly behind it, in the cloud's stead (contract 11.2).

Scopes come from what it knows itself; what it does not know, its directory asks for above. Calls on a child's modules
go on to the cloud on behalf of the child; without it, what is known is told.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hotori.hub.auth_chain import AuthChain, judge_place
from hotori.hub.client_certificate import ClientCertificate
from hotori.hub.credentials import Refusal
from hotori.hub.directory import DirectoryNotReadyError
from hotori.hub.own_token import judge_own_token
from hotori.hub.scope_book import ScopeBook, module_entry, read_chain, scope_entry, scope_page, wanted_entry
from hotori.hub.service_api.answer import JSON_TYPE, json_answer
from hotori.hub.service_api.authorization import certificates_of
from hotori.hub.service_api.call import MAX_BODY, as_object, natural_number, parse_json, read_body
from hotori.hub.service_api.errors import scope_error, translated
from hotori.model.identity import EDGE_HUB, Identity
from hotori.model.json import JsonObject
from hotori.model.sas import SasToken
from hotori.problems import Problem
from hotori.problems.identity import HUB_NOT_READY
from hotori.problems.network import CLOUD_UNREACHABLE

_HUB = "/devices/{device}/modules/$edgeHub"
_MODULE = "/devices/{device}/modules/{module}"
_LIST, _GET, _PUT, _DELETE = (
    "getModulesOnTargetDevice",
    "getModuleOnBehalfOf",
    "putModuleOnBehalfOf",
    "deleteModuleOnBehalfOf",
)


class FamilyBook(ScopeBook, Protocol):
    """A scope book that can be brought up to date."""

    async def fresh(self) -> None:
        """Ask above anew what was asked too long ago; what is known stays where that fails."""
        ...

    def want(self) -> None: ...


Above: TypeAlias = Callable[[str, str, JsonObject, str | None], Awaitable[tuple[int, bytes]]]
"""Hands a call on: method, name, body and If-Match; the answer's status and body. Raises problems of the network."""


@dataclass(frozen=True, slots=True)
class Parent:
    """The parent's side. `device` is this edge device, `names` are the hub's; `trusted` tells which authorities may
    vouch for a child's certificate (DER)."""

    book: FamilyBook
    device: str
    names: tuple[str, ...]
    above: Above
    clock: Callable[[], float]
    trusted: Callable[[], Awaitable[tuple[bytes, ...]]]

    def routes(self) -> list[Route]:
        """Every address, with what answers it."""
        on_behalf = [
            ("POST", "devicesAndModulesInTargetDeviceScope", self._list_target_scope),
            ("GET", "devicesAndModulesInDeviceScope", self._list_scope),
            ("POST", "getDeviceAndModuleOnBehalfOf", self._get_on_behalf),
            ("GET", "deviceAndModuleInDeviceScope", self._get_in_scope),
            *((method, name, self._hand_on) for method, name in (("POST", _GET), ("PUT", _PUT), ("POST", _DELETE))),
            ("POST", _LIST, self._list_for_hub),
        ]
        of_device = [
            ("GET", "/devices/{device}/modules", self._list_modules),
            ("GET", _MODULE, self._get_module),
            ("PUT", _MODULE, self._put_module),
            ("DELETE", _MODULE, self._delete_module),
        ]
        return [
            *(Route(f"{_HUB}/{name}", self._answering(work, EDGE_HUB), methods=[m]) for m, name, work in on_behalf),
            *(Route(path, self._answering(work, None), methods=[m]) for m, path, work in of_device),
        ]

    def _answering(
        self, work: Callable[[Request], Awaitable[Response]], module: str | None
    ) -> Callable[[Request], Awaitable[Response]]:
        """The work, for a child that has proven itself; errors as contract 11.2 has them."""

        async def answer(request: Request) -> Response:
            try:
                await self._authorize(request, module)
                return await work(request)
            except DirectoryNotReadyError as error:
                reason = str(error) or "it has just been started"
                return scope_error(Problem(HUB_NOT_READY, identity="an edge device", reason=reason))
            except Problem as problem:
                return scope_error(translated(problem))

        return answer

    async def _authorize(self, request: Request, module: str | None) -> None:
        """By the token or the certificate of a device directly behind this one, or by the token of its `$edgeHub`."""
        child = Identity(request.path_params["device"], module)
        token = SasToken.parse(request.headers.get("authorization", ""))
        shown, trusted = ClientCertificate.read(certificates_of(request)), await self.trusted()
        problem = await judge_own_token(token, child, self.book, self.names, self.clock(), shown, trusted)
        if problem is not None:
            raise problem
        refusal = await judge_place(child, self.book, self.device)
        if isinstance(refusal, Refusal):
            raise refusal.problem

    async def _list_target_scope(self, request: Request) -> Response:
        body = await _body(request)
        await self.book.fresh()
        chain = await self._chain(request, body)
        size, after = body.get("pageSize"), str(body.get("continuationLink") or "")
        page = await scope_page(self.book, chain.devices[0], size if isinstance(size, int) else None, after)
        return json_answer(page)

    async def _list_scope(self, request: Request) -> Response:
        await self.book.fresh()
        query: Mapping[str, str] = request.query_params
        size = natural_number(query.get("deviceCount", ""))
        child = request.path_params["device"]
        return json_answer(await scope_page(self.book, child, size, query.get("continuationToken", "")))

    async def _get_on_behalf(self, request: Request) -> Response:
        body = await _body(request)
        await self._chain(request, body)
        return json_answer(await scope_entry(self.book, request.path_params["device"], *wanted_entry(body)))

    async def _get_in_scope(self, request: Request) -> Response:
        wanted = wanted_entry(request.query_params)
        return json_answer(await scope_entry(self.book, request.path_params["device"], *wanted))

    async def _hand_on(self, request: Request) -> Response:
        """A registry call of a child for itself or for somebody behind it."""
        body, name = await _body(request), request.url.path.rpartition("/")[2]
        chain = await self._chain(request, body)
        return await self._send_up(request.method, name, chain, body, request.headers.get("if-match"))

    async def _list_for_hub(self, request: Request) -> Response:
        return await self._list(await self._chain(request, await _body(request)))

    async def _list_modules(self, request: Request) -> Response:
        return await self._list(_itself(request))

    async def _list(self, chain: AuthChain) -> Response:
        """From above, where a module may just have been made; else what is known."""
        try:
            return await self._send_up("POST", _LIST, chain, {})
        except Problem as problem:
            if problem.kind is not CLOUD_UNREACHABLE:
                raise
            return json_answer([module_entry(module) for module in await self.book.modules(chain.devices[0])])

    async def _get_module(self, request: Request) -> Response:
        return await self._send_up("POST", _GET, _itself(request), {"targetModuleId": request.path_params["module"]})

    async def _put_module(self, request: Request) -> Response:
        module = {**await _body(request), "moduleId": request.path_params["module"]}
        etag = request.headers.get("if-match")
        return await self._send_up("PUT", _PUT, _itself(request), {"module": module}, etag)

    async def _delete_module(self, request: Request) -> Response:
        body: JsonObject = {"moduleId": request.path_params["module"]}
        return await self._send_up("POST", _DELETE, _itself(request), body, request.headers.get("if-match"))

    async def _send_up(
        self, method: str, name: str, chain: AuthChain, body: Mapping[str, Any], etag: str | None = None
    ) -> Response:
        """Hand a call on with this device at the end of the chain; a change makes the scope be read anew."""
        status, answer = await self.above(method, name, {**body, "authChain": str(chain.through(self.device))}, etag)
        if name in (_PUT, _DELETE):
            self.book.want()
        return Response(answer, status, media_type=JSON_TYPE)

    async def _chain(self, request: Request, body: JsonObject) -> AuthChain:
        child = request.path_params["device"]
        return await read_chain(self.book, str(body.get("authChain") or child), child)


def _itself(request: Request) -> AuthChain:
    device = Identity(request.path_params["device"])
    return AuthChain(device, (device.device,))


async def _body(request: Request) -> JsonObject:
    return as_object(parse_json(await read_body(request, MAX_BODY)))
