"""Twins: merging, differences, versions and limits (contract 1.7)."""

import json
from dataclasses import FrozenInstanceError

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotori.model.json import Json, JsonObject
from hotori.model.twin import MAX_TAGS, Section, Twin, check_section, difference, merge_patch, without_control
from hotori.problems import Problem

SCALARS = st.booleans() | st.integers(-5, 5) | st.sampled_from([0.0, 1.0, 1.5]) | st.sampled_from(["", "a", "b"])
NAMES = st.sampled_from("abcd")
VALUES = st.recursive(
    SCALARS, lambda inner: st.dictionaries(NAMES, inner, max_size=3) | st.lists(inner, max_size=3), max_leaves=8
)
SECTIONS: st.SearchStrategy[JsonObject] = st.dictionaries(NAMES, VALUES, max_size=4)
PATCHES = st.dictionaries(
    NAMES, st.none() | VALUES | st.dictionaries(NAMES, st.none() | SCALARS, max_size=3), max_size=4
)


def text(value: Json) -> str:
    """JSON equality: true is not 1, and 1 is 1.0."""
    return json.dumps(value, sort_keys=True).replace("1.0", "1").replace("0.0", "0")


@given(SECTIONS, SECTIONS)
def test_a_difference_applied_to_the_old_gives_the_new(old: JsonObject, new: JsonObject) -> None:
    assert text(merge_patch(old, difference(old, new))) == text(new)


@given(SECTIONS)
def test_there_is_no_difference_between_equals(section: JsonObject) -> None:
    assert difference(section, json.loads(json.dumps(section))) == {}


@given(SECTIONS, PATCHES)
def test_applying_a_patch_twice_is_applying_it_once(section: JsonObject, patch: JsonObject) -> None:
    once = merge_patch(section, patch)
    assert text(merge_patch(once, patch)) == text(once)


@given(SECTIONS, PATCHES)
def test_merging_changes_neither_of_its_arguments_and_leaves_no_null(section: JsonObject, patch: JsonObject) -> None:
    before = text(section), text(patch)
    merged = merge_patch(section, patch)
    assert (text(section), text(patch)) == before
    assert "null" not in text(merged)


@pytest.mark.parametrize(
    ("target", "patch", "expected"),
    [  # the examples of RFC 7396, appendix A
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, None, None),
        ({"a": "foo"}, "bar", "bar"),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_merging_follows_its_standard(target: Json, patch: Json, expected: Json) -> None:
    assert merge_patch(target, patch) == expected


def test_a_difference_names_what_changed_and_null_for_what_was_removed() -> None:
    # A connected device must hear of removed keys (contract 1.7, trap 25).
    old: JsonObject = {"kept": 1, "changed": 1, "gone": 1, "inner": {"x": 1, "y": 2}}
    new: JsonObject = {"kept": 1, "changed": 2, "inner": {"x": 1}, "new": {}}
    assert difference(old, new) == {"changed": 2, "gone": None, "inner": {"y": None}, "new": {}}


def test_every_write_makes_the_version_of_its_section_and_of_the_twin_grow_by_one() -> None:
    twin = Twin().with_reported({"c": 3})
    assert (twin.version, twin.desired.version, twin.reported) == (2, 1, Section({"c": 3}, 2))


def test_a_device_reads_the_version_beside_the_values() -> None:
    section = Section({"a": 1}, 7)
    assert section.document() == {"a": 1, "$version": 7}
    assert without_control({**section.document(), "$metadata": {}}) == {"a": 1}
    assert without_control("no object") == {}
    with pytest.raises(FrozenInstanceError):
        section.version = 8  # type: ignore[misc]


def nested(depth: int) -> JsonObject:
    section: JsonObject = {"leaf": 1}
    for _ in range(depth - 1):
        section = {"a": section}
    return section


@pytest.mark.parametrize(
    "section",
    [
        {},
        nested(10),
        {"k" * 1024: 1},
        {"a": "x" * 4096},
        {"a": 4503599627370495, "b": -4503599627370496},
        {"a": None, "b": [1, "x", {"c": [True]}]},
        {str(number): "x" * 4000 for number in range(8)},
    ],
    ids=["empty", "deep", "long key", "long text", "large number", "null deletes", "large"],
)
def test_a_section_within_the_limits_passes(section: JsonObject) -> None:
    check_section(section)


@pytest.mark.parametrize(
    ("section", "pointer", "reason"),
    [
        (nested(11), "/a" * 10 + "/leaf", "nested deeper than 10"),
        ({"k" * 1025: 1}, "/" + "k" * 1025, "longer than 1024"),
        ({"湖" * 342: 1}, "/" + "湖" * 342, "longer than 1024"),
        ({"a": {"b.c": 1}}, "/a/b.c", "one of . $ #"),
        ({"$a": 1}, "/$a", "one of . $ #"),
        ({"a#": 1}, "/a#", "one of . $ #"),
        ({"a b": 1}, "/a b", "a space"),
        ({"a\tb": 1}, "/a\tb", "a space"),
        ({"a\x01": 1}, "/a\x01", "control character"),
        ({"a": "x" * 4097}, "/a", "longer than 4096"),
        ({"a": 4503599627370496}, "/a", "outside"),
        ({"a": [1, [-4503599627370497]]}, "/a/1/0", "outside"),
        ({"a": [1, None]}, "/a/1", "an array may not hold null"),
        ({"a": [{"b": [None]}]}, "/a/0/b/0", "an array may not hold null"),
        ({str(number): "x" * 4096 for number in range(9)}, "/", "over the limit of 32768"),
    ],
)
def test_a_section_beyond_a_limit_is_a_problem_with_its_place(section: JsonObject, pointer: str, reason: str) -> None:
    with pytest.raises(Problem) as met:
        check_section(section)
    assert met.value.code == "twin-invalid"
    assert met.value.values["pointer"] == pointer
    assert reason in met.value.values["reason"]


def test_tags_have_a_limit_of_their_own() -> None:
    tags: JsonObject = {str(number): "x" * 4000 for number in range(3)}
    check_section(tags)
    with pytest.raises(Problem, match="twin"):
        check_section(tags, MAX_TAGS)
