"""One function a check: each returns what it saw, or raises the problem."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from pathlib import Path

import httpx
from cryptography import x509

from hotori.diagnosis.evidence import ConnectEvidence
from hotori.diagnosis.findings import findings
from hotori.edge.check.device_folder import DeviceFolder
from hotori.edge.check.engine_checks import EngineChecks
from hotori.edge.check.lifetimes import ending, life_left
from hotori.edge.check.transport import handshake, websocket
from hotori.edge.cloud_api import CloudApi
from hotori.edge.control import SOCKET
from hotori.edge.enrolment import EnrolmentFile
from hotori.edge.listeners import bind_all
from hotori.edge.module_engine import ModuleEngine
from hotori.edge.workload_sockets import socket_path
from hotori.images.client import RegistryClient
from hotori.model.json import Json, JsonObject
from hotori.net.ports import port_of
from hotori.net.tls import client_context
from hotori.problems import Problem
from hotori.problems.checks import CLOCK_OFF, DEPLOYMENT_NOT_APPLIED
from hotori.sdk.control import ControlClient
from hotori.sdk.http_problem import transport_problem

_SECONDS = 10.0
_MOST_SKEW = 120.0
_MQTT = 8883
_NO_ENGINE = "modules are processes; --docker-host names an engine to look at"
Probe = Callable[[], Awaitable[str]]


class SeveralProblems(Exception):  # noqa: N818 - it carries problems
    """A look that found more than one."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__(f"{len(problems)} problems")
        self.problems = problems


@dataclass(slots=True)
class Probes:
    """The probes of one device. `engine` is its container engine, where it has one."""

    folder: DeviceFolder
    engine: ModuleEngine | None = None
    clock: Callable[[], float] = time.time
    _report: JsonObject = field(default_factory=dict)
    _hub: JsonObject = field(default_factory=dict)
    _shown: list[tuple[str, x509.Certificate]] = field(default_factory=list)

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
        return await self._shake_hands(self._enrolment().above.mqtt_port)

    async def https(self) -> str:
        return await self._shake_hands(self._enrolment().above.https_port)

    async def websocket(self) -> str:
        """The way that is left where only HTTPS gets out (FAILURES.md D15)."""
        enrolment = self._enrolment()
        return await websocket(enrolment.above.host, enrolment.above.https_port, enrolment.trusted)

    async def certificates(self) -> str:
        """What the cloud showed, who signed it, and what the device's own listeners show (FAILURES.md D17)."""
        known = [*self._shown, *await asyncio.to_thread(self._kept_certificates)]
        if problems := tuple(ending(known, self.clock())):
            raise SeveralProblems(problems)
        return ", ".join(f"{name} {life_left(each, self.clock()):.0%}" for name, each in known)

    async def registry(self) -> str:
        """The installation's registry takes the device's credential (FAILURES.md D05)."""
        enrolment = self._enrolment()
        if not enrolment.registries:
            return "the enrolment names none"
        with tempfile.NamedTemporaryFile("w", suffix=".pem") as trusted:
            trusted.write(enrolment.trusted)
            trusted.flush()
            credential = enrolment.registries[-1]
            async with RegistryClient(credential.address, credential, Path(trusted.name)) as client:
                await client.greet()
        return credential.address

    async def ports(self) -> str:
        """Whether the device could listen, where it does not already (FAILURES.md D12). Raises `port-in-use` and
        `port-forbidden`."""
        run = await asyncio.to_thread(self.folder.last_run)
        if self._report:
            return "the device listens on them"
        if run is None:
            return "the device has never started"
        ahead = run.engine is not None
        listeners = await asyncio.to_thread(bind_all, run.listen, run.mqtt_port, run.https_port, ahead=ahead)
        seen = f"{run.listen or 'any address'}: {port_of(listeners.mqtt)}, {port_of(listeners.https)}"
        listeners.close()
        return f"{seen} are free"

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
        """The cloud takes the device's key or certificate."""
        enrolment = self._enrolment().checked()
        context, connection = enrolment.context(), enrolment.connection
        async with CloudApi(enrolment.above, connection.host, context, self.clock) as cloud:
            modules = await cloud.modules(connection.identity, connection.key)
        return f"{len(modules)} modules are registered"

    async def container_engine(self) -> str:
        engine = self._engine()
        return await engine.version() if engine else _NO_ENGINE

    async def image_disk(self) -> str:
        engine = self._engine()
        return await engine.room() if engine else _NO_ENGINE

    async def packets(self) -> str:
        engine = self._engine()
        return await engine.way_out() if engine else _NO_ENGINE

    async def module_network(self) -> str:
        engine, run = self._engine(), self.folder.last_run()
        if engine is None:
            return _NO_ENGINE
        return await engine.network(self._enrolment().above.host, run.mqtt_port if run else _MQTT)

    async def running(self) -> str:
        async with ControlClient(await asyncio.to_thread(self._socket)) as device:
            self._report, self._hub = await device.report(), await device.hub()
        return "it answers"

    async def queues(self) -> str:
        """What the hub says of its queues and of clients that share an identity (FAILURES.md D20, D27)."""
        problems = _problems(self._hub)
        if problems:
            raise SeveralProblems(problems)
        return "no problem"

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
        if problems := tuple(problem for module in modules.values() for problem in _problems(_object(module))):
            raise SeveralProblems(problems)
        return f"{len(modules)} modules, no problem"

    def _enrolment(self) -> EnrolmentFile:
        return self.folder.enrolment()

    def _engine(self) -> EngineChecks | None:
        """The engine that was named, or the one that the device was last started with."""
        run = self.folder.last_run()
        engine = self.engine or (run.engine if run else None)
        if engine is None:
            return None
        try:
            owner = str(self._enrolment().connection.identity)
        except Problem:
            owner = ""
        return EngineChecks(engine, owner)

    async def _shake_hands(self, port: int) -> str:
        enrolment = self._enrolment()
        shown = await handshake(enrolment.above.host, port, enrolment.trusted)
        self._shown.append((shown.where, shown.certificate))
        return f"{shown.where}, {shown.version}"

    def _kept_certificates(self) -> list[tuple[str, x509.Certificate]]:
        found = x509.load_pem_x509_certificates(self._enrolment().trusted.encode())
        known = [(f"authority {each.subject.rfc4514_string()}", each) for each in found]
        own = self.folder.own_certificate()
        return [*known, ("this device", own)] if own else known

    def _socket(self) -> Path:
        return socket_path(self.folder.path) / SOCKET


def _object(value: Json) -> JsonObject:
    return value if isinstance(value, dict) else {}


def _problems(report: JsonObject) -> tuple[Problem, ...]:
    found = [each for each in _list(report.get("problems")) if isinstance(each, dict)]
    return tuple(Problem.from_document(each) for each in found)  # type: ignore[arg-type]


def _list(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []
