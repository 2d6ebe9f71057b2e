"""One function a check: each returns what it saw, or raises the problem."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from pathlib import Path

import httpx

from hotori.diagnosis.evidence import ConnectEvidence
from hotori.diagnosis.findings import findings
from hotori.edge.check.device_folder import DeviceFolder
from hotori.edge.cloud_api import CloudApi
from hotori.edge.control import SOCKET
from hotori.edge.enrolment import EnrolmentFile
from hotori.edge.workload_sockets import socket_path
from hotori.model.json import Json, JsonObject
from hotori.net.tls import client_context
from hotori.problems import Problem
from hotori.problems.checks import CLOCK_OFF, DEPLOYMENT_NOT_APPLIED
from hotori.sdk.control import ControlClient
from hotori.sdk.http_problem import transport_problem

_SECONDS = 10.0
_MOST_SKEW = 120.0
Probe = Callable[[], Awaitable[str]]


class SeveralProblems(Exception):  # noqa: N818 - it carries problems
    """A look that found more than one."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__(f"{len(problems)} problems")
        self.problems = problems


@dataclass(slots=True)
class Probes:
    """The probes of one device. `engine` asks its container engine, where it has one."""

    folder: DeviceFolder
    engine: Probe | None = None
    clock: Callable[[], float] = time.time
    _report: JsonObject = field(default_factory=dict)

    async def data_folder(self) -> str:
        return await asyncio.to_thread(self.folder.look)

    async def enrolment(self) -> str:
        found = self._enrolment()
        return f"{found.connection.identity} of {found.connection.host}"

    async def disk(self) -> str:
        return await asyncio.to_thread(self.folder.room)

    async def authority(self) -> str:
        return await asyncio.to_thread(self.folder.authority, self.clock())

    async def name(self) -> str:
        """The cloud's name, or the parent's, has an address."""
        host = self._enrolment().above.host
        try:
            found = await asyncio.get_running_loop().getaddrinfo(host, None)
        except OSError as error:
            raise findings(ConnectEvidence(host, str(error)))[0] from error
        return f"{host} is {found[0][4][0]}"

    async def mqtt(self) -> str:
        above = self._enrolment().above
        return await self._handshake(above.host, above.mqtt_port)

    async def https(self) -> str:
        above = self._enrolment().above
        return await self._handshake(above.host, above.https_port)

    async def time(self) -> str:
        """This clock against the Date of the cloud's answer."""
        enrolment = self._enrolment()
        address = f"{enrolment.above.host}:{enrolment.above.https_port}"
        async with httpx.AsyncClient(
            verify=client_context(enrolment.trusted), timeout=_SECONDS, trust_env=False
        ) as http:
            try:
                answer = await http.get(f"https://{address}/")
            except httpx.TransportError as error:
                raise transport_problem(address, error) from error
        skew = self.clock() - parsedate_to_datetime(answer.headers["date"]).timestamp()
        if abs(skew) > _MOST_SKEW:
            raise Problem(CLOCK_OFF, f"Date: {answer.headers['date']}", seconds=round(skew))
        return f"{skew:+.0f} s"

    async def identity(self) -> str:
        """The cloud takes the device's key."""
        enrolment = self._enrolment()
        context, connection = client_context(enrolment.trusted), enrolment.connection
        async with CloudApi(enrolment.above, connection.host, context, self.clock) as cloud:
            modules = await cloud.modules(connection.identity, connection.key)
        return f"{len(modules)} modules are registered"

    async def container_engine(self) -> str:
        return await self.engine() if self.engine else "none was named to look at; --docker-host names one"

    async def running(self) -> str:
        async with ControlClient(await asyncio.to_thread(self._socket)) as device:
            self._report = await device.report()
        return "it answers"

    async def deployment(self) -> str:
        """What the agent says of the last deployment (contract 4.1)."""
        status = _object(self._report.get("lastDesiredStatus"))
        version, code = self._report.get("lastDesiredVersion"), status.get("code")
        if code != 200:
            description = status.get("description") or "-"
            raise Problem(DEPLOYMENT_NOT_APPLIED, code=code, description=description)
        return f"version {version} is in force"

    async def modules(self) -> str:
        """The problems of all modules, as the device reports them."""
        modules = _object(self._report.get("modules"))
        documents = [each for module in modules.values() for each in _list(_object(module).get("problems"))]
        problems = tuple(Problem.from_document(each) for each in documents if isinstance(each, dict))  # type: ignore[arg-type]
        if problems:
            raise SeveralProblems(problems)
        return f"{len(modules)} modules, no problem"

    def _enrolment(self) -> EnrolmentFile:
        return self.folder.enrolment()

    def _socket(self) -> Path:
        return socket_path(self.folder.path) / SOCKET

    async def _handshake(self, host: str, port: int) -> str:
        """TLS up to the end of the handshake, trusting what the device trusts."""
        context = client_context(self._enrolment().trusted)
        try:
            async with asyncio.timeout(_SECONDS):
                _, writer = await asyncio.open_connection(host, port, ssl=context, server_hostname=host)
        except (OSError, ssl.SSLError, TimeoutError) as error:
            raise findings(ConnectEvidence(f"{host}:{port}", str(error) or "timed out"))[0] from error
        found: ssl.SSLObject = writer.get_extra_info("ssl_object")
        seen = f"{host}:{port}, {found.version()}"
        writer.close()
        return seen


def _object(value: Json) -> JsonObject:
    return value if isinstance(value, dict) else {}


def _list(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []
