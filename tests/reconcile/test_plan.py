"""The plan: its buckets, its order, and that it comes to rest."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from hotori.model.log_config import LogConfig
from hotori.model.manifest import ModuleSpec, PullPolicy, RestartPolicy, Status
from hotori.reconcile.modules import DesiredModule, ObservedModule, ObservedState
from hotori.reconcile.plan import Plan, plan
from hotori.reconcile.restart import RestartRules, RestartState
from hotori.reconcile.steps import AwaitHealth, CreateModule, PullImage, RemoveModule, StartModule, StopModule
from tests.reconcile.world import World, desired, observed

RULES = RestartRules()
LATER = 1e9


def plan_for(wanted: list[DesiredModule], there: list[ObservedModule], now: float = LATER) -> Plan:
    return plan({module.name: module for module in wanted}, {module.name: module for module in there}, {}, now, RULES)


def test_a_new_module_is_pulled_created_and_started() -> None:
    module = desired()

    made = plan_for([module], [])

    why = "it is in the deployment and not on this device"
    assert made.steps == (
        PullImage("camera", module.image, why),
        CreateModule("camera", module.fingerprint, why),
        StartModule("camera", why),
    )
    assert made.to_create == ("camera",)
    assert made.to_pull == ("camera",)


def test_the_new_image_is_there_before_the_old_module_is_stopped() -> None:
    old, new = desired(tag="1"), desired(tag="2")

    made = plan_for([new], [observed(old)])

    assert [type(step) for step in made.steps] == [PullImage, StopModule, RemoveModule, CreateModule, StartModule]
    assert made.to_replace == ("camera",)


def test_a_module_that_is_as_desired_is_left_alone_with_the_reason() -> None:
    module = desired()

    made = plan_for([module], [observed(module)])

    assert made.steps == ()
    assert made.left_alone == {"camera": "running, as desired"}
    assert made.unchanged == ("camera",)


def test_how_logs_are_kept_by_default_concerns_the_modules_that_do_not_say() -> None:
    """Contract 3.2: loggingOptions are the default of createOptions."""
    logs, own = LogConfig("local", {"max-size": "1m"}), {"Type": "syslog"}
    silent, outspoken = (
        ModuleSpec("silent", "r.example/silent:1", create_options={"HostConfig": {"Memory": 1}}),
        ModuleSpec("outspoken", "r.example/outspoken:1", create_options={"HostConfig": {"LogConfig": own}}),
    )
    before, after = (
        {spec.name: DesiredModule.resolve(spec, {}, each) for spec in (silent, outspoken)} for each in (None, logs)
    )
    assert after["silent"].create_options["HostConfig"] == {"Memory": 1, "LogConfig": logs.document()}
    assert after["outspoken"] == before["outspoken"]
    assert plan_for(list(after.values()), [observed(each) for each in before.values()]).to_replace == ("silent",)


def test_only_the_status_differs_so_it_is_only_stopped() -> None:
    running, stopped = desired(), desired(status=Status.STOPPED)

    made = plan_for([stopped], [observed(running)])

    assert [type(step) for step in made.steps] == [StopModule]
    assert made.to_stop == ("camera",)


def test_a_module_desired_stopped_is_made_and_not_started() -> None:
    made = plan_for([desired(status=Status.STOPPED)], [])

    assert [type(step) for step in made.steps] == [PullImage, CreateModule]


def test_restart_policy_and_startup_order_need_no_new_container() -> None:
    before = desired(restart=RestartPolicy.ALWAYS, order=5)
    after = desired(restart=RestartPolicy.NEVER, order=1)

    assert plan_for([after], [observed(before)]).steps == ()


def test_a_module_that_is_not_desired_is_stopped_and_removed_before_anything_else() -> None:
    gone, new = desired("aged"), desired("camera", order=0)

    made = plan_for([new], [observed(gone)])

    assert [type(step) for step in made.groups[0]] == [StopModule, RemoveModule]
    assert made.to_remove == ("aged",)


def test_modules_start_in_groups_by_startup_order() -> None:
    modules = [desired("late"), desired("first", order=0), desired("second", order=1), desired("also", order=1)]

    made = plan_for(modules, [])

    assert [{step.module for step in group} for group in made.groups] == [{"first"}, {"also", "second"}, {"late"}]


def test_the_pull_policy_never_pulls_nothing() -> None:
    assert plan_for([desired(pull=PullPolicy.NEVER)], []).to_pull == ()


def test_one_module_that_backs_off_does_not_hold_up_another() -> None:
    broken, fine = desired("broken"), desired("fine")
    memory = {"broken": RestartState().step_failed(LATER)}

    made = plan({"broken": broken, "fine": fine}, {}, memory, LATER, RULES)

    assert {step.module for step in made.steps} == {"fine"}
    assert made.next_attempts == {"broken": LATER + 10.0}
    assert made.backing_off == ("broken",)


NAMES = st.sampled_from(["camera", "classifier", "uploader", "gate"])


@st.composite
def a_desired(draw: st.DrawFn, name: str) -> DesiredModule:
    return desired(
        name,
        tag=draw(st.sampled_from("12")),
        status=draw(st.sampled_from(Status)),
        restart=draw(st.sampled_from(RestartPolicy)),
        order=draw(st.integers(0, 2)),
        pull=draw(st.sampled_from(PullPolicy)),
    )


@st.composite
def worlds(draw: st.DrawFn) -> World:
    wanted = {name: draw(a_desired(name)) for name in draw(st.sets(NAMES))}
    there = {
        name: observed(draw(a_desired(name)), draw(st.sampled_from(ObservedState))) for name in draw(st.sets(NAMES))
    }
    images = {module.image for module in wanted.values() if draw(st.booleans())}
    return World(there, images, wanted)


def settle(world: World) -> Plan:
    return plan(world.desired, world.modules, {}, LATER, RULES)


@given(worlds())
def test_a_plan_performed_to_its_end_leaves_nothing_to_do(world: World) -> None:
    world.perform(settle(world).steps)

    assert settle(world).steps == ()
    assert {name: module.fingerprint for name, module in world.modules.items()} == {
        name: module.fingerprint for name, module in world.desired.items()
    }


@given(worlds(), st.data())
def test_a_plan_interrupted_anywhere_is_finished_by_the_next_one(world: World, data: st.DataObject) -> None:
    steps = settle(world).steps
    world.perform(steps[: data.draw(st.integers(0, len(steps)))])

    world.perform(settle(world).steps)

    assert settle(world).steps == ()


@given(worlds())
def test_steps_touch_only_modules_that_are_not_left_alone(world: World) -> None:
    made = settle(world)

    assert {step.module for step in made.steps}.isdisjoint(made.left_alone)
    assert {step.module for step in made.steps} | set(made.left_alone) == set(made.verdicts)


@given(worlds())
def test_no_module_is_stopped_for_a_replacement_before_its_image_is_there(world: World) -> None:
    pulled: set[str] = set()
    made = settle(world)
    for step in made.steps:
        if isinstance(step, PullImage):
            pulled.add(step.module)
        elif isinstance(step, StopModule) and step.module in made.to_replace:
            assert step.module in pulled or world.desired[step.module].pull_policy is PullPolicy.NEVER


@given(worlds(), st.data())
def test_an_interruption_anywhere_touches_nothing_that_was_to_be_left_alone(world: World, data: st.DataObject) -> None:
    made = settle(world)
    before = {name: module for name, module in world.modules.items() if name in made.left_alone}
    world.perform(made.steps[: data.draw(st.integers(0, len(made.steps)))])

    assert {name: module for name, module in world.modules.items() if name in made.left_alone} == before


@given(worlds(), st.data())
def test_where_an_image_is_not_to_be_had_the_former_module_stays_as_it_was(world: World, data: st.DataObject) -> None:
    before = dict(world.modules)
    missing = {module.image for module in world.desired.values() if data.draw(st.booleans())}
    failed = world.perform_without(missing, settle(world).steps)

    assert {name: before.get(name) for name in failed} == {name: world.modules.get(name) for name in failed}
    world.perform(settle(world).steps)
    assert settle(world).steps == ()


def test_what_starts_in_a_later_group_waits_for_the_health_of_the_earlier_ones() -> None:
    made = plan_for([desired("first", order=0), desired("second", order=1)], [])

    assert [type(step) for step in made.groups[0]] == [PullImage, CreateModule, StartModule]
    assert [type(step) for step in made.groups[1]] == [PullImage, AwaitHealth, CreateModule, StartModule]
    assert [step.of for step in made.steps if isinstance(step, AwaitHealth)] == [("first",)]


def test_a_module_whose_check_is_still_to_pass_is_waited_for_after_an_interruption() -> None:
    first, second = desired("first", order=0), desired("second", order=1)
    young = observed(first, ObservedState.STARTING, started_at=LATER - 100)
    aged = observed(first, ObservedState.STARTING, started_at=LATER - 120)

    assert [type(step) for step in plan_for([first, second], [young]).steps][:2] == [PullImage, AwaitHealth]
    assert [type(step) for step in plan_for([first, second], [aged]).steps][:2] == [PullImage, CreateModule]


@st.composite
def young_worlds(draw: st.DrawFn) -> World:
    """Modules that were started a moment ago, in any state."""
    world = draw(worlds())
    return replace(
        world, modules={name: replace(module, started_at=LATER - 1) for name, module in world.modules.items()}
    )


@given(young_worlds())
def test_waits_are_for_earlier_orders_alone_and_come_before_the_old_module_is_stopped(world: World) -> None:
    made = settle(world)

    for index, step in enumerate(made.steps):
        if isinstance(step, AwaitHealth):
            order = world.desired[step.module].startup_order
            assert all(world.desired[name].startup_order < order for name in step.of)
            earlier = [type(other) for other in made.steps[:index] if other.module == step.module]
            assert set(earlier) <= {PullImage}
            assert any(isinstance(other, StartModule) and other.module == step.module for other in made.steps[index:])


def test_with_images_first_nothing_is_made_while_another_module_cannot_be() -> None:
    broken, fine, running = desired("broken"), desired("fine", tag="2"), desired("running")
    there = {"fine": observed(desired("fine")), "running": observed(running)}
    memory = {"broken": RestartState().step_failed(LATER)}
    wanted = {module.name: module for module in (broken, fine, running)}

    held = plan(wanted, there, memory, LATER, RULES, pulls_first=True)

    assert held.steps == ()
    assert held.next_attempts == {"broken": LATER + 10.0, "fine": LATER + 10.0}
    assert plan(wanted, there, memory, LATER + 10, RULES, pulls_first=True).to_pull == ("broken", "fine")
