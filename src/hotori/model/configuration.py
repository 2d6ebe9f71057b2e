"""A configuration: content for many devices, and how it reaches them (contract 2.7 and 3.4).

The contract's name for it; people say deployment. The content never changes after its creation. `rollout` is
ours: other implementations ignore the member.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from hotori.model.json import Json, JsonObject
from hotori.problems import Problem
from hotori.problems.manifest import MANIFEST_MALFORMED

DESIRED = "properties.desired"
_ID = re.compile(r"[a-z0-9\-:+%_#*?!(),=@;']{1,128}")
_MOST_PRIORITY = 2**31 - 1


class ContentKind(StrEnum):
    """What the content is for; the members' names of the contract."""

    MODULES = "modulesContent"
    """An edge deployment: the modules of an edge device."""
    DEVICE = "deviceContent"
    """Desired properties of a device's own twin."""
    MODULE = "moduleContent"
    """Desired properties of module twins."""


class OnFailure(StrEnum):
    ROLL_BACK = "rollback"
    """Every device gets back what it had before."""
    PAUSE = "pause"
    """No further device gets it until somebody decides."""


@dataclass(frozen=True, slots=True)
class Wave:
    """How many devices have it once this wave is out: so many, or so many of a hundred of those targeted.

    The next wave waits `pause` seconds more after this one is good. The last wave always is everybody.
    """

    devices: int | None = None
    percent: float | None = None
    pause: float = 0.0


@dataclass(frozen=True, slots=True)
class Strategy:
    """How a rollout goes on. Times are in seconds.

    A device counts as good when it was healthy for `healthy` without a break, and as failed when it is failing for
    `failing`, or not good after `deadline`. With more than `failures` failed devices the rollout ends as
    `on_failure` says. Devices that are not connected hold nobody up.
    """

    waves: tuple[Wave, ...] = (Wave(percent=100),)
    healthy: float = 60.0
    failing: float = 30.0
    deadline: float = 900.0
    failures: int = 0
    on_failure: OnFailure = OnFailure.ROLL_BACK


@dataclass(frozen=True, slots=True)
class Configuration:
    """One configuration as it was submitted. `created_at` and `updated_at` are Unix seconds.

    `pins` are the digests that its images' tags named at submission, by image. Without a `strategy` all targeted
    devices get the content at once, as the contract has it.
    """

    id: str
    kind: ContentKind
    content: JsonObject
    target_condition: str = ""
    priority: int = 0
    labels: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, str] = field(default_factory=dict)
    schema_version: str = "2.0"
    strategy: Strategy | None = None
    created_at: float = 0.0
    updated_at: float = 0.0
    pins: Mapping[str, str] = field(default_factory=dict)

    @property
    def layered(self) -> bool:
        """Whether it only adds to a base: an edge deployment without the agent's whole desired properties."""
        agent = self.content.get("$edgeAgent")
        return self.kind is ContentKind.MODULES and not (isinstance(agent, dict) and DESIRED in agent)

    @property
    def rank(self) -> tuple[int, float, str]:
        """Larger wins; the newer of two with the same priority (contract 3.4)."""
        return self.priority, self.created_at, self.id

    @classmethod
    def parse(cls, document: Json, id_: str, now: float) -> Configuration:
        """Read what was PUT. Raises `manifest-malformed` with a JSON pointer.

        The content of an edge deployment is whoever merges it to check: a layer alone is no manifest.
        """
        if not isinstance(document, dict):
            raise _malformed("/", "an object is needed")
        if not _ID.fullmatch(id_):
            raise _malformed(
                "/id", "an id has up to 128 lower-case letters, digits and - : + % _ # * ? ! ( ) , = @ ; '"
            )
        kind, content = _content(document)
        if kind is not ContentKind.MODULES and document.get("rollout") is not None:
            raise _malformed("/rollout", f"only {ContentKind.MODULES} reaches devices in waves")
        return cls(
            id=id_,
            kind=kind,
            content=content,
            target_condition=_text(document, "targetCondition"),
            priority=_whole(document.get("priority", 0), "/priority", _MOST_PRIORITY),
            labels=_texts(document, "labels"),
            metrics=_queries(document),
            schema_version=_text(document, "schemaVersion") or "2.0",
            strategy=_strategy(document["rollout"]) if document.get("rollout") is not None else None,
            created_at=now,
            updated_at=now,
        )


def parts(entry: JsonObject) -> dict[tuple[str, ...], Json]:
    """A module's content by path below `properties.desired`; the empty path is the whole of it, and comes first."""
    found = {tuple(name.split(".")[2:]): value for name, value in entry.items()}
    return {path: found[path] for path in sorted(found, key=len)}


def _content(document: JsonObject) -> tuple[ContentKind, JsonObject]:
    wrapped = document.get("content")
    if not isinstance(wrapped, dict):
        raise _malformed("/content", "an object is needed")
    given = [kind for kind in ContentKind if wrapped.get(kind)]
    if len(given) != 1:
        raise _malformed("/content", f"exactly one of {', '.join(ContentKind)} is needed")
    content = wrapped[given[0]]
    if not isinstance(content, dict):
        raise _malformed(f"/content/{given[0]}", "an object is needed")
    if given[0] is ContentKind.MODULES:
        for name, entry in content.items():
            _check_names(entry, f"/content/{given[0]}/{name}")
    else:
        _check_names(content, f"/content/{given[0]}")
    return given[0], content


def _check_names(entry: Json, at: str) -> None:
    if not isinstance(entry, dict):
        raise _malformed(at, f"an object with {DESIRED} is needed")
    for name in entry:
        if name != DESIRED and not re.fullmatch(rf"{re.escape(DESIRED)}(\.[^.]+)+", name):
            raise _malformed(f"{at}/{name}", f"only {DESIRED}, or a path below it, can be deployed")
    if DESIRED in entry and not isinstance(entry[DESIRED], dict):
        raise _malformed(f"{at}/{DESIRED}", "an object is needed")


def _strategy(value: Json) -> Strategy:
    at = "/rollout"
    if not isinstance(value, dict):
        raise _malformed(at, "an object is needed")
    known = {"waves", "healthySeconds", "failingSeconds", "deadlineSeconds", "maxFailures", "onFailure"}
    for name in value.keys() - known:
        raise _malformed(f"{at}/{name}", f"the members are {', '.join(sorted(known))}")
    default = Strategy()
    on_failure = value.get("onFailure", default.on_failure.value)
    if on_failure not in list(OnFailure):
        raise _malformed(f"{at}/onFailure", f"one of {', '.join(OnFailure)} is needed")
    return Strategy(
        waves=_waves(value.get("waves", [{"percent": 100}])),
        healthy=_seconds(value, "healthySeconds", default.healthy, at),
        failing=_seconds(value, "failingSeconds", default.failing, at),
        deadline=_seconds(value, "deadlineSeconds", default.deadline, at),
        failures=_whole(value.get("maxFailures", 0), f"{at}/maxFailures", _MOST_PRIORITY),
        on_failure=OnFailure(on_failure),
    )


def _waves(value: Json) -> tuple[Wave, ...]:
    at = "/rollout/waves"
    if not isinstance(value, list) or not value:
        raise _malformed(at, "a list of waves is needed")
    waves = tuple(_wave(each, f"{at}/{index}") for index, each in enumerate(value))
    return waves if waves[-1].percent == 100 else (*waves, Wave(percent=100))


def _wave(value: Json, at: str) -> Wave:
    if not isinstance(value, dict) or len(value.keys() & {"devices", "percent"}) != 1:
        raise _malformed(at, "an object with devices or percent is needed")
    pause = _seconds(value, "pauseSeconds", 0.0, at)
    if "devices" in value:
        return Wave(devices=_whole(value["devices"], f"{at}/devices", _MOST_PRIORITY, least=1), pause=pause)
    percent = value["percent"]
    if isinstance(percent, bool) or not isinstance(percent, int | float) or not 0 < percent <= 100:
        raise _malformed(f"{at}/percent", "a number above 0, up to 100, is needed")
    return Wave(percent=float(percent), pause=pause)


def _seconds(parent: JsonObject, name: str, default: float, at: str) -> float:
    value = parent.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
        raise _malformed(f"{at}/{name}", "a number of seconds is needed")
    return float(value)


def _whole(value: Json, at: str, most: int, least: int = 0) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise _malformed(at, f"a whole number from {least} to {most} is needed")
    return value


def _text(document: JsonObject, name: str) -> str:
    value = document.get(name)
    if value is not None and not isinstance(value, str):
        raise _malformed(f"/{name}", "a text is needed")
    return value or ""


def _texts(document: JsonObject, name: str, at: str = "") -> dict[str, str]:
    value = document.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _malformed(f"{at}/{name}", "an object of texts is needed")
    for key, text in value.items():
        if not isinstance(text, str):
            raise _malformed(f"{at}/{name}/{key}", "a text is needed")
    return {key: str(text) for key, text in value.items()}


def _queries(document: JsonObject) -> dict[str, str]:
    metrics = document.get("metrics")
    return _texts(metrics, "queries", "/metrics") if isinstance(metrics, dict) else {}


def _malformed(pointer: str, reason: str) -> Problem:
    return Problem(MANIFEST_MALFORMED, pointer=pointer, reason=reason)
