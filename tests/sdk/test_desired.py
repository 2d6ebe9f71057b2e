"""Following desired properties."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hotori.model.json import JsonObject
from hotori.model.twin import Section, merge_patch
from hotori.sdk.desired import DesiredPatch, catch_up, follow

documents = st.recursive(
    st.integers(0, 3),
    lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=6,
)
sections = st.dictionaries(st.sampled_from("abcd"), documents, max_size=4)


def test_the_first_reading_tells_of_everything() -> None:
    assert catch_up(None, Section({"a": 1}, 4)) == DesiredPatch({"a": 1}, 4)


def test_a_reading_of_the_known_version_tells_of_nothing() -> None:
    assert catch_up(Section({"a": 1}, 4), Section({"a": 1}, 4)) is None


@given(sections, sections)
def test_a_later_reading_tells_the_difference_with_null_for_what_was_removed(old: JsonObject, new: JsonObject) -> None:
    change = catch_up(Section(old, 1), Section(new, 5))
    assert change is not None
    assert change.version == 5
    assert merge_patch(old, change.patch) == new


def test_the_next_change_is_followed() -> None:
    known = Section({"a": 1, "b": 1}, 4)
    assert follow(known, DesiredPatch({"a": None, "$version": 5}, 5)) == Section({"b": 1}, 5)


def test_an_old_change_is_left_alone() -> None:
    known = Section({"a": 1}, 4)
    assert follow(known, DesiredPatch({"a": 2}, 4)) is known


def test_a_gap_must_be_read_anew() -> None:
    assert follow(Section({}, 4), DesiredPatch({"a": 2}, 6)) is None
    assert follow(None, DesiredPatch({"a": 2}, 6)) is None
