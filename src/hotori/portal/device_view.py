"""A device as the portal shows it, made of what the registry, the hub and the device's own report say. Pure.

Reports come from devices, so nothing in them is taken for granted: what has another form is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hotori.hub.registration import Registration
from hotori.hub.sessions import Presence
from hotori.model.identity import Identity
from hotori.model.json import Json, JsonObject
from hotori.problems import Language, Problem


@dataclass(frozen=True, slots=True)
class ProblemView:
    """A reported problem, in one language, and whose it is."""

    device: str
    module: str
    code: str
    severity: str
    title: str
    cause: str
    remedy: str
    commands: tuple[str, ...]
    evidence: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ModuleView:
    """A module as its device reports it."""

    name: str
    status: str
    why: str
    image: str
    restarts: int
    messages: int


@dataclass(frozen=True, slots=True)
class DeviceView:
    """A device with everything that is known of it. Times are Unix seconds."""

    name: str
    enabled: bool
    edge: bool
    connected: bool
    since: float | None
    last_activity: float | None
    deployed_version: int | None
    deployment_error: str
    modules: tuple[ModuleView, ...]
    problems: tuple[ProblemView, ...]
    messages: int

    @property
    def running(self) -> int:
        return sum(module.status == "running" for module in self.modules)

    @property
    def state(self) -> str:
        """The phrase for its connection."""
        if not self.enabled:
            return "disabled"
        return "connected" if self.connected else "not-connected"


def device_view(
    registration: Registration,
    presence: Presence | None,
    report: JsonObject,
    messages: Mapping[Identity, int],
    language: Language,
) -> DeviceView:
    """Put a device together. `report` is what its agent reported, empty for a device without one."""
    name = registration.identity.device
    status = _object(report.get("lastDesiredStatus"))
    version, code = report.get("lastDesiredVersion"), status.get("code")
    return DeviceView(
        name=name,
        enabled=registration.enabled,
        edge=registration.edge,
        connected=presence is not None and presence.connected,
        since=presence.since if presence else None,
        last_activity=presence.last_activity if presence else None,
        deployed_version=version if isinstance(version, int) and version > 0 else None,
        deployment_error="" if code in (None, 0, 200, 417) else _text(status.get("description")),
        modules=tuple(_modules(name, report, messages)),
        problems=tuple(_problems(name, report, language)),
        messages=sum(count for sender, count in messages.items() if sender.device == name),
    )


def _modules(device: str, report: JsonObject, messages: Mapping[Identity, int]) -> Iterator[ModuleView]:
    for name, value in sorted(_object(report.get("modules")).items()):
        module = _object(value)
        restarts = module.get("restartCount")
        yield ModuleView(
            name=name,
            status=_text(module.get("runtimeStatus")) or "unknown",
            why=_text(module.get("statusDescription")),
            image=_text(_object(module.get("settings")).get("image")),
            restarts=restarts if isinstance(restarts, int) else 0,
            messages=sum(
                count for sender, count in messages.items() if (sender.device, sender.module) == (device, name)
            ),
        )


def _problems(device: str, report: JsonObject, language: Language) -> Iterator[ProblemView]:
    for value in _list(report.get("problems")):
        yield _problem(device, "", _object(value), language)
    for name, module in sorted(_object(report.get("modules")).items()):
        for value in _list(_object(module).get("problems")):
            yield _problem(device, name, _object(value), language)


def _problem(device: str, module: str, document: JsonObject, language: Language) -> ProblemView:
    return ProblemView(
        device=device,
        module=module,
        code=_text(document.get("code")),
        severity="warning" if document.get("severity") == "warning" else "error",
        title=_words(document.get("title"), language),
        cause=_words(document.get("cause"), language),
        remedy=_words(document.get("remedy"), language),
        commands=tuple(_texts(document.get("commands"))),
        evidence=tuple(_texts(document.get("evidence"))),
    )


def problem_of_hub(problem: Problem, language: Language) -> ProblemView:
    """One that is no device's."""
    document: Any = problem.document()
    return _problem("", "", document, language)


def _words(value: Json, language: Language) -> str:
    words = _object(value)
    return _text(words.get(language.value)) or _text(words.get(Language.EN.value))


def _object(value: Json) -> JsonObject:
    return value if isinstance(value, dict) else {}


def _list(value: Json) -> Sequence[Json]:
    return value if isinstance(value, list) else ()


def _text(value: Json) -> str:
    return value if isinstance(value, str) else ""


def _texts(value: Json) -> Iterator[str]:
    return (text for text in _list(value) if isinstance(text, str))
