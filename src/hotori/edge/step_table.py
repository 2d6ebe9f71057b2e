"""How each step is performed: every action that a device can take stands in this table."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field

from hotori.model.image_reference import ImageReference
from hotori.model.manifest import RegistryCredential
from hotori.reconcile.modules import DesiredModule
from hotori.reconcile.steps import AwaitHealth, CreateModule, PullImage, RemoveModule, StartModule, Step, StopModule
from hotori.runtimes.module_runtime import Health, ModuleLaunch, ModuleObservation, ModuleRuntime, ModuleState

_log = logging.getLogger(__name__)
_LOOK = 0.5


@dataclass(frozen=True, slots=True)
class Orders:
    """What the steps of one plan need to know besides themselves."""

    desired: Mapping[str, DesiredModule]
    credentials: Sequence[RegistryCredential] = ()
    folders: Mapping[str, str] = field(default_factory=dict)
    """Folders of this machine that modules must see, by module."""
    pulls_first: bool = False
    """Every image is fetched before any of these modules is touched."""
    room: Callable[[ImageReference, RegistryCredential | None], AbstractAsyncContextManager[None]] | None = None
    """Sees that an image fits before it is fetched."""

    def credential(self, image: ImageReference) -> RegistryCredential | None:
        """The one for the image's registry."""
        return next((entry for entry in self.credentials if entry.address == image.registry), None)


async def _pull(runtime: ModuleRuntime, step: Step, orders: Orders) -> None:
    assert isinstance(step, PullImage)
    image = ImageReference.parse(step.image)
    credential = orders.credential(image)
    async with orders.room(image, credential) if orders.room else nullcontext():
        await runtime.pull(image, credential)


async def _await_health(runtime: ModuleRuntime, step: Step, orders: Orders) -> None:
    """Its time coming to an end is no failure: the module is started all the same."""
    assert isinstance(step, AwaitHealth)
    try:
        async with asyncio.timeout(step.within):
            while any(_to_be_awaited(seen) for seen in await runtime.observe() if seen.name in step.of):  # noqa: ASYNC110 - the port is looked at
                await asyncio.sleep(_LOOK)
    except TimeoutError:
        _log.warning("%s starts although %s: %g s have passed", step.module, step.why, step.within)


def _to_be_awaited(seen: ModuleObservation) -> bool:
    """Whether it has a health check, and does not run and pass it."""
    return seen.health is not Health.NONE and (
        seen.state is not ModuleState.RUNNING or seen.health is not Health.HEALTHY
    )


async def _create(runtime: ModuleRuntime, step: Step, orders: Orders) -> None:
    wanted = orders.desired[step.module]
    await runtime.create(
        ModuleLaunch(
            name=wanted.name,
            image=ImageReference.parse(wanted.image),
            env=wanted.env,
            create_options=wanted.create_options,
            fingerprint=wanted.fingerprint,
            folders=(orders.folders[step.module],) if step.module in orders.folders else (),
        )
    )


async def _start(runtime: ModuleRuntime, step: Step, orders: Orders) -> None:
    await runtime.start(step.module)


async def _stop(runtime: ModuleRuntime, step: Step, orders: Orders) -> None:
    await runtime.stop(step.module)


async def _remove(runtime: ModuleRuntime, step: Step, orders: Orders) -> None:
    await runtime.remove(step.module)


PERFORM: Mapping[type[Step], Callable[[ModuleRuntime, Step, Orders], Awaitable[None]]] = {
    PullImage: _pull,
    AwaitHealth: _await_health,
    CreateModule: _create,
    StartModule: _start,
    StopModule: _stop,
    RemoveModule: _remove,
}
