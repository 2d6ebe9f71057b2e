"""Plans are performed in order within a module and a startup group, and no module waits for another's trouble."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from hotori.edge.performer import Outcome, Performer
from hotori.edge.step_table import Orders
from hotori.model.image_reference import ImageReference
from hotori.model.manifest import ModuleSpec, RegistryCredential
from hotori.model.secret import Secret
from hotori.reconcile.modules import DesiredModule
from hotori.reconcile.plan import plan
from hotori.reconcile.restart import RestartRules
from tests.edge.parts import image
from tests.edge.scripted_runtime import ScriptedRuntime


def wanted(**orders: int) -> dict[str, DesiredModule]:
    """Modules by name with their startup order."""
    specs = [ModuleSpec(name, image(name), startup_order=order) for name, order in orders.items()]
    return {spec.name: DesiredModule.resolve(spec, {}) for spec in specs}


class Work:
    """A performer on a scripted runtime, and what it told."""

    def __init__(self, desired: Mapping[str, DesiredModule]) -> None:
        self.desired = desired
        self.runtime = ScriptedRuntime({image(name): "sha256:1" for name in desired})
        self.outcomes: list[Outcome] = []
        self.performer = Performer(self.runtime, self.outcomes.append)

    def hold(self, name: str) -> asyncio.Event:
        """Make the pull of a module wait."""
        return self.runtime.gates.setdefault(image(name), asyncio.Event())

    def begin(self) -> None:
        self.performer.begin(plan(self.desired, {}, {}, 0.0, RestartRules()), Orders(self.desired))

    async def started(self, name: str) -> None:
        async with asyncio.timeout(30):
            while f"start {name}" not in self.runtime.verbs:
                await asyncio.sleep(0)


async def test_a_slow_pull_holds_up_no_module_of_its_group() -> None:
    work = Work(wanted(slow=1, quick=1))
    gate = work.hold("slow")

    work.begin()
    await work.started("quick")

    assert work.performer.busy == {"slow"}
    gate.set()
    await work.performer.idle()
    assert "start slow" in work.runtime.verbs


async def test_a_startup_group_begins_when_the_one_before_has_ended() -> None:
    # Contract 3.2: "order" means that the start command returned.
    work = Work(wanted(first=0, second=1))
    gate = work.hold("first")

    work.begin()
    for _ in range(20):
        await asyncio.sleep(0)
    assert work.runtime.verbs == [f"pull {image('first')}"]

    gate.set()
    await work.performer.idle()
    assert work.runtime.verbs.index("start first") < work.runtime.verbs.index(f"pull {image('second')}")


async def test_after_a_step_that_fails_the_modules_other_steps_are_left_out() -> None:
    work = Work(wanted(broken=0, fine=1))
    del work.runtime.registry[image("broken")]

    work.begin()
    await work.performer.idle()

    assert "create broken" not in work.runtime.verbs
    assert "start fine" in work.runtime.verbs
    failed = [outcome for outcome in work.outcomes if outcome.problem]
    assert [(outcome.step.module, outcome.last) for outcome in failed] == [("broken", True)]


async def test_a_fault_of_the_runtime_becomes_a_problem_and_ends_nothing() -> None:
    class Faulty(ScriptedRuntime):
        async def start(self, name: str) -> None:
            raise ZeroDivisionError("inside")

    work = Work(wanted(camera=0))
    runtime = Faulty(work.runtime.registry)
    outcomes: list[Outcome] = []
    performer = Performer(runtime, outcomes.append)

    performer.begin(plan(work.desired, {}, {}, 0.0, RestartRules()), Orders(work.desired))
    await performer.idle()

    assert outcomes[-1].problem is not None
    assert outcomes[-1].problem.code == "module-fault"
    assert outcomes[-1].problem.values["reason"] == "ZeroDivisionError: inside"


async def test_pulls_can_be_abandoned_and_what_runs_goes_on() -> None:
    work = Work(wanted(slow=0, later=1))
    work.hold("slow")
    work.begin()
    await asyncio.sleep(0)

    await work.performer.abandon_pulls()

    assert work.performer.busy == frozenset()
    assert work.runtime.verbs == [f"pull {image('slow')}"]


def test_the_credential_of_the_images_registry_is_used() -> None:
    mine = RegistryCredential("127.0.0.1:5000", "u", Secret("p"))
    other = RegistryCredential("registry.example", "u", Secret("p"))
    orders = Orders({}, (other, mine))

    assert orders.credential(ImageReference.parse(image("camera"))) is mine
    assert orders.credential(ImageReference.parse("else.example/x:1")) is None
