"""Which content one device should have: a base deployment with layers on top, and where each value is from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from hotori.model.configuration import Configuration, ContentKind, parts
from hotori.model.json import Json, JsonObject

Entries: TypeAlias = "tuple[tuple[str, JsonObject], ...]"
"""What configurations say of one twin, by their ids, in the order in which they apply."""


@dataclass(frozen=True, slots=True)
class Effective:
    """What the configurations that target a device come to (contract 3.4).

    `applied` stands in order, the base first; `targeted` are those that match and do not apply. `entries` holds
    what the applied ones say, by module.
    """

    applied: tuple[str, ...] = ()
    targeted: tuple[str, ...] = ()
    entries: Mapping[str, Entries] = field(default_factory=dict)

    def statuses(self) -> JsonObject:
        """`configurations` of the agent's twin, as queries see it."""
        applied: JsonObject = {name: {"status": "Applied"} for name in self.applied}
        return applied | {name: {"status": "Targeted"} for name in self.targeted}


def effective(configurations: Iterable[Configuration]) -> Effective:
    """What the edge deployments that match a device come to. Without a base nothing applies."""
    ranked = sorted((each for each in configurations if each.kind is ContentKind.MODULES), key=lambda each: each.rank)
    bases = [each for each in ranked if not each.layered]
    if not bases:
        return Effective(targeted=tuple(each.id for each in ranked))
    base = bases[-1]
    chosen = [base, *(each for each in ranked if each.layered and each.priority > base.priority)]
    applied = tuple(each.id for each in chosen)
    targeted = tuple(each.id for each in ranked if each.id not in applied)
    names = sorted({name for each in chosen for name in each.content})
    return Effective(applied, targeted, {name: _entries(chosen, name) for name in names})


def twin_entries(configurations: Iterable[Configuration]) -> Entries:
    """What device or module configurations say of one twin: higher priorities say theirs last."""
    return tuple((each.id, each.content) for each in sorted(configurations, key=lambda each: each.rank))


def merged(entries: Entries, current: JsonObject) -> JsonObject:
    """The desired properties that come of `current`: a whole replaces them, a part is set in them."""
    for _, entry in entries:
        for path, value in parts(entry).items():
            current = _set(current, path, value)
    return current


def origins(entries: Entries) -> dict[str, str]:
    """The configuration that every value is from, by the JSON pointer of the value."""
    found: dict[str, str] = {}
    for source, entry in entries:
        for path, value in parts(entry).items():
            pointer = "".join(f"/{name}" for name in path)
            found = {at: who for at, who in found.items() if not _covers(pointer, at)}
            found.update(dict.fromkeys(_leaves(value, pointer), source))
    return found


def pinned(desired: JsonObject, pins: Mapping[str, str]) -> JsonObject:
    """The agent's desired properties with every image named by the digest that was found at submission."""

    def pin(value: Json) -> Json:
        if not isinstance(value, dict):
            return value
        image = value.get("image")
        named = {name: pin(inner) for name, inner in value.items()}
        if isinstance(image, str) and image in pins:
            named["image"] = _by_digest(image, pins[image])
        return named

    return {name: pin(value) for name, value in desired.items()}


def images(configuration: Configuration) -> tuple[str, ...]:
    """The images that an edge deployment names, sorted, as they are written."""
    return tuple(sorted(set(_images(configuration.content.get("$edgeAgent")))))


def _images(value: Json) -> Iterator[str]:
    if isinstance(value, dict):
        settings = value.get("settings")
        if isinstance(settings, dict) and isinstance(image := settings.get("image"), str):
            yield image
        for inner in value.values():
            yield from _images(inner)


def _by_digest(image: str, digest: str) -> str:
    """`name:tag` and a digest as `name@digest`: both together are refused by agents (contract 3.2)."""
    path, slash, last = image.strip().rpartition("/")
    return f"{path}{slash}{last.partition('@')[0].partition(':')[0]}@{digest}"


def _entries(configurations: Sequence[Configuration], module: str) -> Entries:
    found = ((each.id, each.content.get(module)) for each in configurations)
    return tuple((name, entry) for name, entry in found if isinstance(entry, dict))


def _set(values: JsonObject, path: Sequence[str], value: Json) -> JsonObject:
    """The values with one place set anew; nothing is mutated."""
    if not path:
        return value if isinstance(value, dict) else {}
    inner = values.get(path[0])
    below = value if len(path) == 1 else _set(inner if isinstance(inner, dict) else {}, path[1:], value)
    return {**values, path[0]: below}


def _covers(pointer: str, at: str) -> bool:
    """Whether what stands at a place is replaced by what is set at the pointer, or makes way for it."""
    return at == pointer or at.startswith(f"{pointer}/") or pointer.startswith(f"{at}/")


def _leaves(value: Json, at: str) -> Iterator[str]:
    if isinstance(value, dict) and value:
        for name, inner in value.items():
            yield from _leaves(inner, f"{at}/{name}")
    else:
        yield at
