"""The rollouts of a hub: looks at what changed, lets the core decide, and brings twins to what they should be."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import replace

import msgspec

from hotori.hub.apply import Deployments
from hotori.hub.hub import Hub
from hotori.hub.registration import Registration
from hotori.hub.registry import Registry
from hotori.hub.rollouts.applier import Applier
from hotori.hub.rollouts.configurations import Configurations, Kept
from hotori.hub.rollouts.survey import Survey, View
from hotori.hub.twins import ServiceWrite, TwinChange
from hotori.model.configuration import Configuration
from hotori.model.identity import EDGE_AGENT, Identity
from hotori.problems import Problem
from hotori.problems.rollouts import ROLLOUT_NOT_SO
from hotori.rollout.health import Health, Reading
from hotori.rollout.layers import Effective
from hotori.rollout.phase import Phase, Progress, advance, next_look, resumed
from hotori.store.records import Records

COLLECTION = "rollouts"
SETTLE = 0.1
"""Seconds that news are collected for before they are looked at."""
LOOK_AGAIN = 300.0
"""Seconds after which everybody is looked at without any news: registrations change without telling."""
RETRY = 30.0
"""Seconds until a device is tried again whose twins could not be written."""

logger = logging.getLogger(__name__)


class Rollouts:
    """Watches the hub from `start` to `close`. Nothing is done while there is no configuration.

    A round looks again at the devices of which there is news, applies what they should have, and lets every
    rollout with a strategy go on. Its progress is durable; a round that was cut off is done again.
    """

    def __init__(
        self,
        hub: Hub,
        registry: Registry,
        deployments: Deployments,
        configurations: Configurations,
        records: Records,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.configurations = configurations
        self._hub = hub
        self._registry = registry
        self._records = records
        self._clock = clock
        self._survey = Survey(hub, registry)
        self._applier = Applier(hub, registry, deployments, records, self.admits, self._withdrawn)
        self._current: tuple[Kept, ...] = ()
        self._progress: dict[str, Progress] = {}
        self._views: dict[str, View] = {}
        self._faults: dict[str, str] = {}
        self._news: set[str] = set()
        self._all_news = True
        self._judged_at = clock()
        self._wake = asyncio.Event()
        self._turn = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Read what is kept, and watch."""
        await self.configurations.open()
        await self._applier.open()
        for record in await self._records.list(COLLECTION):
            self._progress[record.key] = msgspec.json.decode(record.value, type=Progress)
        self.configurations.changed.append(self._all_changed)
        self._registry.watchers.append(self._registered)
        self._hub.sessions.watchers.append(self._presence)
        self._hub.twins.write_watchers.append(self._written)
        self._hub.twins.reported_watchers.append(self._reported)
        self._task = asyncio.create_task(self._run(), name="rollouts")
        self._wake.set()

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def progress(self, name: str) -> Progress | None:
        """How the rollout of a configuration goes; None where it has no strategy. Raises `configuration-unknown`."""
        kept = self.configurations.get(name)
        return None if kept.configuration.strategy is None else self._progress.get(name, Progress())

    def admits(self, configuration: Configuration, device: str) -> bool:
        """Whether the device should have the configuration, as far as its rollout is concerned."""
        if configuration.strategy is None:
            return True
        return self._progress.get(configuration.id, Progress()).admits(device)

    async def effective(self, device: str) -> Effective:
        """What the device should have now, and by whom. Raises `device-unknown`."""
        await self._registry.get(Identity(device))
        view = await self._survey.view(device, self.configurations.all())
        return self._applier.effective(device, view or View())

    async def settle(self) -> None:
        """Return once everything that is known now was acted on."""
        await self._round()

    async def pause(self, name: str, reason: str) -> Progress:
        """No further device gets it. Raises `rollout-not-so`."""
        return await self._decide(name, (Phase.ROLLING,), lambda now: replace(now, phase=Phase.PAUSED, reason=reason))

    async def resume(self, name: str) -> Progress:
        """Go on where it was paused, with a new chance for those that failed. Raises `rollout-not-so`."""
        return await self._decide(name, (Phase.PAUSED,), lambda now: resumed(now, self._clock()))

    async def roll_back(self, name: str, reason: str) -> Progress:
        """Everybody gets back what they had before. Raises `rollout-not-so`."""
        phases = (Phase.ROLLING, Phase.PAUSED, Phase.COMPLETE)
        return await self._decide(name, phases, lambda now: replace(now, phase=Phase.ROLLED_BACK, reason=reason))

    async def _decide(self, name: str, phases: tuple[Phase, ...], change: Callable[[Progress], Progress]) -> Progress:
        async with self._turn:
            progress = self.progress(name)
            if progress is None or progress.phase not in phases:
                state = "all at once" if progress is None else progress.phase.value
                raise Problem(ROLLOUT_NOT_SO, configuration=name, state=state, needed=", ".join(phases))
            changed = change(progress)
            await self._keep(name, changed)
        self._all_changed()
        return changed

    def _withdrawn(self, name: str) -> bool:
        progress = self._progress.get(name)
        return progress is not None and progress.phase is Phase.ROLLED_BACK

    # News: every watcher only notes whom to look at.

    def _all_changed(self) -> None:
        self._all_news = True
        self._wake.set()

    def _note(self, identity: Identity) -> None:
        if self.configurations.all():
            self._news.add(identity.device)
            self._wake.set()

    def _registered(self, registration: Registration, *, created: bool) -> None:
        self._note(registration.identity)

    def _presence(self, identity: Identity, _: bool) -> None:
        if identity.module == EDGE_AGENT:
            self._note(identity)

    def _written(self, news: ServiceWrite) -> None:
        self._note(news.identity)

    def _reported(self, change: TwinChange) -> None:
        self._note(change.identity)

    # The round.

    async def _run(self) -> None:
        while True:
            due = self._next_look()
            try:
                async with asyncio.timeout(
                    min(LOOK_AGAIN, LOOK_AGAIN if due is None else max(0.0, due - self._clock()))
                ):
                    await self._wake.wait()
                await asyncio.sleep(SETTLE)
            except TimeoutError:
                self._all_news = due is None
            try:
                await self._round()
            except Problem as problem:
                logger.error("Deployments could not be looked at, and will be again: %s", problem)
                await asyncio.sleep(RETRY)
                self._all_changed()

    async def _round(self) -> None:
        async with self._turn:
            self._wake.clear()
            self._current = self.configurations.all()  # one round judges everybody by the same
            await self._apply(await self._take_news())
            while moved := await self._advance_all():
                await self._apply(moved)

    async def _take_news(self) -> set[str]:
        everybody, self._all_news = self._all_news, False
        news, self._news = self._news, set()
        if everybody:
            news = set(await self._survey.devices()) | self._views.keys()
        if not self._current and not self._views:
            return set()
        for device in news:
            await self._look(device)
        return news

    async def _look(self, device: str) -> None:
        view = await self._survey.view(device, self._current)
        if view is not None:
            self._views[device] = view
        elif self._views.pop(device, None) is not None:
            await self._applier.forget(device)

    async def _apply(self, devices: set[str]) -> None:
        for device in sorted(devices & self._views.keys()):
            try:
                written = await self._applier.apply(device, self._views[device])
                self._faults.pop(device, None)
            except Problem as problem:
                logger.warning("The deployment of %s could not be applied: %s", device, problem)
                self._faults[device] = f"{problem.title()}: {problem.cause()}"
                written = False
            if written:
                await self._look(device)

    async def _advance_all(self) -> set[str]:
        """Let every rollout go on; the devices for which something changed."""
        for gone in self._progress.keys() - {each.configuration.id for each in self._current}:
            await self._records.delete(COLLECTION, gone)
            del self._progress[gone]
        moved: set[str] = set()
        self._judged_at = self._clock()
        for kept in self._current:
            if kept.configuration.strategy is not None:
                moved |= await self._advance(kept)
        return moved

    async def _advance(self, kept: Kept) -> set[str]:
        configuration, now = kept.configuration, self._judged_at
        strategy = configuration.strategy
        assert strategy is not None
        before = self._progress.get(configuration.id, Progress())
        targeted = sorted(device for device, view in self._views.items() if configuration in view.edge)
        seen = {name: each.seen(*self._seen(name), now) for name, each in before.devices.items()}
        after = advance(replace(before, devices=seen), strategy, targeted, now)
        if after != before:
            await self._keep(configuration.id, after)
        if after.phase is not before.phase:
            logger.info("The rollout of %s is %s %s", configuration.id, after.phase, after.reason)
            return set(targeted)
        return after.devices.keys() - before.devices.keys()

    def _seen(self, device: str) -> tuple[Reading, bool]:
        view = self._views.get(device, View())
        if fault := self._faults.get(device):
            return Reading(Health.FAILING, fault), True
        return view.reading or Reading(Health.WAITING), view.connected

    async def _keep(self, name: str, progress: Progress) -> None:
        await self._records.put(COLLECTION, name, msgspec.json.encode(progress))
        self._progress[name] = progress

    def _next_look(self) -> float | None:
        # As seen from the last judgement: what fell due since then is still to be looked at. Timers wake early, too.
        now = self._judged_at
        due = [now + RETRY] if self._faults else []
        for kept in self.configurations.all():
            progress, strategy = self._progress.get(kept.configuration.id), kept.configuration.strategy
            if progress and strategy and (time_ := next_look(progress, strategy, now)) is not None:
                due.append(time_)
        return min(due, default=None)
