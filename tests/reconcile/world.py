"""A pure world of modules in which a plan can be performed, and builders of its values."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from hotori.model.manifest import LAST_IN_ORDER, ModuleSpec, PullPolicy, RestartPolicy, Status
from hotori.reconcile.modules import DesiredModule, ObservedModule, ObservedState
from hotori.reconcile.steps import AwaitHealth, CreateModule, PullImage, RemoveModule, StartModule, Step, StopModule


def desired(
    name: str = "camera",
    tag: str = "1",
    status: Status = Status.RUNNING,
    restart: RestartPolicy = RestartPolicy.ALWAYS,
    order: int = LAST_IN_ORDER,
    pull: PullPolicy = PullPolicy.ON_CREATE,
) -> DesiredModule:
    spec = ModuleSpec(name, f"127.0.0.1:5000/{name.lower()}:{tag}", status, restart, pull, order)
    return DesiredModule.resolve(spec, {"IOTEDGE_MODULEID": name})


def observed(module: DesiredModule, state: ObservedState = ObservedState.RUNNING, **times: float) -> ObservedModule:
    return ObservedModule(
        module.name,
        state,
        module.fingerprint,
        started_at=times.get("started_at", 0.0),
        exited_at=times.get("exited_at", 0.0),
        exit_code=1 if state is ObservedState.FAILED else 0,
    )


@dataclass
class World:
    """Modules and images, and nothing else. It refuses a step that a real engine would refuse."""

    modules: dict[str, ObservedModule] = field(default_factory=dict)
    images: set[str] = field(default_factory=set)
    desired: dict[str, DesiredModule] = field(default_factory=dict)

    def perform(self, steps: Iterable[Step]) -> None:
        for step in steps:
            self.take(step)

    def perform_without(self, missing: set[str], steps: Iterable[Step]) -> set[str]:
        """Perform them as a performer does where these images are not to be had; the modules cut off by that."""
        failed: set[str] = set()
        for step in steps:
            if isinstance(step, PullImage) and step.image in missing:
                failed.add(step.module)
            elif step.module not in failed:
                self.take(step)
        return failed

    def take(self, step: Step) -> None:
        match step:
            case AwaitHealth(of=awaited):
                assert awaited, "a wait for nobody"
            case PullImage(image=image):
                self.images.add(image)
            case CreateModule(module=name, fingerprint=fingerprint):
                assert name not in self.modules, "the name is in use"
                wanted = self.desired[name]
                assert wanted.image in self.images or wanted.pull_policy is PullPolicy.NEVER, "the image is not here"
                self.modules[name] = ObservedModule(name, ObservedState.CREATED, fingerprint)
            case StartModule(module=name):
                assert not self.modules[name].state.alive, "it runs already"
                self.modules[name] = replace(self.modules[name], state=ObservedState.RUNNING)
            case StopModule(module=name):
                assert self.modules[name].state.alive, "it does not run"
                self.modules[name] = replace(self.modules[name], state=ObservedState.STOPPED)
            case RemoveModule(module=name):
                assert not self.modules[name].state.alive, "a running module is not removed"
                del self.modules[name]
