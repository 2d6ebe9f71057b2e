"""A twin: what a device should be (`desired`), what it says it is (`reported`), and the service's tags."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from hotori.model.json import Json, JsonObject
from hotori.problems import Problem
from hotori.problems.manifest import TWIN_INVALID

MAX_DEPTH = 10
MAX_KEY = 1024
MAX_STRING = 4096
MAX_SECTION = 32 * 1024
MAX_TAGS = 8 * 1024
_NOT_IN_KEYS = re.compile(r"[.$#\s\x00-\x1f\x7f-\x9f]")
"""Beside the three marks: spaces, C0, delete and C1."""
_INT_MIN, _INT_MAX = -4503599627370496, 4503599627370495


def merge_patch(target: Json, patch: Json) -> Json:
    """JSON merge patch (RFC 7396): objects merge, null removes, everything else replaces. Nothing is mutated."""
    if not isinstance(patch, dict):
        return patch
    merged: JsonObject = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge_patch(merged.get(name), value)
    return merged


def difference(old: JsonObject, new: JsonObject) -> JsonObject:
    """The merge patch that turns `old` into `new`: changed values, and null for every removed key."""
    patch: JsonObject = dict.fromkeys(old.keys() - new.keys())
    for name, value in new.items():
        before = old.get(name)
        if isinstance(before, dict) and isinstance(value, dict):
            if inner := difference(before, value):
                patch[name] = inner
        elif name not in old or not _same(before, value):
            patch[name] = value
    return patch


def _same(left: Json, right: Json) -> bool:
    """Equal as JSON: 1 is not true, whatever Python says."""
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(_same(left[name], right[name]) for name in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(_same, left, right))
    return isinstance(left, bool) == isinstance(right, bool) and left == right


def without_control(section: Json) -> JsonObject:
    """A section as its writer meant it: `$metadata` and `$version` are the hub's and are left out."""
    if not isinstance(section, dict):
        return {}
    return {name: value for name, value in section.items() if name not in ("$metadata", "$version")}


@dataclass(frozen=True, slots=True)
class Section:
    """One side of a twin with its version, which grows by one with every successful write."""

    values: JsonObject = field(default_factory=dict)
    version: int = 1

    def patched(self, patch: JsonObject) -> Section:
        merged = merge_patch(self.values, patch)
        assert isinstance(merged, dict)
        return Section(merged, self.version + 1)

    def replaced(self, values: JsonObject) -> Section:
        return Section(values, self.version + 1)

    def document(self) -> JsonObject:
        """The values with `$version`, as devices read them."""
        return {**self.values, "$version": self.version}


@dataclass(frozen=True, slots=True)
class Twin:
    """The twin of one identity. `version` grows with any write; the etag is made of it."""

    tags: JsonObject = field(default_factory=dict)
    desired: Section = field(default_factory=Section)
    reported: Section = field(default_factory=Section)
    version: int = 1

    def with_reported(self, patch: JsonObject) -> Twin:
        return replace(self, reported=self.reported.patched(patch), version=self.version + 1)


def check_section(section: Mapping[str, Json], limit: int = MAX_SECTION) -> None:
    """Raise `twin-invalid`, with a JSON pointer, where a section breaks a limit of the contract (1.7).

    A null is let through (it deletes) except inside an array.
    """
    size = 0
    for pointer, depth, name, value in _walk(section, "", 1):
        size += len(name.encode()) + _leaf_size(value)
        if fault := _fault(depth, name, value):
            raise Problem(TWIN_INVALID, pointer=pointer, reason=fault)
    if size > limit:
        raise Problem(TWIN_INVALID, pointer="/", reason=f"{size} bytes is over the limit of {limit}")


def _walk(values: Mapping[str, Json], at: str, depth: int) -> Iterator[tuple[str, int, str, Json]]:
    for name, value in values.items():
        pointer = f"{at}/{name}"
        yield pointer, depth, name, value
        if isinstance(value, dict):
            yield from _walk(value, pointer, depth + 1)
        elif isinstance(value, list):
            yield from _walk_list(value, pointer, depth)


def _walk_list(values: list[Json], at: str, depth: int) -> Iterator[tuple[str, int, str, Json]]:
    for index, value in enumerate(values):
        pointer = f"{at}/{index}"
        yield pointer, depth, "", _NULL_IN_ARRAY if value is None else value
        if isinstance(value, dict):
            yield from _walk(value, pointer, depth + 1)
        elif isinstance(value, list):
            yield from _walk_list(value, pointer, depth + 1)


_NULL_IN_ARRAY = "\0null"


def _leaf_size(value: Json) -> int:
    if isinstance(value, str):
        return len(value.encode())
    return 0 if isinstance(value, dict | list) else len(str(value))


def _fault(depth: int, name: str, value: Json) -> str | None:
    if depth > MAX_DEPTH:
        return f"objects are nested deeper than {MAX_DEPTH} levels"
    if len(name.encode()) > MAX_KEY:
        return f"the key is longer than {MAX_KEY} bytes"
    if _NOT_IN_KEYS.search(name):
        return "the key has one of . $ #, a space or a control character"
    return _value_fault(value)


def _value_fault(value: Json) -> str | None:
    if value == _NULL_IN_ARRAY:
        return "an array may not hold null"
    if isinstance(value, str) and len(value.encode()) > MAX_STRING:
        return f"the text is longer than {MAX_STRING} bytes"
    if isinstance(value, int) and not isinstance(value, bool) and not _INT_MIN <= value <= _INT_MAX:
        return f"the number is outside {_INT_MIN} to {_INT_MAX}"
    return None
