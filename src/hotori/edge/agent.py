"""The agent: what the deployment asks for, what there is, a plan, its steps, and a report; again and again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from typing import Protocol

from hotori.edge.agent_memory import AgentMemory, Failure, MemoryStore
from hotori.edge.deployment import FAILED, OK, Deployment, DeploymentStore, Judgement
from hotori.edge.endings import Endings
from hotori.edge.health import health_problems, observe
from hotori.edge.image_collector import ImageCollector
from hotori.edge.image_room import ImageRoom, ImageSizes, RoomParts
from hotori.edge.log_levels import log_level_of_modules, set_log_levels
from hotori.edge.module_environment import Surroundings, module_environment
from hotori.edge.performer import Outcome, Performer
from hotori.edge.release_keeper import ReleaseKeeper
from hotori.edge.report import AgentReport, ModuleReport, problem_documents
from hotori.edge.step_table import Orders
from hotori.edge.watched_runtime import CallLimits, WatchedRuntime, bounded
from hotori.hub.registration import Registration
from hotori.model.identity import Identity
from hotori.model.json import JsonObject
from hotori.model.manifest import AgentConfig, ModuleSpec, RegistryCredential
from hotori.problems import Problem
from hotori.problems.images import IMAGE_EXCEEDS_DISK
from hotori.problems.module_ends import MODULE_DISK_FULL, MODULE_RESTARTING
from hotori.problems.storage import DISK_FULL
from hotori.reconcile.image_policy import ImageRules
from hotori.reconcile.modules import DesiredModule, ObservedState
from hotori.reconcile.plan import Plan, plan
from hotori.reconcile.restart import RestartRules, RestartState
from hotori.reconcile.runtime_status import RuntimeStatus, runtime_status
from hotori.reconcile.steps import StartModule
from hotori.reconcile.verdict import Bucket, Verdict
from hotori.runtimes.held_image import ImageHolder
from hotori.runtimes.image_shelf import Disk, ImageShelf
from hotori.runtimes.module_runtime import ModuleObservation, ModuleRuntime, ModuleState

_log = logging.getLogger(__name__)
_LOOK = 2.0
_DISK_KINDS = (DISK_FULL, MODULE_DISK_FULL, IMAGE_EXCEEDS_DISK)


class Scope(Protocol):
    """Who is registered: a module is made once its identity is known, since its environment names it."""

    def known(self, identity: Identity) -> Registration | None: ...

    def want(self) -> None:
        """Ask the cloud soon for what is not known."""
        ...


class Sockets(Protocol):
    """Where modules find their workload API."""

    def uri(self, module: str) -> str: ...

    def folder(self, module: str) -> str:
        """The folder with the module's socket, which a container must be given."""
        ...

    async def serve(self, modules: Iterable[str]) -> None: ...

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class AgentParts:
    """What the agent works with. `look` is the longest time between two looks at the modules, in seconds."""

    around: Surroundings
    runtime: ModuleRuntime
    scope: Scope
    sockets: Sockets
    store: DeploymentStore
    memories: MemoryStore
    clock: Callable[[], float]
    architecture: str = ""
    rules: RestartRules = field(default_factory=RestartRules)
    image_rules: ImageRules = field(default_factory=ImageRules)
    images: ImageHolder | None = None
    """None leaves images alone."""
    shelf: ImageShelf | None = None
    sizes: ImageSizes | None = None
    """With both, an image is only fetched where it fits."""
    limits: CallLimits = field(default_factory=CallLimits)
    look: float = _LOOK
    credentials: tuple[RegistryCredential, ...] = ()
    """Of the device itself; those of the manifest go before them."""
    stepped: Callable[[Outcome], None] = lambda _: None
    """Told what became of each step."""
    troubles: Callable[[], Sequence[Problem]] = tuple
    """What is wrong with the device besides its modules."""
    program: ReleaseKeeper | None = None
    """Keeps the agent's own program at the version that the deployment names."""


class Agent:
    """Runs one device's modules. `publish` is called with each new report.

    A module that fails, a step that fails and a deployment that cannot be read each stay with themselves: all
    else goes on. What a deployment that cannot be used replaces keeps running.
    """

    def __init__(self, parts: AgentParts, publish: Callable[[JsonObject], None]) -> None:
        self._parts, self._publish = parts, publish
        self._memory = AgentMemory()
        self._collector: ImageCollector | None = None
        self._room = self._make_room()
        self._disk: Disk | None = None
        self._runtime = WatchedRuntime(parts.runtime, parts.limits)
        self._performer = Performer(self._runtime, self._done)
        self._endings = Endings(self._runtime, settled=parts.rules.unit, found=self._memory.endings)
        self._current = Deployment()
        self._latest = Deployment()
        self._verdicts: dict[str, Verdict] = {}
        self._seen: dict[str, ModuleObservation] = {}
        self._judged = Judgement()
        self._wake = asyncio.Event()
        self._started_at = parts.clock()
        self.looked = False
        """Whether one look at the modules has gone well."""
        self.report: JsonObject = {}

    @property
    def specs(self) -> Mapping[str, ModuleSpec]:
        """The modules of the deployment that is in force."""
        return self._current.config.modules if self._current.config else {}

    @property
    def _pulls_first(self) -> bool:
        return self._current.config is not None and self._current.config.pulls_first

    async def load(self) -> None:
        """Begin with the deployment of the former life: the cloud may be out of reach."""
        self._current = self._latest = await self._parts.store.load()
        await self._parts.memories.load(self._memory)
        if self._parts.images:
            self._collector = ImageCollector(self._parts.images, self._parts.image_rules, self._memory.images)
        if self._current.config:
            set_log_levels(self._current.config)
            self._keep_program()
            program = self._parts.program
            # While the program itself is on its way, nobody may take this version of the deployment as done.
            self._judged = Judgement(0 if program and program.pending else self._current.version, OK)

    def deploy(self, desired: JsonObject, version: int) -> None:
        """The twin asks for this now."""
        self._latest = Deployment.read(desired, version, self._parts.around.parent)
        if self._latest.problem:
            _log.error("deployment %d was refused: %s", version, self._latest.problem.cause())
        self.wake()

    def wake(self) -> None:
        """Look now."""
        self._wake.set()

    async def restart(self, module: str) -> None:
        """Stop and start the module because somebody asked for it, and forget what is held against it."""
        _log.info("module %s is restarted by hand", module)
        await self._parts.runtime.stop(module)
        await self._parts.runtime.start(module)
        self._memory.states.pop(module, None)
        self.wake()

    async def run(self) -> None:
        """For ever; ends only by being cancelled."""
        listening = asyncio.create_task(self._listen(), name="changes of modules")
        try:
            await self._look_again_and_again()
        finally:
            listening.cancel()

    async def _listen(self) -> None:
        """Look as soon as something happens to a module."""
        async for _ in self._runtime.changes():
            self.wake()

    async def _look_again_and_again(self) -> None:
        while True:
            try:
                await self.look()
            except Problem as problem:
                _log.error("the agent's look at its modules failed: %s: %s", problem.title(), problem.cause())
                self._publish_with(problem)
            except Exception:  # noqa: BLE001 - the agent's one guard: a fault of one pass must not end the device
                _log.exception("the agent's look at its modules failed; it looks again")
            try:
                async with asyncio.timeout(self._parts.look):
                    await self._wake.wait()
            except TimeoutError:
                pass
            self._wake.clear()

    async def look(self) -> Plan:
        """One pass: take up a new deployment, observe, plan, begin the steps, report. The plan it followed.

        Raises `agent-stuck` where something in it hangs, and what the engine's faults mean.
        """
        own, now = self._parts.limits.own, self._parts.clock()
        async with bounded("take up the deployment", own):
            await self._take_up()
        desired = self._resolve()
        async with bounded("serve the sockets of the modules", own):
            await self._parts.sockets.serve(desired)
        stale = self._performer.busy  # what is seen of these is from before their steps end
        observations = {seen.name: seen for seen in await self._runtime.observe()}
        self._seen = self._to_be_told(observations)
        await self._endings.look(observations.values(), now)
        made = self._plan(desired, observations, stale, now)
        folders = {name: self._parts.sockets.folder(name) for name in desired}
        room = self._room.held if self._room else None
        self._performer.begin(made, Orders(desired, self._credentials(), folders, self._pulls_first, room))
        self._verdicts |= made.verdicts
        self._disk = await self._room.disk(now) if self._room else None
        self._report(made, self._seen)
        if self._collector:
            self._collect(self._collector, made, observations.values(), now)
        async with bounded("write down what happened", own):
            await self._parts.memories.save(self._memory)
        self.looked = True
        return made

    async def idle(self) -> None:
        """Wait until no step is under way."""
        await self._performer.idle()

    async def close(self, grace: float = 10.0, *, keep: bool = False) -> None:
        """Stop every module (contract 3.2: at the agent's end all are stopped) and what is under way.

        With `keep` the modules go on: another version of this program takes them over.
        """
        await self._performer.close()
        if self._collector:
            await self._collector.close()
        if not keep:
            await self._stop_all(grace)
        await self._parts.sockets.close()

    async def _stop_all(self, grace: float) -> None:
        running = [seen.name for seen in await self._runtime.observe() if seen.state is ModuleState.RUNNING]
        stops = (self._runtime.stop(name, grace) for name in running)
        for name, failed in zip(running, await asyncio.gather(*stops, return_exceptions=True), strict=True):
            if failed is not None:
                _log.error("module %s was not stopped: %s", name, failed)

    def _keep_program(self) -> None:
        if self._parts.program:
            self._parts.program.take(self._current.config)

    async def _take_up(self) -> None:
        """Make the latest deployment the current one, if it can be used and is another."""
        if self._latest.config is None or self._latest.desired == self._current.desired:
            if self._latest.code == OK:
                self._current = self._latest
            return
        _log.info("deployment %d is taken up: %s", self._latest.version, ", ".join(self._latest.config.modules) or "-")
        await self._parts.store.save(self._latest)
        self._parts.scope.want()
        await self._performer.abandon_pulls()
        self._current = self._latest
        set_log_levels(self._latest.config)
        self._memory.forget_modules()
        self._keep_program()

    def _resolve(self) -> dict[str, DesiredModule]:
        """The desired modules whose identity is known; the cloud is asked for the others."""
        parts, resolved = self._parts, {}
        around = replace(parts.around, log_level=log_level_of_modules(self._current.config))
        logs = self._current.config.logs if self._current.config else None
        for name, spec in self.specs.items():
            if registration := parts.scope.known(Identity(parts.around.device, name)):
                env = module_environment(spec, around, registration.generation, parts.sockets.uri(name))
                resolved[name] = DesiredModule.resolve(spec, env, logs)
        if resolved.keys() != self.specs.keys():
            parts.scope.want()
        return resolved

    def _plan(
        self,
        desired: Mapping[str, DesiredModule],
        observations: Mapping[str, ModuleObservation],
        stale: AbstractSet[str],
        now: float,
    ) -> Plan:
        busy, rules, states = self._performer.busy | stale, self._parts.rules, self._memory.states
        unresolved = self.specs.keys() - desired.keys()
        left_out = busy | unresolved
        observed = {name: observe(seen) for name, seen in observations.items() if name not in left_out}
        wanted = {name: module for name, module in desired.items() if name not in left_out}
        for name, module in observed.items():
            if name in states:
                states[name] = states[name].seen(module, now, rules)
        made = plan(wanted, observed, states, now, rules, pulls_first=self._pulls_first)
        for name in self._memory.failures.keys() & observed.keys():
            if observed[name].state is ObservedState.RUNNING and made.verdicts[name].bucket is Bucket.UNCHANGED:
                del self._memory.failures[name]
                states[name] = states.get(name, RestartState()).step_succeeded()
        return made

    def _to_be_told(self, observations: Mapping[str, ModuleObservation]) -> dict[str, ModuleObservation]:
        """A restart is counted when its step ends: until then what was seen before it is reported, so that no report
        has the new start with the old count."""
        restarting = self._performer.restarting
        return {name: self._seen.get(name, seen) if name in restarting else seen for name, seen in observations.items()}

    def _collect(
        self, collector: ImageCollector, made: Plan, observations: Iterable[ModuleObservation], now: float
    ) -> None:
        """Remember whose images are ours, and look through them while nothing else is to be done."""
        seen = {name for observation in observations for name in (observation.image, observation.image_digest)}
        needed = self._needed()
        self._memory.images.known |= needed | (seen - {""})
        if self._judged == Judgement(self._current.version, OK):
            self._memory.images.good = set(needed)
        if not made.steps and not self._performer.busy:
            collector.begin(needed, now)

    def _needed(self) -> frozenset[str]:
        return frozenset(spec.image for spec in self.specs.values())

    def _make_room(self) -> ImageRoom | None:
        parts = self._parts
        if parts.shelf is None or parts.sizes is None:
            return None
        return ImageRoom(RoomParts(parts.shelf, parts.sizes, parts.images, self._free_images))

    async def _free_images(self) -> None:
        if self._collector:
            await self._collector.free(self._needed(), self._parts.clock())

    def _credentials(self) -> tuple[RegistryCredential, ...]:
        config: AgentConfig | None = self._current.config
        return (*(config.credentials if config else ()), *self._parts.credentials)

    def _done(self, outcome: Outcome) -> None:
        """A step ended."""
        name, now = outcome.step.module, self._parts.clock()
        self._parts.stepped(outcome)
        memory = self._memory.states.get(name, RestartState())
        if outcome.problem:
            self._memory.failures[name] = Failure(outcome.problem, isinstance(outcome.step, StartModule))
            memory = memory.step_failed(now)
            if self._collector and outcome.problem.kind in _DISK_KINDS:
                self._collector.urgent = True
        else:
            if isinstance(outcome.step, StartModule) and outcome.step.restart:
                memory = memory.restarted(now)
            if outcome.last:
                self._memory.failures.pop(name, None)
                memory = memory.step_succeeded()
        self._memory.states[name] = memory
        if outcome.last:
            self.wake()

    def _publish_with(self, problem: Problem) -> None:
        """The last report, with what keeps the agent from making the next one."""
        troubles = [problem] if self._latest.problem is None else [self._latest.problem, problem]
        self.report = {**self.report, "problems": problem_documents(troubles)}
        self._publish(self.report)

    def _report(self, made: Plan, observations: Mapping[str, ModuleObservation]) -> None:
        self._judged = self._judge_deployment(made)
        troubles = [*([self._latest.problem] if self._latest.problem else []), *self._parts.troubles()]
        program = self._parts.program
        report = AgentReport(
            deployment=self._latest,
            judgement=self._judged,
            modules={name: self._module(name, observations.get(name)) for name in self.specs},
            architecture=self._parts.architecture,
            started_at=self._started_at,
            problems=troubles,
            images=self._collector.counts if self._collector else None,
            disk=self._disk,
            program=program.document() if program else None,
        )
        self.report = report.document()
        self._publish(self.report)

    def _judge_deployment(self, made: Plan) -> Judgement:
        """lastDesiredVersion and lastDesiredStatus: while a deployment is being applied the former ones stay.

        They move together, so that nobody takes the old success for the new version's (contract 4.1 moves the
        version first).
        """
        version = self._latest.version
        if self._latest.code != OK:
            return Judgement(version, self._latest.code, str(self._latest.problem or ""))
        if failures := self._memory.failures:
            return Judgement(version, FAILED, "; ".join(str(failure.problem) for failure in failures.values()))
        if (program := self._parts.program) and program.failed:
            return Judgement(version, FAILED, str(program.failed))
        if program and program.pending:
            return self._judged
        if made.steps or self._performer.busy or made.verdicts.keys() != self.specs.keys():
            return self._judged
        return Judgement(version, OK)

    def _module(self, name: str, seen: ModuleObservation | None) -> ModuleReport:
        memory, rules = self._memory.states.get(name, RestartState()), self._parts.rules
        verdict = self._verdicts.get(name)
        status = runtime_status(observe(seen) if seen else None, verdict, memory, rules)
        step = self._performer.doing(name)
        waits = verdict.next_attempt if verdict and not step and status is not RuntimeStatus.RUNNING else 0.0
        return ModuleReport(
            spec=self.specs[name],
            status=status,
            why=f"{type(step).__name__}: {step.why}" if step else verdict.why if verdict else "its identity is awaited",
            observation=seen,
            memory=memory,
            problems=self._problems(name, memory, seen),
            next_attempt=waits,
        )

    def _problems(self, name: str, memory: RestartState, seen: ModuleObservation | None) -> tuple[Problem, ...]:
        found = list(self._endings.problems(name))
        failed = self._memory.failures.get(name)
        if failed:
            # A start that fails is an ending too; who tried to start it knows more than its log.
            found = [failed.problem] if failed.at_start else [*found, failed.problem]
        if seen:
            found.extend(health_problems(seen, self._parts.clock(), self._parts.rules))
        if memory.count >= self._parts.rules.many:
            found.append(Problem(MODULE_RESTARTING, module=name, count=memory.count))
        return tuple(found)
