"""The effective content of a device: one base, layers on top, provenance (contract 3.4)."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from hotori.model.configuration import Configuration, ContentKind
from hotori.rollout.layers import Effective, effective, images, merged, origins, pinned, twin_entries


def full(name: str, priority: int, modules: dict[str, Any], created: float = 0.0) -> Configuration:
    desired = {"schemaVersion": "1.1", "modules": modules}
    content: dict[str, Any] = {
        "$edgeAgent": {"properties.desired": desired},
        "$edgeHub": {"properties.desired": {"routes": {}}},
    }
    return Configuration(name, ContentKind.MODULES, content, "*", priority, created_at=created)


def layer(name: str, priority: int, content: dict[str, Any]) -> Configuration:
    return Configuration(name, ContentKind.MODULES, content, "*", priority)


def desired(found: Effective, module: str) -> dict[str, Any]:
    return merged(found.entries[module], {})


def test_the_base_with_the_highest_priority_applies_and_lower_ones_are_not_merged() -> None:
    found = effective([full("low", 1, {"a": {}}), full("high", 5, {"b": {}})])
    assert found.applied == ("high",)
    assert found.targeted == ("low",)
    assert desired(found, "$edgeAgent")["modules"] == {"b": {}}


def test_of_two_bases_with_one_priority_the_newer_applies() -> None:
    found = effective([full("newer", 3, {}, created=2.0), full("older", 3, {}, created=1.0)])
    assert found.applied == ("newer",)


def test_a_layer_adds_a_module_and_a_route_on_top_of_its_base() -> None:
    extra = layer(
        "extra",
        9,
        {
            "$edgeAgent": {"properties.desired.modules.b": {"settings": {"image": "b:1"}}},
            "$edgeHub": {"properties.desired.routes.b": "FROM /* INTO $upstream"},
        },
    )
    found = effective([full("base", 1, {"a": {"settings": {"image": "a:1"}}}), extra])
    assert found.applied == ("base", "extra")
    assert desired(found, "$edgeAgent")["modules"] == {
        "a": {"settings": {"image": "a:1"}},
        "b": {"settings": {"image": "b:1"}},
    }
    assert desired(found, "$edgeHub")["routes"] == {"b": "FROM /* INTO $upstream"}


def test_a_layer_overrides_a_whole_module_entry() -> None:
    other = layer("other", 9, {"$edgeAgent": {"properties.desired.modules.a": {"settings": {"image": "a:2"}}}})
    found = effective([full("base", 1, {"a": {"env": {"X": {"value": 1}}, "settings": {"image": "a:1"}}}), other])
    assert desired(found, "$edgeAgent")["modules"]["a"] == {"settings": {"image": "a:2"}}


def test_a_layer_that_ranks_no_higher_than_the_base_is_only_targeted() -> None:
    same = layer("same", 5, {"$edgeAgent": {"properties.desired.modules.b": {}}})
    found = effective([full("base", 5, {"a": {}}), same])
    assert found.statuses() == {"base": {"status": "Applied"}, "same": {"status": "Targeted"}}
    assert "b" not in desired(found, "$edgeAgent")["modules"]


def test_layers_without_a_base_apply_nothing() -> None:
    found = effective([layer("alone", 5, {"m": {"properties.desired": {"x": 1}}})])
    assert found == Effective(targeted=("alone",))


def test_a_module_twin_is_replaced_by_a_whole_and_added_to_by_a_part() -> None:
    found = effective(
        [
            full("base", 0, {}),
            layer("one", 1, {"m": {"properties.desired": {"x": 1, "y": {"z": 1}}}}),
            layer("two", 2, {"m": {"properties.desired.y.w": 2}}),
        ]
    )
    assert desired(found, "m") == {"x": 1, "y": {"z": 1, "w": 2}}
    replaced = effective(
        [
            full("base", 0, {}),
            layer("one", 1, {"m": {"properties.desired.y": {"w": 2}}}),
            layer("two", 2, {"m": {"properties.desired": {"x": 1}}}),
        ]
    )
    assert desired(replaced, "m") == {"x": 1}


def test_a_part_of_a_twin_that_nobody_gives_whole_is_set_in_what_the_module_has() -> None:
    found = effective([full("base", 0, {}), layer("one", 1, {"m": {"properties.desired.y.w": {"v": 2}}})])
    assert merged(found.entries["m"], {"x": 1, "y": {"w": {"old": 1}, "z": 1}}) == {
        "x": 1,
        "y": {"w": {"v": 2}, "z": 1},
    }


def test_every_value_says_which_configuration_it_is_from() -> None:
    base = full("base", 0, {"a": {"settings": {"image": "a:1"}}})
    found = effective(
        [base, layer("new", 1, {"$edgeAgent": {"properties.desired.modules.a": {"env": {}, "status": "stopped"}}})]
    )
    assert origins(found.entries["$edgeAgent"]) == {
        "/schemaVersion": "base",
        "/modules/a/env": "new",
        "/modules/a/status": "new",
    }


leaves = st.recursive(
    st.integers(0, 3), lambda inner: st.dictionaries(st.sampled_from("xyz"), inner, max_size=3), max_leaves=6
)
paths = st.lists(st.sampled_from("xyz"), max_size=3).map(lambda names: ".".join(["properties.desired", *names]))
entries = st.dictionaries(paths, st.dictionaries(st.sampled_from("xyz"), leaves, max_size=3), min_size=1, max_size=3)


def pointers(value: Any, at: str = "") -> set[str]:
    if isinstance(value, dict) and value:
        return {pointer for name, inner in value.items() for pointer in pointers(inner, f"{at}/{name}")}
    return {at}


@given(st.lists(entries, min_size=1, max_size=4))
def test_the_origins_name_exactly_the_values_that_are_there(given_entries: list[dict[str, Any]]) -> None:
    layers = [layer(f"l{index}", index + 1, {"m": entry}) for index, entry in enumerate(given_entries)]
    found = effective([full("base", 0, {}), *layers])
    assert set(origins(found.entries["m"])) == pointers(desired(found, "m"))


def test_device_configurations_set_their_values_in_order_of_priority() -> None:
    one = Configuration("one", ContentKind.DEVICE, {"properties.desired.a": {"b": 1, "c": 1}}, "*", 1)
    two = Configuration("two", ContentKind.DEVICE, {"properties.desired.a.b": 2}, "*", 2)
    assert merged(twin_entries([two, one]), {}) == {"a": {"b": 2, "c": 1}}


def test_images_are_delivered_by_the_digest_of_their_submission() -> None:
    digest = "sha256:" + "a" * 64
    modules = {"a": {"settings": {"image": "host:5000/a/b:1"}}, "c": {"settings": {"image": "d:1"}}}
    assert images(full("base", 0, modules)) == ("d:1", "host:5000/a/b:1")
    done: Any = pinned({"modules": modules}, {"host:5000/a/b:1": digest})
    assert done["modules"]["a"]["settings"]["image"] == f"host:5000/a/b@{digest}"
    assert done["modules"]["c"]["settings"]["image"] == "d:1"
