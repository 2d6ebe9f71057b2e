"""One edge device put together: its agent, its hub and the workload API, and the order in which they live."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from starlette.routing import Route

from hotori.edge.agent import Agent, AgentParts
from hotori.edge.agent_memory import MemoryStore
from hotori.edge.agent_methods import AgentMethods
from hotori.edge.agent_metrics import AgentMeters, machine_families, usages_of
from hotori.edge.certificate_renewal import CertificateRenewal
from hotori.edge.control import Control
from hotori.edge.deployment import DeploymentStore
from hotori.edge.enrolment import EnrolmentFile
from hotori.edge.hub_methods import HubMethods
from hotori.edge.hub_settings import Clients, HubSettings, hub_report
from hotori.edge.image_room import ImageSizes
from hotori.edge.launched import Trial
from hotori.edge.listeners import EdgeListeners
from hotori.edge.module_certificates import ModuleCertificates
from hotori.edge.module_details import module_details
from hotori.edge.module_environment import Surroundings
from hotori.edge.own_twin import OwnTwin
from hotori.edge.release_keeper import ReleaseKeeper
from hotori.edge.scope import ScopeDirectory, ScopeRules, ScopeSource
from hotori.edge.streams.device_streams import DeviceStreams, StreamRules
from hotori.edge.streams.gate import StreamGate
from hotori.edge.streams.way_up import WayUp
from hotori.edge.support_bundle import BundleSources
from hotori.edge.tasks import Tasks
from hotori.edge.trial import TrialReport, link_of
from hotori.edge.trust_bundle import TrustBundle
from hotori.edge.uploads import Uploader
from hotori.edge.workload import WorkloadSources
from hotori.edge.workload_sockets import WorkloadSockets, socket_folder
from hotori.hub.directory import DirectoryNotReadyError
from hotori.hub.hub import Hub
from hotori.hub.hub_events import TwinNotifications
from hotori.hub.hub_metrics import account_families, edge_hub_families
from hotori.hub.hub_problems import hub_problems
from hotori.hub.intake import RoutingIntake
from hotori.hub.listener import mqtt_tunnel, serve_mqtt
from hotori.hub.metrics import Family
from hotori.hub.process_metrics import process_families
from hotori.hub.queues import Queues
from hotori.hub.service_api.edge import edge_app
from hotori.hub.service_api.parent import Parent
from hotori.hub.upstream import CATCH_UP, UPSTREAM_OPTIONS, Upstream
from hotori.hub.upstream_metrics import upstream_families
from hotori.hub.vouchers import Vouchers
from hotori.model.identity import EDGE_AGENT, EDGE_HUB, Identity
from hotori.model.json import Json, JsonObject
from hotori.model.secret import Secret
from hotori.net.certificates import Issuer
from hotori.net.client_certificate import ask_for_certificate
from hotori.net.http import HttpServer
from hotori.net.live_certificate import DAY
from hotori.net.tls import ServesTls, client_context
from hotori.problems import Problem
from hotori.reconcile.image_policy import ImageRules
from hotori.reconcile.restart import RestartRules
from hotori.runtimes.held_image import ImageHolder
from hotori.runtimes.image_shelf import ImageShelf
from hotori.runtimes.module_runtime import ModuleRuntime
from hotori.runtimes.shell import ShellOpener
from hotori.sdk.endpoint import Endpoint
from hotori.store.log import Log
from hotori.store.records import Records

_log = logging.getLogger(__name__)
_SEAL = ("workload", "seal")


@dataclass(frozen=True, slots=True)
class EdgeRules:
    """How patient the device is; times in seconds.

    A connection upwards counts as lost after `dead_after` of silence; `catch_up` is how many messages a second go up
    of what waited. Every `certificates` seconds it is seen whether the listeners' certificate must be renewed.
    """

    restart: RestartRules = field(default_factory=RestartRules)
    scope: ScopeRules = field(default_factory=ScopeRules)
    images: ImageRules = field(default_factory=ImageRules)
    streams: StreamRules = field(default_factory=StreamRules)
    look: float = 2.0
    certificates: float = DAY
    dead_after: int = UPSTREAM_OPTIONS.keep_alive
    catch_up: float = CATCH_UP


@dataclass(frozen=True, slots=True)
class EdgeParts:
    """What a device is made of. `name` is what modules dial; `queue_log` keeps the hub's messages;
    `images` is where unused images are removed, if anywhere; `shelf` is where they are kept and `sizes` tells how large
    they are, so that only what fits is fetched; `shells` opens them in modules, where it can; `trust` has the
    authorities whose certificates devices behind this one may show (contract 1.3), besides the cloud's own; `renewal`
    renews the device's certificate. `keeper` keeps the program at the version that is wanted, `trial` is that of this
    one where it is on trial, and `modules_stay` says whether modules outlive the program."""

    data: Path
    name: str
    enrolment: EnrolmentFile
    records: Records
    queue_log: Log
    runtime: ModuleRuntime
    authority: Issuer
    architecture: str
    trust: TrustBundle = field(default_factory=TrustBundle)
    rules: EdgeRules = field(default_factory=EdgeRules)
    images: ImageHolder | None = None
    shelf: ImageShelf | None = None
    sizes: ImageSizes | None = None
    shells: ShellOpener | None = None
    clock: Callable[[], float] = time.time
    renewal: CertificateRenewal | None = None
    keeper: ReleaseKeeper | None = None
    modules_stay: bool = False
    trial: Trial | None = None


class HubAbove(ScopeSource, Protocol):
    """What the device asks of the hub above over HTTPS."""

    async def forward(
        self, method: str, name: str, actor: str, hub_key: Secret, body: JsonObject, etag: str | None = None
    ) -> tuple[int, bytes]: ...


class EdgeDevice:
    """Constructed idle; `live` starts everything in order and ends it in the opposite one."""

    def __init__(self, parts: EdgeParts, seal: bytes, cloud: HubAbove, more: Sequence[Route] = ()) -> None:
        connection = parts.enrolment.connection
        self._parts, self._cloud, self._more = parts, cloud, more
        self.identity = connection.identity
        self.scope = ScopeDirectory(self.identity, connection.key, cloud, parts.records, parts.clock, parts.rules.scope)
        self.hub = self._make_hub(connection.host)
        TwinNotifications(self.hub, self._intake)
        options = replace(UPSTREAM_OPTIONS, keep_alive=parts.rules.dead_after)
        self.upstream = Upstream(self.hub, self._above(), options=options, catch_up=parts.rules.catch_up)
        self.sockets = WorkloadSockets(socket_folder(parts.data), self._workload_sources(seal))
        self._agent_meters = AgentMeters(parts.clock())
        self._agent_twin = OwnTwin(self.hub.twins, Identity(self.identity.device, EDGE_AGENT), self._deployed)
        self._hub_twin = OwnTwin(self.hub.twins, Identity(self.identity.device, EDGE_HUB), self._configured)
        self.agent = Agent(self._agent_parts(connection.host), self._agent_reports)
        self.settings = HubSettings()
        self._clients = Clients(parts.clock, self._report_hub)
        self._forgetting: set[asyncio.Task[None]] = set()
        self._tasks = Tasks()
        self._way_up = WayUp(parts.enrolment.above, client_context(parts.enrolment.trusted), connection, parts.clock)
        self.streams = self._make_streams()
        self._answer_methods(connection.host)
        self.forsaken = asyncio.Event()
        """Set when this program was on trial and its launcher is gone."""
        if parts.keeper:
            parts.keeper.changed = self.agent.wake
        self._watch()

    @classmethod
    async def make(cls, parts: EdgeParts, cloud: HubAbove, more: Sequence[Route] = ()) -> EdgeDevice:
        """A device with its secrets, which are made on first use. `more` is what else it serves over HTTPS."""
        collection, key = _SEAL
        record = await parts.records.get(collection, key)
        seal = record.value if record else secrets.token_bytes(32)
        if record is None:
            await parts.records.put(collection, key, seal)
        return cls(parts, seal, cloud, more)

    async def live(
        self, listeners: EdgeListeners, certificate: ServesTls, until: Callable[[], Awaitable[object]]
    ) -> None:
        """Serve until `until()` returns, which is called once all is ready. Modules end first, the hub last."""
        async with AsyncExitStack() as stack:
            await self.scope.load()
            await self.hub.start()
            stack.push_async_callback(self.hub.close)
            await self.upstream.start()
            stack.push_async_callback(self.upstream.close)
            await self.agent.load()
            for twin in (self._hub_twin, self._agent_twin):
                await twin.start()
            context = certificate.context()
            ask_for_certificate(context)
            server = await serve_mqtt(self.hub, ssl_context=context, sock=listeners.mqtt)
            stack.callback(server.close)
            https = edge_app(self.hub, self.scope, self.identity.device, self._parts.clock, self._for_children())
            door = self._gate().door()
            stack.push_async_callback(door.close)
            tunnels = (mqtt_tunnel(self.hub), door.tunnel())
            served = HttpServer(https, listeners.https, certificate, tunnels, asks_clients=True)
            await stack.enter_async_context(served)
            stack.push_async_callback(self._close_agent)
            stack.push_async_callback(self._tasks.close)
            stack.push_async_callback(self.streams.close)
            control = Control(self.agent, self._parts.runtime, self.bundle_sources(), self._parts.clock)
            await stack.enter_async_context(control.server(socket_folder(self._parts.data)))
            await self._work(until)

    async def metrics(self) -> list[Family]:
        """What Prometheus is told (contract 7.3)."""
        usages = await usages_of(self._parts.runtime, self.agent.specs)
        return [*self._families(), *self._agent_meters.use(usages, self._parts.clock())]

    def _families(self) -> Iterator[Family]:
        yield from edge_hub_families(self.hub)
        yield from upstream_families(self.hub, self.upstream)
        yield from account_families(self.hub)
        yield from self._agent_meters.families()
        yield from machine_families(self._parts.data, self._parts.clock() - self._agent_meters.began)
        yield from process_families()

    def _agent_reports(self, report: JsonObject) -> None:
        self._agent_meters.seen(report, self._parts.clock())
        self._agent_twin.report(report)

    def bundle_sources(self) -> BundleSources:
        """What a support bundle is made of."""
        documents: dict[str, Callable[[], Json]] = {
            "report": lambda: self.agent.report,
            "hub": self._hub_report,
            "queues": lambda: [asdict(account) for account in self.hub.queues.accounts()],
        }
        return BundleSources(self._parts.runtime, documents)

    async def _work(self, until: Callable[[], Awaitable[object]]) -> None:
        async with asyncio.TaskGroup() as group:
            actors = [self.scope.run(), self.agent.run(), self._agent_twin.run(), self._hub_twin.run()]
            if self._parts.renewal:
                actors.append(self._parts.renewal.run())
            if self._parts.keeper:
                actors.append(self._parts.keeper.run())
            if self._parts.trial:
                actors.append(self._be_tried(self._parts.trial))
            tasks = [group.create_task(actor) for actor in actors]
            try:
                await until()
            finally:
                for task in tasks:
                    task.cancel()

    def _make_hub(self, name: str) -> Hub:
        parts = self._parts
        queues = Queues(parts.queue_log, parts.records, parts.clock)
        self._intake = RoutingIntake(HubSettings().router, queues)
        return Hub(
            name,
            self.scope,
            parts.records,
            queues,
            self._intake,
            device=self.identity.device,
            host_names=(parts.name,),
            vouchers=Vouchers(authorities=parts.trust.with_text(parts.enrolment.ca)),
            clock=parts.clock,
        )

    def _above(self) -> Endpoint:
        enrolment = self._parts.enrolment
        return Endpoint(enrolment.above.host, enrolment.above.mqtt_port, client_context(enrolment.trusted))

    def _workload_sources(self, seal: bytes) -> WorkloadSources:
        parts, connection = self._parts, self._parts.enrolment.connection
        return WorkloadSources(
            self._key_of,
            parts.authority.pem + parts.enrolment.trusted,
            seal,
            ModuleCertificates(parts.authority, connection.host, self.identity.device),
            parts.runtime.owns,
            lambda: module_details(self.agent.report),
        )

    def _agent_parts(self, hub: str) -> AgentParts:
        parts = self._parts
        parent = parts.enrolment.parent.address.host if parts.enrolment.parent else None
        return AgentParts(
            around=Surroundings(self.identity.device, hub, parts.name, parent),
            runtime=parts.runtime,
            scope=self.scope,
            sockets=self.sockets,
            store=DeploymentStore(parts.records, parent),
            memories=MemoryStore(parts.records),
            clock=parts.clock,
            architecture=parts.architecture,
            rules=parts.rules.restart,
            look=parts.rules.look,
            images=parts.images,
            shelf=parts.shelf,
            sizes=parts.sizes,
            image_rules=parts.rules.images,
            credentials=parts.enrolment.registries,
            stepped=self._agent_meters.stepped,
            troubles=self._troubles,
            program=parts.keeper,
        )

    def _troubles(self) -> list[Problem]:
        """What is wrong with the device itself."""
        renewal = self._parts.renewal
        keeper = self._parts.keeper
        found = keeper.problems if keeper else ()
        return [*([renewal.problem] if renewal and renewal.problem else []), *found]

    async def _be_tried(self, trial: Trial) -> None:
        """Say when this version is healthy; with its launcher gone, the program ends."""
        await TrialReport(trial, lambda: link_of(self.upstream), lambda: self.agent.looked, self._passed).run()
        self.forsaken.set()

    def _passed(self) -> None:
        if self._parts.keeper:
            self._parts.keeper.passed()
        self.agent.wake()

    async def _close_agent(self) -> None:
        """Modules of an engine go on while one version of this program takes over from another."""
        keeper = self._parts.keeper
        await self.agent.close(keep=self._parts.modules_stay and keeper is not None and keeper.switching.is_set())

    def _answer_methods(self, hub: str) -> None:
        enrolment = self._parts.enrolment
        uploader = Uploader(
            sources=self.bundle_sources(),
            context=client_context(enrolment.trusted),
            hub=hub,
            device=self.identity.device,
            parent=enrolment.above.host,
            clock=self._parts.clock,
        )
        methods = AgentMethods(
            runtime=self._parts.runtime,
            modules=lambda: self.agent.specs,
            restart=self.agent.restart,
            clock=self._parts.clock,
            hub=hub,
            device=self.identity.device,
            uploader=uploader,
            tasks=self._tasks,
            streams=self.streams,
            called=self._agent_meters.called,
        )
        self.upstream.answer_methods(Identity(self.identity.device, EDGE_AGENT), methods.call)
        hub_methods = HubMethods(lambda: self._intake.router, self.hub.queues, self.scope.want)
        self.upstream.answer_methods(Identity(self.identity.device, EDGE_HUB), hub_methods.call)

    def _make_streams(self) -> DeviceStreams:
        parts = self._parts
        return DeviceStreams(
            self.identity.device,
            parts.runtime,
            parts.shells,
            lambda: self.agent.specs,
            self._way_up,
            parts.clock,
            parts.rules.streams,
        )

    def _gate(self) -> StreamGate:
        """For edge devices behind this one."""
        names = (self.hub.name, *self.hub.host_names)
        return StreamGate(self.scope, self.identity.device, names, self._way_up, self._parts.clock)

    def _watch(self) -> None:
        self.hub.sessions.watchers.append(self._clients.presence)
        self.hub.queues.watchers.append(self._report_hub)
        self.scope.changed.append(self._scope_changed)
        self.hub.admissions.ask_again = self.scope.ask_again

    async def _key_of(self, module: str) -> Secret | None:
        registration = self.scope.known(Identity(self.identity.device, module))
        return registration.primary if registration else None

    def _deployed(self, desired: JsonObject, version: int) -> None:
        self._agent_meters.deploying(version, self._parts.clock())
        self.agent.deploy(desired, version)

    def _configured(self, desired: JsonObject, version: int) -> None:
        """New routes are in force from the next message on."""
        self.settings = self.settings.configured(desired, version)
        self._intake.router = self.settings.router
        self.hub.queues.limits = self.settings.limits
        self.hub.rates.limits = self.settings.rates
        for problem in self.settings.problems:
            _log.error("$edgeHub: %s: %s", problem.title(), problem.cause())
        self._report_hub()

    def _report_hub(self) -> None:
        self._hub_twin.report(self._hub_report())

    def _hub_report(self) -> JsonObject:
        return hub_report(self.settings, self._clients, hub_problems(self.hub))

    def _scope_changed(self, identities: Iterable[Identity]) -> None:
        """The agent may have waited for an identity; whoever was removed, or has other keys, is put out."""
        self.agent.wake()
        for identity in identities:
            self._soon(self._take_change(identity))

    def _soon(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._forgetting.add(task)
        task.add_done_callback(self._forgetting.discard)

    async def _take_change(self, identity: Identity) -> None:
        if self.scope.known(identity) is None:
            await self.hub.forget(identity)
        concerned = {identity, *self.hub.admissions.spoken_for(identity.device)}
        if identity.module is None:
            connected = self.hub.sessions.all_connected()
            concerned |= {each for each in connected if each.device == identity.device}
        for each in concerned:
            await self.hub.judge_again(each)

    def _for_children(self) -> list[Route]:
        names = (self.hub.name, *self.hub.host_names)
        trusted = self.hub.admissions.vouchers.trusted
        parent = Parent(self.scope, self.identity.device, names, self._hand_up, self._parts.clock, trusted)
        return [*parent.routes(), *self._more]

    async def _hand_up(self, method: str, name: str, body: JsonObject, etag: str | None) -> tuple[int, bytes]:
        """A child's call, with this device's `$edgeHub` as the one that speaks."""
        device = self.identity.device
        hub = self.scope.known(Identity(device, EDGE_HUB))
        if hub is None:
            raise DirectoryNotReadyError("the edge hub's own key has not come yet")
        return await self._cloud.forward(method, name, device, hub.primary, body, etag)
