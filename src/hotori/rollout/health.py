"""How one device does with what it was given, read off its agent's report (contract 4.1)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from hotori.model.json import Json, JsonObject


class Health(StrEnum):
    WAITING = "waiting"
    """The device has not read it yet."""
    APPLYING = "applying"
    """It works on it."""
    HEALTHY = "healthy"
    """Everything runs as desired."""
    FAILING = "failing"
    """Something does not; `reason` says what."""


@dataclass(frozen=True, slots=True)
class Reading:
    """`reason` is for people, with the evidence that the device gave."""

    health: Health
    reason: str = ""


def read_health(desired: JsonObject, version: int, reported: JsonObject) -> Reading:
    """Judge a device by its agent's desired properties, their version, and the reported ones."""
    seen = reported.get("lastDesiredVersion")
    if not isinstance(seen, int) or seen < version:
        return Reading(Health.WAITING, f"the device has read version {seen or 'none'} of {version}")
    status = _object(reported.get("lastDesiredStatus"))
    code = status.get("code")
    if code != 200:
        return Reading(Health.FAILING, f"status {code}: {status.get('description') or 'no description'}")
    return _of_modules(
        _expected(desired), {**_object(reported.get("systemModules")), **_object(reported.get("modules"))}
    )


def _expected(desired: JsonObject) -> list[str]:
    modules = _object(desired.get("modules"))
    return sorted(name for name, spec in modules.items() if _object(spec).get("status", "running") == "running")


def _of_modules(expected: list[str], reported: JsonObject) -> Reading:
    readings = [_of_module(name, _object(reported.get(name))) for name in expected]
    for health in (Health.FAILING, Health.APPLYING):
        if found := [reading for reading in readings if reading.health is health]:
            return Reading(health, "; ".join(reading.reason for reading in found))
    return Reading(Health.HEALTHY)


_FAILING = ("backoff", "failed", "unhealthy", "dead")


def _of_module(name: str, report: JsonObject) -> Reading:
    status = report.get("runtimeStatus", "not reported")
    if status == "running":
        return Reading(Health.HEALTHY)
    why = report.get("statusDescription") or ""
    text = f"{name} is {status}" + (f" (exit code {report['exitCode']})" if report.get("exitCode") else "")
    return Reading(Health.FAILING if status in _FAILING else Health.APPLYING, f"{text}: {why}" if why else text)


def _object(value: Json) -> JsonObject:
    return value if isinstance(value, dict) else {}
