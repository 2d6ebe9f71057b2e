"""What people on the device itself may ask of it: a Unix socket in the data folder that only its owner can open.

GET  /modules                     the modules, as `hotori edge list` shows them
GET  /modules/{m}/logs            ?tail=N&since=T&until=T
POST /modules/{m}/restart
GET  /report                      what the agent reports
GET  /hub                         what the hub reports
GET  /support-bundle              ?since=T&until=T&runtimeOnly=true
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hotori.edge.agent import Agent
from hotori.edge.log_request import BadRequestError, LogFilter
from hotori.edge.support_bundle import BundleSources, support_bundle
from hotori.model.json import Json, JsonObject
from hotori.net.http import HttpServer
from hotori.net.ports import bind_unix
from hotori.problems import Problem
from hotori.problems.modules import MODULE_UNKNOWN
from hotori.problems.service import REQUEST_MALFORMED
from hotori.runtimes.module_runtime import ModuleRuntime

SOCKET = "device.control"
"""No module can be called so: their names have no dot."""


@dataclass(frozen=True, slots=True)
class Control:
    """Answers the requests. Faults come as problems in JSON, with status 400."""

    agent: Agent
    runtime: ModuleRuntime
    sources: BundleSources
    clock: Callable[[], float]

    def server(self, folder: Path) -> HttpServer:
        """On the socket in this folder, which must be short enough for one."""
        path = folder / SOCKET
        listener = bind_unix(path)
        path.chmod(0o600)
        routes = [
            Route("/modules", self._guarded(self._modules)),
            Route("/modules/{module}/logs", self._guarded(self._logs)),
            Route("/modules/{module}/restart", self._guarded(self._restart), methods=["POST"]),
            Route("/report", self._guarded(self._report)),
            Route("/hub", self._guarded(self._hub)),
            Route("/support-bundle", self._guarded(self._bundle)),
        ]
        return HttpServer(Starlette(routes=routes), listener)

    def _guarded(self, answer: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        async def guarded(request: Request) -> Response:
            try:
                return await answer(request)
            except BadRequestError as error:
                return _refusal(Problem(REQUEST_MALFORMED, reason=str(error)))
            except Problem as problem:
                return _refusal(problem)

        return guarded

    async def _modules(self, _: Request) -> Response:
        modules = self.agent.report.get("modules")
        reports = modules if isinstance(modules, dict) else {}
        return _json([{"name": name, **report} for name, report in sorted(reports.items()) if isinstance(report, dict)])

    async def _report(self, _: Request) -> Response:
        return _json(self.agent.report)

    async def _hub(self, _: Request) -> Response:
        document = self.sources.documents.get("hub")
        return _json(document() if document else {})

    async def _logs(self, request: Request) -> Response:
        module, chosen = self._known(request), self._filter(request)
        log = await self.runtime.logs(module, chosen.lines_needed)
        lines = chosen.lines(log.decode("utf-8", errors="replace"))
        return Response("".join(f"{line}\n" for line in lines), media_type="text/plain; charset=utf-8")

    async def _restart(self, request: Request) -> Response:
        module = self._known(request)
        await self.agent.restart(module)
        return _json({"restarted": module})

    async def _bundle(self, request: Request) -> Response:
        only = request.query_params.get("runtimeOnly") == "true"
        data = await support_bundle(self.sources, self._filter(request), runtime_only=only)
        return Response(data, media_type="application/zip")

    def _known(self, request: Request) -> str:
        """Raises `module-unknown`."""
        module = str(request.path_params["module"])
        if module not in self.agent.specs:
            raise Problem(MODULE_UNKNOWN, module=module, modules=", ".join(sorted(self.agent.specs)) or "-")
        return module

    def _filter(self, request: Request) -> LogFilter:
        query = request.query_params
        document: JsonObject = {name: query[name] for name in ("since", "until") if name in query}
        if tail := query.get("tail"):
            document["tail"] = int(tail) if tail.isascii() and tail.isdigit() else tail
        return LogFilter.parse(document, self.clock())


def _json(value: Json) -> Response:
    return Response(msgspec.json.encode(value), media_type="application/json")


def _refusal(problem: Problem) -> Response:
    return Response(msgspec.json.encode(problem.document()), 400, media_type="application/json")
