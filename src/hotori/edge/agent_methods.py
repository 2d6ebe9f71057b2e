"""The methods that anyone with the right may call on `$edgeAgent` (contract 7.1)."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from hotori.edge.log_request import BadRequestError, LogRequest, SchemaVersionError, check_schema
from hotori.edge.streams.device_streams import DeviceStreams
from hotori.edge.tasks import Tasks
from hotori.edge.uploads import Uploader
from hotori.hub.streams.order import METHOD
from hotori.model.json import Json
from hotori.problems import Problem
from hotori.runtimes.module_runtime import ModuleRuntime

_LARGEST = 127_000
Answer: TypeAlias = tuple[int, Json]


@dataclass(frozen=True, slots=True)
class AgentMethods:
    """Answers calls. `restart` stops and starts a module, `called` is told of each call."""

    runtime: ModuleRuntime
    modules: Callable[[], Iterable[str]]
    restart: Callable[[str], Awaitable[None]]
    clock: Callable[[], float]
    hub: str
    device: str
    uploader: Uploader
    tasks: Tasks
    streams: DeviceStreams
    called: Callable[[str], None] = lambda _: None

    async def call(self, name: str, payload: Json) -> Answer:
        """Status and payload; never raises for what a caller can do wrong."""
        method = _METHODS.get(name.lower())
        if method is None:
            return 400, {"message": f"{name} is not a method of the agent; there are {', '.join(_NAMES)}"}
        self.called(name.lower())
        try:
            return await method(self, payload)
        except BadRequestError as error:
            return 400, {"message": str(error)}
        except SchemaVersionError as error:
            return 500, {"message": str(error)}
        except Problem as problem:
            document: Any = problem.document()
            return 500, {"message": f"{problem.title()}. {problem.cause()}", "problem": document}

    async def ping(self, payload: Json) -> Answer:
        return 200, None

    async def restart_module(self, payload: Json) -> Answer:
        name = check_schema(payload).get("id")
        if not isinstance(name, str):
            raise BadRequestError("id must name a module")
        if name not in set(self.modules()):
            return 500, {"message": f"there is no module {name}; there are {', '.join(sorted(self.modules()))}"}
        await self.restart(name)
        return 200, None

    async def get_module_logs(self, payload: Json) -> Answer:
        request = LogRequest.parse(payload, self.clock())
        answers: list[Json] = []
        there = [seen.name for seen in await self.runtime.observe()]
        for item in request.items:
            for name in item.names(there):
                log = (await self.runtime.logs(name, item.chosen.lines_needed)).decode("utf-8", errors="replace")
                answers.append(request.answer(name, item.chosen.lines(log), self.hub, self.device))
        if not answers:
            return 500, {"message": f"no module has such a name; there are {', '.join(there) or 'none'}"}
        if (size := len(json.dumps(answers))) > _LARGEST:
            return 500, {"message": f"the logs have {size} bytes, an answer {_LARGEST} at most: ask for fewer lines"}
        return 200, answers

    async def upload_module_logs(self, payload: Json) -> Answer:
        """Answered at once with the task; what becomes of it is for GetTaskStatus."""
        request, container = LogRequest.parse(payload, self.clock()), self.uploader.container(payload)
        return 200, self.tasks.begin("UploadModuleLogs", self.uploader.upload_logs(request, container)).document()

    async def upload_support_bundle(self, payload: Json) -> Answer:
        container = self.uploader.container(payload)
        return 200, self.tasks.begin("UploadSupportBundle", self.uploader.upload_bundle(payload, container)).document()

    async def get_task_status(self, payload: Json) -> Answer:
        correlation = check_schema(payload).get("correlationId")
        if not isinstance(correlation, str):
            raise BadRequestError("correlationId must name a task")
        return 200, self.tasks.status(correlation).document()

    async def open_stream(self, payload: Json) -> Answer:
        """The cloud has an order for this device: it is fetched with the ticket, and answered once all is ready."""
        ticket = check_schema(payload).get("ticket")
        if not isinstance(ticket, str) or not ticket:
            raise BadRequestError("ticket must be the ticket of a stream")
        await self.streams.open(ticket)
        return 200, None


_Method: TypeAlias = Callable[[AgentMethods, Json], Awaitable[Answer]]
_NAMED: Mapping[str, _Method] = {
    "ping": AgentMethods.ping,
    "RestartModule": AgentMethods.restart_module,
    "GetModuleLogs": AgentMethods.get_module_logs,
    "UploadModuleLogs": AgentMethods.upload_module_logs,
    "UploadSupportBundle": AgentMethods.upload_support_bundle,
    "GetTaskStatus": AgentMethods.get_task_status,
    METHOD: AgentMethods.open_stream,
}
_NAMES = tuple(_NAMED)
_METHODS = {name.lower(): method for name, method in _NAMED.items()}
